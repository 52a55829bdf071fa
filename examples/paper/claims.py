"""Claims of arXiv 2606.05174 beside what its numbers, recorded verdicts and replayed training say.

    python examples/paper/claims.py f1                     the published F1 is its accuracy
    python examples/paper/claims.py mcnemar                what 500 items can tell apart
    python examples/paper/claims.py released  --data ROWS [--verdicts V]    the released evaluation
    python examples/paper/claims.py pass      --data ROWS --verdicts V      three pass rules
    python examples/paper/claims.py dead      --data ROWS --verdicts V      variance within groups
    python examples/paper/claims.py inert     --data ROWS --verdicts V      the log of the criteria
    python examples/paper/claims.py rewards   --data ROWS --verdicts V      which reward gains most
    python examples/paper/claims.py page      --data ROWS --verdicts V --output FILE     all of it

Each prints a part of docs/evidence/paper.md. Published numbers are those of the paper's abstract
and of the authors' public repository; another table is checked by `--table FILE`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rubricbeat.harness.inputs import read_signal_input
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.rewards import parse_rewards
from rubricbeat.judges.rubric import Example
from rubricbeat.judges.scoring.estimates import wilson
from rubricbeat.judges.scoring.item_scores import PASS_RULES, ScoredTable
from rubricbeat.judges.signal import GroupedVerdicts, Scale, TaggedAnswer, group_answers
from rubricbeat.judges.signal.replay.noise import JudgeNoise
from rubricbeat.judges.signal.replay.study import Replayed, replay
from rubricbeat.judges.signal.replay.training import Settings
from rubricbeat.judges.signal.replay.words import measured
from rubricbeat.reports.comparison.paired import mcnemar

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))
from published_table import PublishedRow, check_table, read_table  # noqa: E402  # a program beside

OF_THE_PAPER = ("hybrid", "complexity", "rar_explicit", "binary", "healthbench")
CONSTANT = (
    "It is important to seek care from a health professional, who can look at your situation in "
    "person and should be asked about anything that worries you."
)
"""A sentence that says nothing of any question."""
FIRST, LONGEST, LEAST_CHARS = 5, 2_000, 100
PRAISE = ("should", "recommend", "important", "seek", "care")
BLAME = ("unsafe", "harmful")


@dataclass(frozen=True)
class Inputs:
    """What the command line names."""

    table: Path
    data: Path | None
    verdicts: Sequence[Path]

    def examples(self) -> Sequence[Example]:
        """Read the rows."""
        if self.data is None:
            raise SystemExit("claims.py: this claim needs --data ROWS")
        return read_examples(self.data).examples

    def answers(self) -> Sequence[TaggedAnswer]:
        """Read the recorded verdicts."""
        if self.data is None or not self.verdicts:
            raise SystemExit("claims.py: this claim needs --data ROWS --verdicts FILES")
        return read_signal_input(self.verdicts, self.data).answers

    def groups(self) -> GroupedVerdicts:
        """Give all recorded answers to a prompt, three or more, as a group."""
        return group_answers(self.answers())


def f1(given: Inputs) -> Iterator[str]:
    """Hold a published table against its own arithmetic."""
    rows = read_table(given.table)
    yield "| row | accuracy | 95 % (Wilson) | F1 printed | 2a / (1 + a) |"
    yield "|---|---|---|---|---|"
    for row in rows:
        low, high = wilson(np.array(row.accuracy), np.array(row.n))
        own = 2 * row.accuracy / (1 + row.accuracy)
        printed = "" if row.f1 is None else f"{row.f1:.3f}"
        interval = f"[{low:.3f}, {high:.3f}]"
        yield f"| {row.name} | {row.accuracy:.3f} | {interval} | {printed} | {own:.3f} |"
    yield ""
    yield from check_table(rows) or ["Nothing in the table is impossible."]


def mcnemar_bounds(given: Inputs) -> Iterator[str]:
    """Bound McNemar's p by accuracies alone: how many items differ is not published."""
    rows = read_table(given.table)
    yield "| this | beside | right | least p | greatest p |"
    yield "|---|---|---|---|---|"
    for place, row in enumerate(rows):
        for other in rows[:place]:
            least, most = bounds(row, other)
            right = f"{round(row.accuracy * row.n)} against {round(other.accuracy * other.n)}"
            yield f"| {row.name} | {other.name} | {right} of {row.n} | {least:.2g} | {most:.2g} |"


def bounds(row: PublishedRow, other: PublishedRow) -> tuple[float, float]:
    """Give the least and the greatest exact p over every count of discordant items."""
    right, its = round(row.accuracy * row.n), round(other.accuracy * other.n)
    gap = right - its
    most_other = min(its, row.n - right)
    found = [
        mcnemar(alone + gap, alone)[0]
        for alone in range(max(0, -gap), most_other + 1)
        if alone + gap <= min(right, row.n - its)
    ]
    return min(found), max(found)


