"""The judges of a cascade to be: what each said of the same questions, its price, its options.

Everything comes from verdicts that are there: result folders, stores, recorded verdicts. Nothing is
asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...judges.answer import GradedAnswer, solution_of
from ...judges.audit.label_correction import match_labels
from ...judges.audit.labels import LabelledAnswer
from ...judges.budget.cascade import CHEAP_CALL, Members, sureness
from ...judges.engine.assembly import FREE
from ...judges.engine.ledger import Price, expected_tokens, price_of
from ...judges.errors import ConfigError, RubricbeatError, near_names
from ...judges.judge import JudgeIdentity, identity_of
from ...judges.judge_options import make_judge
from ...judges.options.reader import annotations_of
from ...judges.registry import JUDGES
from ...judges.rubric import Criterion, Example
from ...judges.scoring.missing_reasons import NOT_DRAWN
from ...judges.shares import EXCLUDED, value_of
from ...judges.verdict import Verdict
from ..flags import keys_stand_in
from ..inputs import SignalInput

WORDING_BYTES = 2_500
"""Of the instructions around a question, where nothing better is known of a call's length."""
Key = tuple[str, str, str]
"""Prompt, the judged part of the answer, criterion: what a question is, whoever is asked."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One judge, and what it said."""

    name: str
    """As tables show it."""
    spec: Mapping[str, object] | None
    """As a member of a cascade; None where the verdicts do not say."""
    is_exact: bool
    """Whether the spec makes the very judge that gave these verdicts."""
    usd: float | None
    """US dollars of a verdict; None where it is not known."""
    is_free: bool
    """Whether it is asked without a call."""
    verdicts: Mapping[Key, Verdict] = field(repr=False)
    is_sampled: bool = False
    """Whether it was asked a sample of the questions; the others are not in `verdicts`."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The questions that every judge was asked and the reference answers."""

    spoken: tuple[Spoken, ...]
    dear: int
    """The judge to be saved."""
    members: Members
    n_prompts: int
    n_answers: int
    n_unshared: int
    """Questions left out: not every judge was asked, or the reference says nothing."""
    reference: str
    """In words."""


def spoken_of(found: SignalInput, usd: Mapping[str, float]) -> list[Spoken]:
    """Sort verdicts by the judge that gave them.

    Args:
        found: Answers with the verdicts of all judges.
        usd: US dollars of a verdict by a judge's name or model, as the user says it.

    Raises:
        ConfigError: A price is of a judge that is not there.
    """
    graded: dict[str, list[GradedAnswer]] = {}
    for answer in found.answers:
        graded.setdefault(answer.labels.get("judge", ""), []).append(answer.graded)
    identities = {label: _identity(label, found.judges.get(label)) for label in graded}
    names = _names(identities)
    known = {*names.values(), *(str(plain.get("model")) for plain in identities.values())}
    for name in usd:
        if name not in known:
            raise ConfigError(f"--usd {name}: no such judge here; {near_names(name, known)}")
    return [
        _spoken(names[label], identities[label], answers, usd) for label, answers in graded.items()
    ]


def replay_of(
    spoken: Sequence[Spoken],
    examples: Mapping[Key, tuple[Example, Criterion]],
    dear: int,
    labels: Mapping[Key, Verdict] | None,
) -> Replay:
    """Put the verdicts of all judges side by side, beside the reference.

    Args:
        spoken: The judges.
        examples: What each question is about.
        dear: Number of the judge to be saved.
        labels: The reference; None where it is the dear judge.

    Raises:
        ConfigError: No question is left.
    """
    truth = spoken[dear].verdicts if labels is None else labels
    every = {key for one in spoken for key in one.verdicts}
    keys = [
        key
        for key in spoken[dear].verdicts
        if all(key in one.verdicts for one in spoken) and key in truth and not truth[key].is_missing
    ]
    if not keys:
        raise ConfigError(
            "the judges share no question (the same prompt, answer and criterion) that the "
            "reference answers; grade the same answers with each of them"
        )
    prompts: dict[str, int] = {}
    answers: dict[tuple[str, str], int] = {}
    said = [[one.verdicts[key] for key in keys] for one in spoken]
    worth = [_worth(*examples[key]) for key in keys]
    criteria = [examples[key][1] for key in keys]
    calls_M = np.array([0.0 if one.is_free else CHEAP_CALL for one in spoken])
    calls_M[dear] = 1.0
    members = Members(
        sureness_MN=np.array([[sureness(v) for v in row] for row in said]),
        agrees_MN=np.array(
            [[_is_same(v, truth[key]) for v, key in zip(row, keys, strict=True)] for row in said]
        ),
        usd_M=np.array([np.nan if one.usd is None else one.usd for one in spoken]),
        calls_M=calls_M,
        prompt_N=np.array([prompts.setdefault(key[0], len(prompts)) for key in keys]),
        answer_N=np.array([answers.setdefault(key[:2], len(answers)) for key in keys]),
        gain_MN=np.array([_gains(row, criteria, worth) for row in said]),
        reference_N=np.array(_gains([truth[key] for key in keys], criteria, worth)),
    )
    return Replay(
        tuple(spoken),
        dear,
        members,
        len(prompts),
        len(answers),
        len(every) - len(keys),
        f"the verdicts of {spoken[dear].name}" if labels is None else "the labels",
    )


