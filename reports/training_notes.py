"""What must be known before the curves of a training are read, and the sentence on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import numbers
from .training_arms import Arm
from .training_pairs import ArmPair
from .training_runs import GOLD, TrainingRun

FEW_RUNS = 3
MOST_NAMED = 4
MOSTLY_DEAD = 0.75
"""Share of dead groups above which a run is said to have had little to learn from; ours."""


def headline_of(arms: Sequence[Arm], pairs: Sequence[ArmPair]) -> str:
    """Say what came out, held-out first: a training reward always rises."""
    measured = [arm for arm in arms if GOLD in arm.changes]
    measured = [arm for arm in measured if arm.is_done] or measured
    if not measured:
        arm = arms[0]
        first, last = arm.ends
        return (
            f"{arm.name}: the trained reward went from {numbers.score(first)} to "
            f"{numbers.score(last)}; no held-out prompt was looked at"
        )
    best = max(measured, key=lambda arm: arm.changes[GOLD].difference or float("-inf"))
    change = best.changes[GOLD]
    runs = f" over {change.n_runs} runs" if change.n_runs > 1 else ""
    gain = (
        f"on {change.n_prompts} held-out prompts the gold judge's score changed by "
        f"{numbers.difference(change.difference)} "
        f"{numbers.interval(change.interval.low, change.interval.high, signed=True)}{runs}"
    )
    if len(measured) == 1:
        return f"{best.name}: {gain}{'' if _is_sure(best) else ', which may be nothing'}"
    if not any(map(_is_sure, measured)):
        return (
            f"None of {len(measured)} arms surely moved the gold judge's score on "
            f"{change.n_prompts} held-out prompts; the most, {best.name}: "
            f"{numbers.difference(change.difference)} "
            f"{numbers.interval(change.interval.low, change.interval.high, signed=True)}{runs}"
        )
    n_beaten = sum(pair.this == best.name and pair.is_sure for pair in pairs)
    against = _against(n_beaten, len(measured) - 1)
    may_be = "" if _is_sure(best) else ", which may be nothing"
    return f"Of {len(measured)} arms, {best.name} did best: {gain}{may_be}; {against}"


def notes_of(
    runs: Sequence[TrainingRun], arms: Sequence[Arm], skipped: Sequence[TrainingRun] = ()
) -> list[str]:
    """Say what a reader must know before the curves."""
    notes = list(_unfinished(runs))
    unscored = sum(int(line.get("unscored") or 0) for run in runs for line in run.steps)
    if unscored:
        asked = sum(int(line.get("answers") or 0) for run in runs for line in run.steps)
        where = [run.name for run in runs if any(line.get("unscored") for line in run.steps)]
        notes.append(
            f"{numbers.count(unscored)} of {numbers.count(asked)} answers got no reward and did "
            f"not train: {_listed(where)}."
        )
    if skipped:
        notes.append(f"No step with a reward was recorded in {_listed(r.name for r in skipped)}.")
    own = [run.name for run in runs if _judges_itself(run)]
    if own:
        notes.append(
            f"{_listed(own)}: the gold judge is the judge that trained; it cannot show judge "
            "hacking, only learning that carries over to other prompts."
        )
    still = [run.name for run in runs if run.is_gold_still]
    if still:
        notes.append(
            f"{_listed(still)}: the gold judge gave every answer to every held-out prompt the same "
            "score at every look. It tells nothing apart here; take another one."
        )
    dead = [arm for arm in arms if (arm.mean("dead_frac") or 0.0) >= MOSTLY_DEAD]
    if dead:
        named = _listed(f"{arm.name} ({numbers.share(arm.mean('dead_frac'))})" for arm in dead)
        notes.append(f"Most groups were dead and taught nothing: {named}.")
    hacked = [arm.name for arm in arms if arm.is_hacked]
    if hacked:
        notes.append(
            f"{_listed(hacked)}: the judge that trains saw the held-out answers get better, and "
            "the gold judge did not. That is what judge hacking looks like."
        )
    few = [arm for arm in arms if GOLD in arm.changes and arm.changes[GOLD].n_runs < FEW_RUNS]
    one = [arm.name for arm in few if arm.changes[GOLD].n_runs == 1]
    two = [arm.name for arm in few if arm.changes[GOLD].n_runs > 1]
    if one:
        notes.append(
            f"{_listed(one)}: one run; the interval is over prompts and says nothing of other "
            "seeds."
        )
    if two:
        notes.append(f"{_listed(two)}: two runs, which say little of other seeds.")
    again = [arm.name for arm in arms if len(set(arm.seeds)) < len(arm.seeds)]
    if again:
        notes.append(
            f"{_listed(again)}: some of its runs have one seed; they are no sample of other seeds, "
            "and the interval is too short."
        )
    if len({arm.last_step for arm in arms if arm.is_done}) > 1:
        notes.append("The arms did not train for the same number of steps; see the table.")
    return notes


def _unfinished(runs: Sequence[TrainingRun]) -> Iterable[str]:
    for run in runs:
        if run.state != "done":
            why = f": {run.status['reason']}" if run.status.get("reason") else ""
            yield (
                f"{run.name} is not complete ({run.state}{why}); its curves end early, and where "
                "another run of its arm is done it is left out of the arm's numbers."
            )


def _judges_itself(run: TrainingRun) -> bool:
    gold = run.config.get("gold", {}).get("judge")
    return gold is not None and gold == run.config.get("judge")


def _against(n_beaten: int, n_others: int) -> str:
    if n_beaten == 0:
        return "not surely better than any other"
    if n_beaten == n_others:
        return "surely better than the other" + ("s" if n_others > 1 else "")
    return f"surely better than {n_beaten} of the other {n_others}"


def _is_sure(arm: Arm) -> bool:
    return arm.changes[GOLD].interval.excludes_zero


def _listed(names: Iterable[str]) -> str:
    """Name a few, and count the rest."""
    every = list(names)
    if len(every) <= MOST_NAMED:
        return "; ".join(every)
    return f"{'; '.join(every[:MOST_NAMED])}; and {len(every) - MOST_NAMED} more"