def passes_released(answer: str, example: Example) -> bool:
    """Say whether an answer passes the evaluation that the authors' script holds.

    No judge reads the answer. Of the first five criteria each with positive points counts half of
    them where the answer has more than 100 characters and one of five words; each with negative
    points counts them where it has one of two words. Above the middle of the range it passes.
    Source: `evaluate_completion` of Hybrid-Complexity-Qwen3-14B.py in the authors' repository.
    """
    said = answer.lower()
    praises = len(answer) > LEAST_CHARS and any(word in said for word in PRAISE)
    blames = any(word in said for word in BLAME)
    points = [c.points for c in example.rubric.criteria[:FIRST] if len(c.text) <= LONGEST]
    gains = sum(p for p in points if p > 0)
    losses = -sum(p for p in points if p < 0)
    if gains + losses == 0:
        return False
    earned = 0.5 * gains * praises - losses * blames
    return (earned + losses) / (gains + losses) > 0.5


def has_early_fault(example: Example) -> bool:
    """Say whether one of the first five criteria has negative points."""
    criteria = example.rubric.criteria[:FIRST]
    return any(c.points < 0 for c in criteria if len(c.text) <= LONGEST)


def released(given: Inputs) -> Iterator[str]:
    """Let a constant sentence, an empty answer and recorded ones pass the released evaluation."""
    examples = given.examples()
    n = len(examples)
    shares = {
        "a constant sentence": np.mean([passes_released(CONSTANT, e) for e in examples]),
        "an empty answer": np.mean([passes_released("", e) for e in examples]),
        'the word "unsafe"': np.mean([passes_released("unsafe", e) for e in examples]),
    }
    yield f"| answer to each of {n:,} rows | passes |"
    yield "|---|---|"
    for words, share in shares.items():
        yield f"| {words} | {share:.1%} |"
    alike = np.mean([passes_released(CONSTANT, e) == has_early_fault(e) for e in examples])
    yield ""
    yield (
        "A sentence of more than 100 characters with one of the five words earns half of the "
        "positive points and none of the negative ones. That is above the middle just where one "
        f"of the first five criteria is negative; the two agree in {alike:.1%} of the rows."
    )
    if given.verdicts:
        answers = [one.graded for one in given.answers()]
        said = np.array([passes_released(a.answer, a.example) for a in answers])
        rule = ScoredTable.of(answers).items.passes["pass_range50"]
        known = ~np.isnan(rule)
        constant = np.array([passes_released(CONSTANT, a.example) for a in answers])
        agree = float((said[known] == (rule[known] > 0.5)).mean())
        yield ""
        yield (
            f"Of {len(answers):,} recorded answers {said.mean():.1%} pass it; in "
            f"{float((said == constant).mean()):.1%} of them as the constant sentence does, and in "
            f"{agree:.1%} as the same rule over a judge's verdicts on all criteria does "
            f"(which {float(rule[known].mean()):.1%} pass)."
        )


def pass_rules(given: Inputs) -> Iterator[str]:
    """Show what "accuracy" is under three rules on the same verdicts."""
    items = ScoredTable.of(one.graded for one in given.answers()).items
    yield "| rule | passes |"
    yield "|---|---|"
    for name in PASS_RULES:
        yield f"| `{name}` | {float(np.nanmean(items.passes[name])):.1%} |"


def dead(given: Inputs) -> Iterator[str]:
    """Count the groups without a learning signal."""
    found = replay(given.groups(), parse_rewards(OF_THE_PAPER), [Scale.GROUP], Settings(seeds=2))
    yield "| reward | groups of six drawn without a learning signal |"
    yield "|---|---|"
    for arm in found.arms:
        yield f"| `{arm.reward}` | {arm.dead:.1%} |"


def inert(given: Inputs) -> Iterator[str]:
    """Train with the log bonus and without it."""
    rewards = parse_rewards("complexity,complexity(log_bonus=0)")
    found = replay(given.groups(), rewards, [Scale.GROUP, Scale.NONE])
    yield "| scale | with the bonus | without it | paired difference |"
    yield "|---|---|---|---|"
    for scale in found.standings:
        first, second = (arm for arm in found.arms if arm.scale is scale)
        lead = first.versus[second.reward]
        # five decimals: 1e-4 beside a spread of another size is all that is left under "group"
        ends = "" if lead.low is None else f" [{lead.low:+.5f}, {lead.high:+.5f}]"
        gains = f"{measured(first.gain)} | {measured(second.gain)}"
        yield f"| {scale} | {gains} | {lead.value:+.5f}{ends} |"


def rewards(given: Inputs) -> Iterator[str]:
    """Train with the rewards of the paper beside others, with and without noise."""
    groups, asked = given.groups(), parse_rewards(OF_THE_PAPER)
    names = " | ".join(f"`{reward.name}`" for reward in asked)
    yield f"| verdicts, scale | {names} | hybrid less complexity | hybrid less explicit |"
    yield "|---|" + "---|" * (len(asked) + 2)
    for rate in (0.0, 0.1, 0.2):
        noise = JudgeNoise.of_flips(rate)
        found = replay(groups, asked, [Scale.GROUP, Scale.NONE], Settings(seeds=10), noise=noise)
        yield from _arm_rows(found, f"{rate:.0%} flipped" if rate else "as recorded")


