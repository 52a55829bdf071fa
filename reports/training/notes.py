"""What must be known before the curves of a training are read, and the sentence on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import numbers
from .arms import Arm
from .looks import commonest_score, ends_of, judged_by
from .pairs import ArmPair, difference_of_kind
from .runs import GOLD, TRAINING, TrainingRun

FEW_RUNS = 3
MOST_NAMED = 4
MOSTLY_DEAD = 0.75
"""Share of dead groups above which a run is said to have had little to learn from; ours."""


def headline_of(arms: Sequence[Arm], pairs: Sequence[ArmPair]) -> str:
    """Say what came out, held-out first: a training reward always rises."""
    measured = [arm for arm in arms if GOLD in arm.changes]
    measured = [arm for arm in measured if arm.is_done] or measured
    if not measured:
        was_looked_at = any(run.looks for arm in arms for run in arm.runs)
        no = (
            "no change on held-out prompts can be told yet"
            if was_looked_at
            else "no held-out prompt was looked at"
        )
        if len(arms) > 1:
            return f"{len(arms)} arms: {no}"
        first, last = arms[0].ends
        return (
            f"{arms[0].name}: the trained reward went from {numbers.score(first)} to "
            f"{numbers.score(last)}; {no}"
        )
    why = difference_of_kind(measured)
    if why is not None:
        n = f"The {len(measured)} arms" if len(measured) > 1 else "The runs"
        return f"{n} cannot be ranked: {why}; see each arm for itself"
    best = max(measured, key=_gain)
    change = best.changes[GOLD]
    ends = numbers.interval(change.interval.low, change.interval.high, signed=True)
    ends = "" if change.interval.low is None else f" {ends}"
    found = f"{numbers.difference(change.difference)}{ends} {_over_runs(change.n_runs)}"
    on = f"on {change.n_prompts} held-out prompt{'s' if change.n_prompts > 1 else ''}"
    so_far = "" if best.is_done else f" So far, at step {best.look_step}: no run is done."
    may_be = "" if best.moved else ", which may be nothing"
    if len(measured) == 1:
        return f"{best.name}: {on} the gold judge's score changed by {found}{may_be}{_stop(so_far)}"
    if not any(arm.moved for arm in measured):
        alone = change.interval.excludes_zero
        picked = f", an interval that does not know it is of one arm in {len(measured)}"
        return (
            f"None of {len(measured)} arms surely moved the gold judge's score {on}; the most, "
            f"{best.name}: {found}{picked if alone else ''}{_stop(so_far)}"
        )
    against = "" if so_far else f"; {_against(best, pairs, len(measured) - 1)}"
    return (
        f"Of {len(measured)} arms, {best.name} did best: {on} the gold judge's score changed by "
        f"{found}{may_be}{against}{_stop(so_far)}"
    )


def notes_of(
    runs: Sequence[TrainingRun], arms: Sequence[Arm], skipped: Sequence[TrainingRun] = ()
) -> list[str]:
    """Say what a reader must know before the curves."""
    notes = [*_unfinished(runs), *_not_alike(arms), *_lost_looks(runs), *_lost_scores(arms)]
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
    notes += _of_the_gold_judge(runs, arms)
    dead = [arm for arm in arms if (arm.mean("dead_frac") or 0.0) >= MOSTLY_DEAD]
    if dead:
        named = _listed(f"{arm.name} ({numbers.share(arm.mean('dead_frac'))})" for arm in dead)
        notes.append(f"Most groups were dead and taught nothing: {named}.")
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
    seeds = {frozenset(arm.seeds) for arm in arms if GOLD in arm.changes}
    if len(seeds) > 1:
        notes.append(
            "The arms do not have the same seeds: their own changes are over different runs, which "
            "differ in more than the arm. Pairs are over the seeds both have."
        )
    if len({arm.last_step for arm in arms if arm.is_done}) > 1:
        notes.append("The arms did not train for the same number of steps; see the table.")
    return notes


def _unfinished(runs: Sequence[TrainingRun]) -> Iterable[str]:
    left = [run for run in runs if run.state != "done"]
    states = [
        f"{run.state}: {run.status['reason']}" if run.status.get("reason") else run.state
        for run in left
    ]
    if len(left) == 1:
        yield (
            f"{left[0].name} is not complete ({states[0]}); where another run of its arm is done "
            "it is left out of the arm's numbers and curves."
        )
    elif left:
        named = [f"{run.name} ({state})" for run, state in zip(left, states, strict=True)]
        yield (
            f"{len(left)} of {len(runs)} runs are not complete: {_listed(named)}. Where another "
            "run of an arm is done, they are left out of the arm's numbers and curves."
        )


def _not_alike(arms: Sequence[Arm]) -> Iterable[str]:
    """Warn of held-out scores that do not mean the same everywhere."""
    measured = [arm for arm in arms if GOLD in arm.changes]
    within = [arm.name for arm in measured if difference_of_kind([arm]) is not None]
    if within:
        yield f"{_listed(within)}: its runs are {difference_of_kind(measured)}; do not read it."
    elif (why := difference_of_kind(measured)) is not None:
        yield f"Not all arms can be compared: {why}. Pairs that cannot are left out."
    prompts = {
        frozenset(ends[0].prompt_ids)
        for arm in measured
        for run in arm.measured
        if (ends := ends_of(run, GOLD)) is not None
    }
    if len(prompts) > 1:
        yield (
            "Not all runs were looked at on the same held-out prompts: changes of arms are over "
            "different prompts, pairs over those that both have."
        )


def _lost_looks(runs: Sequence[TrainingRun]) -> Iterable[str]:
    """Name runs a judge looked at, but not at the start or not at the end."""
    for judge, words in ((GOLD, "gold judge"), (TRAINING, "judge that trains")):
        lost = [
            run.name
            for run in runs
            if run.looks_by(judge) and ends_of(run, judge) is None and run.state == "done"
        ]
        if lost:
            yield (
                f"{_listed(lost)}: the {words} gave nothing before the first step or after the "
                "last, so no change is measured by it."
            )


def _lost_scores(arms: Sequence[Arm]) -> Iterable[str]:
    counted = [arm.scores for arm in arms]
    missing, asked = sum(n for _, n in counted), sum(n for n, _ in counted)
    if missing:
        where = [arm.name for arm, (_, n) in zip(arms, counted, strict=True) if n]
        yield (
            f"{numbers.count(missing)} of {numbers.count(asked)} held-out answers at either end "
            f"have no score by the gold judge: {_listed(where)}. Their prompts are left out of "
            "that run's change."
        )


def _of_the_gold_judge(runs: Sequence[TrainingRun], arms: Sequence[Arm]) -> Iterable[str]:
    """Say how far the gold judge can be believed, and where it and the trained one part."""
    own = [run.name for run in runs if _judges_itself(run)]
    if own:
        yield (
            f"{_listed(own)}: the gold judge is the judge that trained; it cannot show judge "
            "hacking, only learning that carries over to other prompts."
        )
    still = [run.name for run in runs if run.is_gold_still]
    if still:
        yield (
            f"{_listed(still)}: the gold judge gave every answer to every held-out prompt the same "
            "score at every look. It tells nothing apart here; take another one."
        )
    dull = [arm for arm in arms if arm.is_gold_dull]
    found = commonest_score([run for arm in dull for run in arm.measured])
    if found is not None and not all(arm.is_gold_still for arm in dull):
        score, share = found
        of = "" if len(dull) == len(arms) else f" of {_listed(arm.name for arm in dull)}"
        yield (
            f"The gold judge gave {numbers.share(share)} of the held-out answers{of} the same "
            f"score, {numbers.score(score)}: it tells little apart, and where it sees no change "
            "there may be one."
        )
    hacked = [arm.name for arm in arms if arm.is_hacked]
    if hacked:
        yield (
            f"{_listed(hacked)}: the judge that trains saw the held-out answers get better, the "
            "gold judge surely saw less of it, and no sure rise. That is what judge hacking looks "
            "like."
        )


def _judges_itself(run: TrainingRun) -> bool:
    gold = judged_by(run.config.get("gold", {}).get("judge"))
    return gold is not None and gold == judged_by(run.config.get("judge"))


def _against(best: Arm, pairs: Sequence[ArmPair], n_others: int) -> str:
    won = [pair for pair in pairs if pair.this == best.name and pair.is_sure]
    one_seed = any(pair.over.n_runs == 1 for pair in won)
    alone = " under the one seed they share, which says nothing of other seeds" if one_seed else ""
    if not won:
        return "not surely better than any other"
    if len(won) == n_others:
        return f"surely better than the other{'s' if n_others > 1 else ''}{alone}"
    return f"surely better than {len(won)} of the other {n_others}{alone}"


def _gain(arm: Arm) -> float:
    gain = arm.changes[GOLD].difference
    return float("-inf") if gain is None else gain  # 0 is a gain, and may be the best


def _over_runs(n: int) -> str:
    return f"over {n} runs" if n > 1 else "in one run"


def _stop(more: str) -> str:
    return f".{more}" if more else ""


def _listed(names: Iterable[str]) -> str:
    """Name a few, and count the rest."""
    every = list(names)
    if len(every) <= MOST_NAMED:
        return "; ".join(every)
    return f"{'; '.join(every[:MOST_NAMED])}; and {len(every) - MOST_NAMED} more"
