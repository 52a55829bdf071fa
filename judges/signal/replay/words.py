"""The findings of replayed training, in words; ties are said to be ties."""

from __future__ import annotations

from collections.abc import Iterator

from ...scoring.estimates import Estimate
from ..advantages import Scale
from .gains import Compared, Standing
from .study import SCORE, Replayed, ReplayedArm
from .training import Policy

BY_CONSTRUCTION = (
    "There are no gold verdicts: gains are measured by these same verdicts, which by construction "
    f"favours the reward equal to this score, {SCORE}. So no reward is recommended. What each one "
    "loses to noise is still valid. Give a better judge's verdicts (--gold)."
)


def sentences(found: Replayed) -> list[str]:
    """Write the findings, the most important first."""
    said = [_standing(scale, rows, found) for scale, rows in found.standings.items()]
    said += _deceived(found)
    if not found.has_gold:
        said.append(BY_CONSTRUCTION)
    if found.settings.policy is Policy.LINEAR:
        said.append(
            "The policy sees only the form of an answer (length, lists, headings), and gains are "
            "on held-out prompts: they are what it learned about form that generalises."
        )
    return said


def headline(found: Replayed) -> str:
    """Say in one line what gains most; without gold that this recommends nothing."""
    scale, rows = next(iter(found.standings.items()))
    best, *others = rows
    if _none_moves(rows):
        return f"No reward gains anything (scale {scale})."
    n_tied = sum(row.standing is Standing.TIED for row in others)
    apart = f", and cannot be distinguished from {n_tied} of {len(others)} others" if n_tied else ""
    more = "" if found.has_gold else " Without gold no reward is recommended."
    return f"Scale {scale}: {_lead(best, found)}{apart}.{more}"


def facts(found: Replayed) -> str:
    """Say what was trained on, and how."""
    used, gold = found.settings, "the better judge's" if found.has_gold else "these verdicts'"
    length = ", gradients divided by length" if used.by_length else ""
    stays = ", the same errors throughout a seed" if used.errors_stay else ""
    left = (
        f"; {found.n_left_out:,} answers without a score are excluded" if found.n_left_out else ""
    )
    return (
        f"{_count(found.n_answers, 'recorded answer')} to {_count(found.n_prompts, 'prompt')} "
        f"({_count(found.n_groups, 'group')}){left}. {_count(used.seeds, 'seed')}, "
        f"{_count(used.steps, 'step')}, groups of {used.group_size}, learning rate "
        f"{used.rate:g}, policy {used.policy}{length}. The judge: {found.noise}{stays}. "
        f"Gains are of {gold} {SCORE}: {found.start:.3f} before training, at most "
        f"{found.start + found.most:.3f} (+{found.most:.3f}) with the best answer to each prompt."
    )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _standing(scale: Scale, rows: tuple[Compared, ...], found: Replayed) -> str:
    best, *others = rows
    if _none_moves(rows):
        all_dead = all(arm.dead == 1 for arm in found.arms if arm.scale is scale)
        why = "; every group drawn is dead" if all_dead else ""
        return f"Scale {scale}: no reward gains anything{why}."
    tied = [row.reward for row in others if row.standing is Standing.TIED]
    behind = [row for row in others if row.standing is Standing.BEHIND]
    text = f"Scale {scale}: {_lead(best, found)}"
    if tied:
        text += f"; it cannot be distinguished from {', '.join(tied)}"
    if behind:
        text += "; behind: " + ", ".join(
            f"{row.reward} by {measured(row.behind)}" for row in behind
        )
    return text + "."


def _none_moves(rows: tuple[Compared, ...]) -> bool:
    return not any(row.gain.value for row in rows)


def _lead(best: Compared, found: Replayed) -> str:
    """Name the first reward and its gain, of which score, and whether it is a gain at all."""
    if (best.gain.value or 0.0) <= 0:
        what = "no reward gains" if found.has_gold else "no reward raises this judge's own score"
        return f"{what}; the best is {best.reward}, {measured(best.gain)}"
    if found.has_gold:
        return f"{best.reward} gains most, {measured(best.gain)}"
    return f"this judge's own score rises most under {best.reward}, {measured(best.gain)}"


def _deceived(found: Replayed) -> Iterator[str]:
    """Name the arms whose own judge sees a rise where gold sees a fall, and those past a peak."""
    if not found.has_gold:
        return
    for arm in found.arms:
        if _is_above(arm.judge_gain) and arm.gain.high is not None and arm.gain.high < 0:
            yield (
                f"Reward hacking with {arm.reward}, scale {arm.scale}: the training judge's score "
                f"changes by {measured(arm.judge_gain)}, the gold score by {measured(arm.gain)}."
            )
        elif peak := _peak(arm, found.moments):
            step, height = peak
            yield (
                f"{arm.reward}, scale {arm.scale}: the gold score peaks after {step} steps at "
                f"{height:+.3f} and ends at {arm.curve[-1]:+.3f}, while the training judge's "
                "score still rises."
            )


def _peak(arm: ReplayedArm, moments: tuple[int, ...]) -> tuple[int, float] | None:
    height = max(arm.curve)
    at = arm.curve.index(height)
    # a fall within the noise of the curve is none: a tenth of the height, and a thousandth
    fell = height - arm.curve[-1] > max(0.1 * height, 1e-3)
    return (moments[at], height) if fell and arm.judge_curve[-1] > arm.judge_curve[at] else None


def _is_above(gain: Estimate) -> bool:
    return gain.low is not None and gain.low > 0


def measured(gain: Estimate) -> str:
    """Write a gain with its interval."""
    if gain.value is None:
        return "nothing"
    if gain.low is None or gain.high is None:
        return f"{gain.value:+.3f} ({gain.why or 'no interval'})"
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
