"""Which weights of a policy move."""

from __future__ import annotations

import pytest

from rubricbeat.harness.training.config import ModelSection
from rubricbeat.harness.training.policy.policy import lora_config, quiet_libraries
from rubricbeat.harness.training.policy.small_models import build_model, build_tokenizer
from rubricbeat.judges.errors import ConfigError

pytestmark = pytest.mark.border


def test_an_adapter_of_the_last_blocks_leaves_the_others_alone() -> None:
    import peft

    section = ModelSection(name="tiny", lora_last_blocks=1)
    with quiet_libraries():
        model = peft.get_peft_model(
            build_model(build_tokenizer(["one two"]), seed=1), lora_config(section)
        )
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained
    assert all(".layers.1." in name for name in trained)


@pytest.mark.parametrize("blocks", [0, 3])
def test_more_blocks_than_there_are_is_refused(blocks: int) -> None:
    with pytest.raises(ConfigError, match=r"lora_last_blocks is \d; the model has 2 blocks"):
        lora_config(ModelSection(name="tiny", lora_last_blocks=blocks))
