"""The sentence on top of a training's page, and the warnings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...judges.errors import RubricbeatError
from ...judges.rewards import get_reward
from ...judges.scoring.estimates import MIN_PROMPTS
from .. import numbers
from .arms import Arm, ArmPair, HeldOutChange, difference_of_kind
from .evaluations import commonest_score, ends_of, judged_by
from .runs import GOLD, TRAINING, TrainingRun

MOST_NAMED = 4
MOSTLY_DEAD = 0.75
"""Share of groups without reward variance from which it is a warning; ours."""
TRUNCATED = "truncated_frac"
MOSTLY_TRUNCATED = 0.5
"""Share of answers cut off at the token limit from which it is a warning; ours."""

SCALES = ("group", "batch", "none")
"""Of advantages, in the order in which the page explains them."""


def terms_of(arms: Sequence[Arm]) -> list[tuple[str, str, str]]:
    """Give name, first sentence and range of each training reward that can be made again."""
    found: dict[str, tuple[str, str, str]] = {}
    for arm in arms:
        options = arm.runs[0].asked("reward", "options")
        try:
            named = options if isinstance(options, dict) else {}
            reward = get_reward(arm.runs[0].reward, **named)
        except RubricbeatError:  # of the user's own, whose module is not here
            continue
        words = (inspect.getdoc(type(reward)) or "").partition("\n")[0].rstrip(".")
        is_bounded = all(map(math.isfinite, reward.range))
        ends = "no fixed range" if not is_bounded else "{:g} to {:g}".format(*reward.range)
        found[arm.runs[0].reward] = (arm.runs[0].reward, words, ends)
    return list(found.values())


def headline_of(arms: Sequence[Arm], pairs: Sequence[ArmPair]) -> str:
    """Say what came out, held-out first: a training reward always rises."""
    measured = [arm for arm in arms if GOLD in arm.changes]
    measured = [arm for arm in measured if arm.is_done] or measured
    if not measured:
        return _unmeasured(arms)
    why = difference_of_kind(measured)
    if why is not None:
        n = f"The {len(measured)} arms" if len(measured) > 1 else "The runs"
        return f"{n} cannot be ranked: {why}; see the results of each arm"
    best = max(measured, key=_gain)
    change = best.changes[GOLD]
    found = f"{numbers.difference(change.over.mean)}{_ends(change)} {_basis(best)}"
    so_far = "" if best.is_done else f" So far, at step {best.evaluation_step}: no run is done."
    if len(measured) == 1:
        return f"{best.name}: {_alone(best)} {_basis(best)}{_stop(so_far)}"
    if not any(arm.moved for arm in measured):
        alone = change.over.interval.excludes_zero
        picked = f"; the interval is not corrected for picking one of {len(measured)} arms"
        return (
            f"None of {len(measured)} arms changed the held-out score significantly; largest "
            f"change: {best.name}, {found}{picked if alone else ''}{_stop(so_far)}"
        )
    may_be = "" if best.moved else ", not significant"
    against = "" if so_far else f"; {_against(best, pairs, len(measured) - 1)}"
    if (change.over.mean or 0.0) < 0:
        fell = f"None of {len(measured)} arms improved the held-out score; least worse"
        return f"{fell}: {best.name}, {found}{may_be}{against}{_stop(so_far)}"
    return (
        f"Of {len(measured)} arms, {best.name} improved the held-out score most: {found}"
        f"{may_be}{against}{_stop(so_far)}"
    )


def _unmeasured(arms: Sequence[Arm]) -> str:
    """Say that there is no held-out change, and of one arm what its own reward did."""
    was_evaluated = any(run.evaluations for arm in arms for run in arm.runs)
    no = (
        "no change on held-out prompts is measured yet"
        if was_evaluated
        else "held-out prompts were not evaluated"
    )
    if len(arms) > 1:
        return f"{len(arms)} arms: {no}"
    first, last = (numbers.score(end) for end in arms[0].ends)
    return f"{arms[0].name}: the training reward went from {first} to {last}; {no}"


def _alone(arm: Arm) -> str:
    """Word the change of the only arm; without an interval it is only stated."""
    change = arm.changes[GOLD]
    size = numbers.score(abs(change.over.mean or 0.0))
    if arm.moved:
        way = "rose" if arm.moved > 0 else "fell"
        return f"held-out score {way} by {size}{_ends(change)}"
    signed = f"{numbers.difference(change.over.mean)}{_ends(change)}"
    if change.over.interval.low is None:
        return f"held-out score changed by {signed}"
    return f"no significant change of the held-out score: {signed}"


def _ends(change: HeldOutChange) -> str:
    low, high = change.over.interval.low, change.over.interval.high
    return "" if low is None else f" {numbers.interval(low, high, signed=True)}"


def _basis(arm: Arm) -> str:
    """Say who judged, and whether the prompts were enough for an interval."""
    change = arm.changes[GOLD]
    is_own = any(map(_judges_itself, arm.measured))
    judge = "held-out judge is the training judge" if is_own else "held-out judge"
    prompts = numbers.counted(change.over.n_prompts, "prompt")
    few = ": too few for an interval" if change.over.n_prompts < MIN_PROMPTS else ""
    return f"({judge}, {prompts}{few}, {numbers.counted(change.over.n_runs, 'run')})"


@dataclass(frozen=True, slots=True)
class _Page:
    runs: Sequence[TrainingRun]
    arms: Sequence[Arm]
    skipped: Sequence[TrainingRun]

    @property
    def measured(self) -> list[Arm]:
        return [arm for arm in self.arms if GOLD in arm.changes]

    def few_runs(self, *counts: int) -> list[str]:
        return [a.name for a in self.measured if a.changes[GOLD].over.n_runs in counts]


_Note = Callable[[_Page], Iterable[str]]


def _named(words: str, names: _Note) -> _Note:
    """Make a note that is said where there are names to put into it."""
    return lambda page: [words.format(_listed(found)) for found in [list(names(page))] if found]


def notes_of(
    runs: Sequence[TrainingRun], arms: Sequence[Arm], skipped: Sequence[TrainingRun] = ()
) -> list[str]:
    """Say what a reader must know before the curves."""
    page = _Page(runs, arms, skipped)
    return [text for note in NOTES for text in note(page)]


def _unfinished(page: _Page) -> Iterator[str]:
    left = [run for run in page.runs if run.state != "done"]
    states = [
        f"{run.state}: {run.status['reason']}" if run.status.get("reason") else run.state
        for run in left
    ]
    if len(left) == 1:
        yield (
            f"{left[0].name} is not complete ({states[0]}); if another run of its arm is done, "
            "it is excluded from the arm's numbers and curves."
        )
    elif left:
        named = [f"{run.name} ({state})" for run, state in zip(left, states, strict=True)]
        yield (
            f"{len(left)} of {len(page.runs)} runs are not complete: {_listed(named)}. If another "
            "run of an arm is done, they are excluded from the arm's numbers and curves."
        )


def _not_alike(page: _Page) -> Iterator[str]:
    """Warn of held-out scores that do not mean the same everywhere."""
    within = [arm.name for arm in page.measured if difference_of_kind([arm]) is not None]
    if (why := difference_of_kind(page.measured)) is not None:
        yield (
            f"{_listed(within)}: its runs are {why}; the result is not meaningful."
            if within
            else f"Not all arms can be compared: {why}. Such pairs are excluded."
        )
    ends = [ends_of(run, GOLD) for arm in page.measured for run in arm.measured]
    if len({frozenset(of_run[0].prompt_ids) for of_run in ends if of_run is not None}) > 1:
        yield (
            "Not all runs were evaluated on the same held-out prompts: changes of arms cover "
            "different prompts, pairs the prompts both have."
        )


def _lost(judge: str) -> _Note:
    """Name runs that a judge evaluated, but not at the start or not at the end."""
    return lambda page: [
        run.name
        for run in page.runs
        if run.evaluations_by(judge) and ends_of(run, judge) is None and run.state == "done"
    ]


def _lost_scores(page: _Page) -> Iterator[str]:
    missing = {arm.name: n for arm in page.arms if (n := arm.scores[1])}
    if missing:
        asked = numbers.count(sum(arm.scores[0] for arm in page.arms))
        yield (
            f"{numbers.count(sum(missing.values()))} of {asked} held-out answers of the initial "
            f"and final evaluations have no score by the held-out judge: {_listed(missing)}. Their "
            "prompts are excluded from that run's change."
        )


def _unscored(page: _Page) -> Iterator[str]:
    unscored = {run.name: n for run in page.runs if (n := run.total("unscored"))}
    if unscored:
        asked = numbers.count(sum(run.total("answers") for run in page.runs))
        yield (
            f"{numbers.count(sum(unscored.values()))} of {asked} answers have no reward and were "
            f"excluded from training: {_listed(unscored)}."
        )


def _dull(page: _Page) -> Iterator[str]:
    dull = [arm for arm in page.arms if arm.is_gold_dull]
    found = commonest_score([run for arm in dull for run in arm.measured])
    if found is not None and not all(arm.is_gold_still for arm in dull):
        score, share = found
        of = "" if len(dull) == len(page.arms) else f" of {_listed(arm.name for arm in dull)}"
        yield (
            f"The held-out judge gave {numbers.share(share)} of the held-out answers{of} the same "
            f"score, {numbers.score(score)}: it discriminates poorly and may miss a change."
        )


def _dead(page: _Page) -> Iterator[str]:
    shares = {arm.name: arm.mean("dead_frac") or 0.0 for arm in page.arms}
    return (f"{n} ({numbers.share(x)})" for n, x in shares.items() if x >= MOSTLY_DEAD)


def _cut(page: _Page) -> Iterator[str]:
    shares = {a.name: max(a.mean(TRUNCATED) or 0.0, a.last(TRUNCATED) or 0.0) for a in page.arms}
    cut = [f"{name} ({numbers.share(x)})" for name, x in shares.items() if x >= MOSTLY_TRUNCATED]
    if cut and all(arm.runs[0].asked("model", "name") == "tiny" for arm in page.arms):
        yield (
            f"Most answers end at the token limit: {_listed(cut)}. This is expected of the tiny "
            "model of random weights, which is not rewarded for stopping."
        )
    elif cut:
        yield (
            f"Most answers were truncated at the token limit: {_listed(cut)}. The judge saw "
            "unfinished answers; raise grpo.max_completion_length."
        )


def _other_seeds(page: _Page) -> Iterator[str]:
    if len({frozenset(arm.seeds) for arm in page.measured}) > 1:
        yield (
            "The arms do not have the same seeds: their own changes also differ by seed. Pairs use "
            "the seeds both arms have."
        )
    if len({arm.last_step for arm in page.arms if arm.is_done}) > 1:
        yield "The arms were trained for different numbers of steps; see the table."


NOTES: tuple[_Note, ...] = (
    _unfinished,
    _not_alike,
    *(
        _named(
            f"{{}}: the {whose} judge has no evaluation before the first step or after the last, "
            "so its change is not measured.",
            _lost(judge),
        )
        for judge, whose in ((GOLD, "held-out"), (TRAINING, "training"))
    ),
    _lost_scores,
    _unscored,
    _named(
        "No step with a reward was recorded in {}.", lambda page: (run.name for run in page.skipped)
    ),
    _named(
        "{}: the held-out judge is the training judge; it cannot reveal reward hacking, only "
        "generalisation to other prompts.",
        lambda page: (run.name for run in page.runs if _judges_itself(run)),
    ),
    _named(
        "{}: the held-out judge gave all held-out answers the same score at every evaluation. It "
        "does not discriminate here; use another one.",
        lambda page: (run.name for run in page.runs if run.is_gold_still),
    ),
    _dull,
    _named(
        "{}: the held-out answers improved significantly by the training judge, significantly less "
        "and not significantly by the held-out judge: a sign of reward hacking.",
        lambda page: (arm.name for arm in page.arms if arm.is_hacked),
    ),
    _named("Most groups have zero reward variance and no learning signal: {}.", _dead),
    _cut,
    _named(
        f"{{}}: fewer than {MIN_PROMPTS} held-out prompts, so there is no interval and no test; "
        "evaluate on more (data.held_out, gold.n_prompts).",
        lambda page: (
            arm.name for arm in page.measured if arm.changes[GOLD].over.n_prompts < MIN_PROMPTS
        ),
    ),
    _named("{}: one run; the result does not cover other seeds.", lambda page: page.few_runs(1)),
    _named("{}: two runs, too few to generalise to other seeds.", lambda page: page.few_runs(2)),
    _named(
        "{}: some runs share a seed; they are not a sample of seeds, and the interval is too "
        "narrow.",
        lambda page: (arm.name for arm in page.arms if len(set(arm.seeds)) < len(arm.seeds)),
    ),
    _other_seeds,
)
"""In the order in which they are said."""


def _judges_itself(run: TrainingRun) -> bool:
    gold, own = judged_by(run.asked("gold", "judge")), judged_by(run.asked("judge"))
    digests = run.gold_ledger.get("digest"), run.ledger.get("digest")
    return (gold is not None and gold == own) or (
        digests[0] is not None and digests[0] == digests[1]
    )


def _against(best: Arm, pairs: Sequence[ArmPair], n_others: int) -> str:
    won = [p for p in pairs if p.this == best.name and p.is_sure and (p.over.mean or 0.0) > 0]
    one_seed = any(pair.over.n_runs == 1 for pair in won)
    alone = " on the one seed they share" if one_seed else ""
    if not won:
        return "not significantly better than any other"
    if len(won) == n_others:
        return f"significantly better than the other{'s' if n_others > 1 else ''}{alone}"
    return f"significantly better than {len(won)} of the other {n_others}{alone}"


def _gain(arm: Arm) -> float:
    gain = arm.changes[GOLD].over.mean
    return float("-inf") if gain is None else gain  # 0 is a gain, and may be the best


def _stop(more: str) -> str:
    return f".{more}" if more else ""


def _listed(names: Iterable[str]) -> str:
    """Name a few, and count the rest."""
    every = list(names)
    if len(every) <= MOST_NAMED:
        return "; ".join(every)
    return f"{'; '.join(every[:MOST_NAMED])}; and {len(every) - MOST_NAMED} more"
