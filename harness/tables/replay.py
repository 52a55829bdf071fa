"""Replayed training as text for the terminal, and as the list that `--json` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ...judges.scoring.estimates import Estimate
from ...judges.signal.advantages import Scale
from ...judges.signal.replay.gains import Standing
from ...judges.signal.replay.study import Replayed, ReplayedArm
from ...judges.signal.replay.words import facts, measured, sentences
from ...reports.numbers import share
from .signal import WIDTH, table


def replay_text(found: Replayed) -> str:
    """Write the facts, the findings, and one table a scaling."""
    parts = [textwrap.fill(facts(found), WIDTH)]
    parts += [
        textwrap.fill(f"{name} is excluded: {why}.", WIDTH) for name, why in found.skipped.items()
    ]
    parts.append(
        "\n".join(
            textwrap.fill(f"* {text}", WIDTH, subsequent_indent="  ") for text in sentences(found)
        )
    )
    parts += [_scale_table(found, scale) for scale in found.standings]
    return "\n\n".join(parts)


def replay_rows(found: Replayed) -> list[dict[str, object]]:
    """Give one row per arm, gains in units of the score; `judge_gain` only where there is gold."""
    return [_row(arm, found.has_gold) for arm in found.arms]


def _row(arm: ReplayedArm, has_gold: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "reward": arm.reward,
        "scale": arm.scale.value,
        "gain": arm.gain.value,
        "low": arm.gain.low,
        "high": arm.gain.high,
        "dead": arm.dead,
        "versus": {
            other: {"difference": lead.value, "low": lead.low, "high": lead.high}
            for other, lead in arm.versus.items()
        },
    }
    if has_gold:
        row["judge_gain"] = _ends(arm.judge_gain)
    return row


def _ends(estimate: Estimate) -> dict[str, float | None]:
    return {"gain": estimate.value, "low": estimate.low, "high": estimate.high}


def _scale_table(found: Replayed, scale: Scale) -> str:
    arms = {arm.reward: arm for arm in found.arms if arm.scale is scale}
    rows = []
    for row in found.standings[scale]:
        arm = arms[row.reward]
        behind = "" if row.standing is Standing.BEST else measured(row.behind)
        cells = [arm.reward, measured(arm.gain), behind, str(row.standing), share(arm.dead)]
        rows.append([*cells, measured(arm.judge_gain)] if found.has_gold else cells)
    heads: Sequence[str] = (
        "reward",
        "gain, 95 %",
        "behind the best by",
        "standing",
        "dead at start",
    )
    if found.has_gold:
        heads = (*heads, "gain the judge sees")
    title = f"Scale {scale}"
    return f"{title}\n{'=' * len(title)}\n{table(heads, rows)}"