def dear_of(spoken: Sequence[Spoken], named: str | None) -> int:
    """Find the judge that is to be saved: the one named, else the dearest.

    Raises:
        ConfigError: No such judge, or prices do not tell which is dearest.
    """
    names = [one.name for one in spoken]
    if named is not None:
        fits = [
            n for n, one in enumerate(spoken) if named in (one.name, (one.spec or {}).get("model"))
        ]
        if len(fits) != 1:
            why = f"{len(fits)} judges here are that model" if fits else "no such judge here"
            raise ConfigError(f"--expensive {named}: {why}; {near_names(named, names)}")
        if spoken[fits[0]].is_free:
            raise ConfigError(
                f"--expensive {named}: it is free, so there is nothing to save; name another of "
                f"{', '.join(names)}"
            )
        return fits[0]
    paid = [n for n, one in enumerate(spoken) if not one.is_free]
    if not paid:
        raise ConfigError(
            f"all judges here are free, so there is nothing to save ({', '.join(names)})"
        )
    unknown = [spoken[n].name for n in paid if spoken[n].usd is None]
    if len(paid) > 1 and unknown:
        raise ConfigError(
            f"the price of {unknown[0]} is not known: give --expensive NAME, or a price with "
            f"--usd NAME=USD ({', '.join(names)})"
        )
    return max(paid, key=lambda n: spoken[n].usd or 0.0)


def questions_of(found: SignalInput) -> dict[Key, tuple[Example, Criterion]]:
    """Give what each question is about."""
    return {
        key: (answer.graded.example, criterion)
        for answer in found.answers
        for key, criterion in zip(
            _keys(answer.graded), answer.graded.example.rubric.criteria, strict=True
        )
    }


def labels_by_question(
    found: SignalInput, labelled: Sequence[LabelledAnswer]
) -> dict[Key, Verdict]:
    """Give what the labels say of each question; what most of them say, of several raters."""
    matched = match_labels([answer.graded for answer in found.answers], labelled)
    return {
        key: verdict
        for truth in matched.truth
        for key, verdict in zip(_keys(truth), truth.verdicts, strict=True)
        if not verdict.is_missing
    }


def _keys(answer: GradedAnswer) -> Iterable[Key]:
    text = solution_of(answer.answer).strip()
    return [(answer.example.prompt_id, text, one.text) for one in answer.example.rubric.criteria]


def _spoken(
    name: str,
    identity: Mapping[str, object],
    answers: Sequence[GradedAnswer],
    usd: Mapping[str, float],
) -> Spoken:
    verdicts: dict[Key, Verdict] = {}
    is_sampled = False
    for answer in answers:
        for key, verdict in zip(_keys(answer), answer.verdicts, strict=True):
            if verdict.explanation == NOT_DRAWN:
                is_sampled = True  # what the judge would have said is not known
                continue
            # of several verdicts of one judge on one question the first counts
            if key not in verdicts or verdicts[key].is_missing:
                verdicts[key] = verdict
    spec, is_exact = _spec(identity)
    is_free = spec is not None and _is_free(spec)
    stated = usd.get(name, usd.get(str(identity.get("model"))))
    if stated is None:
        stated = 0.0 if is_free else usd_of_verdict(str(identity.get("model") or ""), answers)
    return Spoken(name, spec, is_exact, stated, is_free or stated == 0.0, verdicts, is_sampled)


def _identity(label: str, facts: Mapping[str, object] | None) -> Mapping[str, object]:
    """Give a judge's name, model and settings, from results, a store, or a recorded grader."""
    if facts:
        return facts
    with contextlib.suppress(ValueError):
        plain = json.loads(label)
        if isinstance(plain, Mapping):
            return plain
    return {"name": "recorded", "model": label}


