"""How often `rubricbeat align prompt` calls a wording better, where none is and where one is.

    python benchmarks/least_cost_wordings.py [--samples 2000]

Made-up judges: each verdict agrees with its label by chance, independently for each wording. The
command's own search runs on them (`find_wording`), without an endpoint. "wrong on purpose" takes
the same interval on the half that was searched. Seeds 0 to SAMPLES - 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from rubricbeat.harness.align.wordings import Candidate, FoundWording, deal, find_wording
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.judge_audit import difference
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict

N_CRITERIA = 4
Accuracy = Callable[[str], float]
"""Of a wording, by its name."""


def labelled(n_prompts: int, share_met: float, rng: np.random.Generator) -> list[LabelledAnswer]:
    """Make labels up."""
    criteria = tuple(Criterion(f"c{n}", 5.0, Polarity.DESIRABLE) for n in range(N_CRITERIA))
    return [
        LabelledAnswer(
            Example(f"p{n}", (Message("user", "q"),), Rubric(criteria)),
            "a",
            tuple((Label(bool(rng.random() < share_met)),) for _ in criteria),
        )
        for n in range(n_prompts)
    ]


def search(
    n_prompts: int, share_met: float, n_candidates: int, accuracy: Accuracy, seed: int
) -> tuple[FoundWording, bool]:
    """Run one search; say too what the searched half would have said."""
    rng = np.random.default_rng(seed)
    items = labelled(n_prompts, share_met, rng)
    said: dict[tuple[str, str], GradedAnswer] = {}

    def ask(candidate: Candidate, asked: Sequence[LabelledAnswer]) -> list[GradedAnswer]:
        for item in asked:
            right = rng.random(N_CRITERIA) < accuracy(candidate.name)
            verdicts = tuple(
                Verdict.of(labels[0].met is bool(one))
                for labels, one in zip(item.labels, right, strict=True)
            )
            answer = GradedAnswer(item.example, item.text, verdicts)
            said[candidate.name, item.example.prompt_id] = answer
        return [said[candidate.name, item.example.prompt_id] for item in asked]

    candidates = [Candidate(f"w{n}") for n in range(n_candidates)]
    parts, default = deal(items, seed), Candidate("default")
    found = find_wording(
        parts, default, candidates, lambda corrections: [], ask,
        n_examples=0, usd_of=lambda candidate, graded: None,
    )  # fmt: skip
    searched = [item for prompt in parts.searched for item in prompt]
    tables = [
        AuditTable.of(searched, [said[name, item.example.prompt_id] for item in searched])
        for name in ("default", found.winner.name)
    ]
    gap = difference(*tables).figures["balanced_f1"]
    return found, gap.low is not None and gap.low > 0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    args = parser.parse_args()
    print("prompts  met  candidates  default  best   called better  wrong on purpose")
    for n_prompts, share, n, best in (
        (40, 0.5, 12, 0.8), (40, 0.15, 12, 0.8), (80, 0.5, 4, 0.8), (80, 0.5, 12, 0.95),
    ):  # fmt: skip
        better = wrong = 0
        for seed in range(args.samples):
            found, fooled = search(
                n_prompts, share, n, lambda name, top=best: top if name == "w1" else 0.8, seed
            )
            better, wrong = better + found.is_better, wrong + fooled
        shares = [f"{100 * count / args.samples:.1f} %" for count in (better, wrong)]
        print(f"{n_prompts:7} {share:4.2f} {n:11} {0.8:8.2f} {best:5.2f} "
              f"{shares[0]:>15} {shares[1]:>17}")  # fmt: skip


if __name__ == "__main__":
    main()