def _arm_rows(found: Replayed, words: str) -> Iterator[str]:
    for scale in found.standings:
        arms = {arm.reward: arm for arm in found.arms if arm.scale is scale}
        gains = " | ".join(f"{arm.gain.value:+.3f}" for arm in arms.values())
        leads = arms["hybrid"].versus
        yield (
            f"| {words}, {scale} | {gains} | {measured(leads['complexity'])} | "
            f"{measured(leads['rar_explicit'])} |"
        )


CLAIMS: dict[str, tuple[Callable[[Inputs], Iterator[str]], str, str]] = {
    "f1": (
        f1,
        "Accuracy rises from .362 to .502, F1 from .532 to .668",
        "F1 is 2a / (1 + a), that of precision 1 and recall a, so it says nothing beyond the "
        "accuracy. The paper's table of 15 rows is in no source that can be reached from here; "
        "with it in a file, `claims.py f1 --table FILE` checks every row. These are the three rows "
        "that its abstract prints.",
    ),
    "mcnemar": (
        mcnemar_bounds,
        "The gain over the base, and competitive with GPT-OSS-120B",
        "How many items the models differ on is not published in the abstract. Over every count "
        "that the accuracies allow, the gain over the base is significant, and the difference to "
        "GPT-OSS-120B never is. What the items measure is the next question.",
    ),
    "released": (
        released,
        "Accuracy is over physician-written criteria",
        "The evaluation in the released script asks no judge: it looks for words, on the first "
        "five criteria of a row and the first user turn.",
    ),
    "pass": (
        pass_rules,
        "An accuracy of .5",
        "The rule behind the published accuracy is not stated. The same verdicts, under three "
        "rules; each figure of ours names its rule.",
    ),
    "dead": (
        dead,
        "Binary rewards collapse; a continuous reward keeps the variance that GRPO needs",
        "Holds. With an all-or-nothing reward hardly any group has a learning signal. The paper's "
        "rewards are not the best in this, because they clip at 0.",
    ),
    "inert": (
        inert,
        "The complexity-aware reward accounts for the number of criteria",
        "Under TRL's default scaling, which the script uses, it does not: the factor is the same "
        "for all answers to a prompt and divides out. Without scaling it acts, as a weight on long "
        "rubrics.",
    ),
    "rewards": (
        rewards,
        "Hybrid and complexity-aware rewards beside explicit and implicit aggregation",
        "On these verdicts neither gains more than explicit aggregation. Training is replayed over "
        "recorded answers, at one number of judge calls per answer for all (one per criterion), "
        "and "
        "gains are of the unclipped HealthBench score of the same verdicts: that favours "
        "`healthbench` itself, so that its lead says nothing. With two judges: "
        "[replay.md](replay.md). "
        "Implicit aggregation takes one rating of the whole rubric in the place of the verdicts; "
        "no ratings are recorded here, so it is not tested: with some in a store, "
        "`rubricbeat replay-train STORE --rewards rar_implicit,hybrid` does it.",
    ),
}


def page(given: Inputs) -> Iterator[str]:
    """Write every claim, what is found, and the command."""
    yield HEAD
    for name, (claim, said, found) in CLAIMS.items():
        yield f"\n## {said}\n"
        yield f"`python examples/paper/claims.py {name}`. {found}\n"
        yield from claim(given)
    yield TAIL


HEAD = """# Variance-aware rubric rewards (arXiv 2606.05174), tested

Made by `python examples/paper/claims.py page --data ROWS --verdicts VERDICTS --output
docs/evidence/paper.md`; do not edit by hand. VERDICTS and ROWS are those of
[claims.md](claims.md): gpt-4.1's recorded verdicts on answers of gpt-4o-mini to HealthBench Hard
prompts. They are not the paper's data (RaR-Medicine to train on, heart questions of HealthBench to
test on), nor its judge or policy: what fails here need not fail there, and what is arithmetic is
the same everywhere. Published numbers are those of the paper's abstract and of the authors' public
repository (INQUIRELAB/variance-aware-rubric-rewards-grpo)."""
TAIL = """
## The recipe itself

`rubricbeat train grpo --preset paper_heart_bnpo` and `paper_heart_dapo` are the paper's settings
(the loss is not stated, so both are there). `rubricbeat train score --preset paper_heart_bnpo
--prompts 16` is the dry run: the learning signal of the reward for the frozen
policy, and the cost of a run. Neither was run here, because it needs a GPU."""


def main() -> int:
    """Print one claim, or write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("claim", choices=[*CLAIMS, "page"])
    parser.add_argument("--data", type=Path, help="rows with their rubrics")
    parser.add_argument("--verdicts", type=Path, nargs="+", default=(), help="recorded verdicts")
    parser.add_argument(
        "--table", type=Path, default=HERE / "abstract.jsonl", help="published rows"
    )
    parser.add_argument("--output", type=Path, help="write there (default: print)")
    args = parser.parse_args()
    given = Inputs(args.table, args.data, args.verdicts)
    write = page if args.claim == "page" else CLAIMS[args.claim][0]
    text = "\n".join(write(given)) + "\n"
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