def _names(identities: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Name judges for a reader; those that would be called alike get a number."""
    names: dict[str, str] = {}
    for label, plain in identities.items():
        name = f"{plain.get('name') or ''} {plain.get('model') or ''}".strip() or "judge"
        if name.startswith("recorded ") or name == "recorded":
            name = name.partition(" ")[2] or name
        taken = sum(other == name or other.startswith(f"{name} #") for other in names.values())
        names[label] = f"{name} #{taken + 1}" if taken else name
    return names


def _spec(identity: Mapping[str, object]) -> tuple[dict[str, object] | None, bool]:
    """Give the judge as a member of a cascade, and whether that makes the very same one."""
    name, model = str(identity.get("name") or ""), str(identity.get("model") or "")
    spec: dict[str, object] = {"name": name}
    if name in JUDGES.names() or ":" in name:
        taken: Mapping[str, object] = {}
        with contextlib.suppress(RubricbeatError):
            taken = annotations_of(JUDGES.find(name))
        # results hold the options as they were given, a store what the identity says of them
        given = _mapping(identity, "options") or _mapping(identity, "sampling")
        spec |= {key: value for key, value in given.items() if key in taken}
        spec |= {key: model for key in ("model",) if key in taken and model and key not in spec}
        wording = str(identity.get("prompt") or "").partition(":")[0]
        if "options" not in identity and wording.endswith("-2"):
            spec["prompt"] = wording
        if name == "fitted" and "path" not in spec:
            spec["path"] = model  # the folder's own name: where it lies is not kept
    elif price_of(model) is not None:
        spec = {"name": "chat", "model": model}
    else:
        return None, False
    with contextlib.suppress(RubricbeatError), keys_stand_in(spec):
        return spec, identity_of(make_judge(spec)).digest == _digest(identity)
    return spec, False


def _digest(identity: Mapping[str, object]) -> str | None:
    if identity.get("digest"):
        return str(identity["digest"])
    name, *rest = (str(identity.get(key) or "") for key in ("name", "version", "model", "prompt"))
    version, model, prompt = rest
    return JudgeIdentity(name, version, model, prompt, _mapping(identity, "sampling")).digest


def _mapping(plain: Mapping[str, object], name: str) -> Mapping[str, object]:
    return found if isinstance(found := plain.get(name), Mapping) else {}


def _is_free(spec: object) -> bool:
    """Say whether a judge, and each that it is made of, is asked without a call."""
    plain = spec if isinstance(spec, Mapping) else {"name": spec}
    inner = plain.get("members") or ([plain["inner"]] if plain.get("inner") else [])
    if inner and isinstance(inner, Sequence):
        return all(map(_is_free, inner))
    name = str(plain.get("name"))
    with contextlib.suppress(RubricbeatError):
        factory = JUDGES.find(name)
        return not getattr(getattr(factory, "func", factory), "stored", name not in FREE)
    return False


def usd_of_verdict(model: str, answers: Sequence[GradedAnswer]) -> float | None:
    """Give the mean price of a verdict: by its tokens, or by the length of what was asked.

    None where the price of the model is not known.
    """
    price = price_of(model)
    if price is None:
        return None
    asked = [(answer, v) for answer in answers for v in answer.verdicts if not v.is_missing]
    counted = [v for _, v in asked if v.prompt_tokens]
    if counted:
        paid = (price.cost(v.prompt_tokens, v.cached_tokens, v.completion_tokens) for v in counted)
        return float(sum(paid) / len(counted))
    return sum(_guessed(price, answer) for answer, _ in asked) / len(asked) if asked else None


def _guessed(price: Price, answer: GradedAnswer) -> float:
    turns = sum(len(turn.content) for turn in answer.example.prompt)
    tokens = expected_tokens([WORDING_BYTES + turns + len(answer.judged)])
    return price.cost(tokens[0], 0, tokens[1])


def _is_same(verdict: Verdict, truth: Verdict) -> bool:
    return (verdict.outcome, verdict.level) == (truth.outcome, truth.level)


def _worth(example: Example, criterion: Criterion) -> float:
    """Give the share of its answer's positive points that a criterion is worth."""
    total = example.rubric.positive_points
    return criterion.points / total if total > 0 else np.nan


def _gains(
    row: Sequence[Verdict], criteria: Sequence[Criterion], worth: Sequence[float]
) -> list[float]:
    values = [value_of(v, c) for v, c in zip(row, criteria, strict=True)]
    return [w * v if v != EXCLUDED else np.nan for v, w in zip(values, worth, strict=True)]
