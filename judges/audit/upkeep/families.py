"""Families of language models, by their names: a judge may favour answers of its own family.

Judges recognise and favour what they wrote themselves (Panickssery et al. 2024, arXiv 2404.13076),
and what is likely under them (Wataoka et al. 2024, arXiv 2410.21819), which models of one family
share. A name that is not known has no family, and no warning is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

_PATTERNS = {
    "GPT": r"chatgpt|\bgpt-?[0-9]|\bgpt-oss|(^|:)o[1-9]\b|davinci",
    "Claude": r"claude",
    "Gemini and Gemma": r"gemini|gemma",
    "Llama": r"(?<!o)llama(?![._-]?cpp)|vicuna",
    "Qwen": r"qwen|\bqwq|\bqvq",
    "Mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral|mathstral",
    "DeepSeek": r"deepseek",
    "Phi": r"\bphi-?[0-9]",
    "Grok": r"\bgrok",
    "Command": r"\bcommand-[ar]|\bc4ai\b|\baya-",
    "Kimi": r"kimi|moonshot",
    "GLM": r"\b(chat)?glm-?[0-9z]",
    "Nova": r"\bnova-(micro|lite|pro|premier)",
    "OLMo": r"\bolmo",
    "Granite": r"\bgranite-",
    "SmolLM": r"smollm",
    "MiniMax": r"minimax",
    "Hunyuan": r"hunyuan",
    "InternLM": r"internlm",
    "Yi": r"\byi-[0-9]",
}
_FAMILIES = {name: re.compile(words) for name, words in _PATTERNS.items()}
_NOT_WRITTEN = ("fitted", "keyword", "constant", "scripted")
"""Judges that are no language model, whatever their folder is called."""


def families_of(model: str) -> frozenset[str]:
    """Name the families of a model, by the last part of its name; of a distilled one both."""
    # an underscore is a letter to a regular expression, and a colon stands before a size or a tag
    name = model.strip().lower().replace("_", "-").rstrip("/").rpartition("/")[2]
    return frozenset(family for family, words in _FAMILIES.items() if words.search(name))


def models_of_judge(judge: object) -> Iterator[str]:
    """Name the models of a judge and of those it is made of, from its options or its facts."""
    if isinstance(judge, Mapping):
        if str(judge.get("name", "")).startswith(_NOT_WRITTEN):
            return
        if isinstance(model := judge.get("model"), str) and model:
            yield model
        for inner in ("members", "judge", "judges"):
            yield from models_of_judge(judge.get(inner))
    elif isinstance(judge, Sequence) and not isinstance(judge, str):
        for member in judge:
            yield from models_of_judge(member)


def own_family(judge: object) -> frozenset[str]:
    """Name the families of a judge, as `models_of_judge` reads it; empty where none is known."""
    return frozenset().union(*map(families_of, models_of_judge(judge)))


def family_warning(judge: object, models: Iterable[str]) -> str | None:
    """Warn where models under test are of a judge's family; None where none is known to be.

    Args:
        judge: Its options or its facts: a mapping with `name`, `model` and `members`.
        models: Names of the models whose answers are judged.
    """
    families = own_family(judge)
    kin = [model for model in dict.fromkeys(models) if families & families_of(model)]
    if not kin:
        return None
    shared = sorted(families.intersection(*map(families_of, kin)) or families)
    names = ", ".join(dict.fromkeys(models_of_judge(judge)))
    return (
        f"the judge ({names}) and {', '.join(kin)} are of one family ({', '.join(shared)}): judges "
        "tend to favour their own family's answers. Take a judge of another family, or measure it "
        "with `rubricbeat audit` (docs/trust.md)"
    )
