"""`judge --sample`: ask the expensive judge about a sample, drawn by a free judge's results."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..judges.answer import Answer, GradedAnswer
from ..judges.audit.correction import MIN_LABELLED_PROMPTS
from ..judges.budget.drawn_answers import DrawnAnswers, needs_whole_answers
from ..judges.budget.two_judges import Unit
from ..judges.data.responses import RunKey
from ..judges.errors import ConfigError
from ..judges.grader import Grader
from ..reports.results.reader import read_runs
from .asked import AllAnswers
from .results.judged_runs import JudgedRuns
from .terminal import command

MAX_NAMED = 3
_RULES = ("until_decided", "until_width")


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a sample."""
    parser.add_argument(
        "--sample",
        type=float,
        metavar="SHARE",
        help="ask only for this share of the verdicts, more often where --by is unsure and the "
        "points are high; 'score RESULTS --labels OUTPUT' combines both into an unbiased score",
    )
    parser.add_argument(
        "--by",
        type=Path,
        metavar="RESULTS",
        help="with --sample: results of a cheap judge on all of these answers",
    )
    parser.add_argument(
        "--sample_unit",
        choices=[str(unit) for unit in Unit],
        default=str(Unit.CRITERIA),
        help="with --sample: draw single criteria, or whole answers, which pass rates need "
        "(default criteria)",
    )


def check_sample_arguments(args: argparse.Namespace) -> None:
    """Refuse flags of a sample that cannot work.

    Raises:
        ConfigError: They cannot.
    """
    if args.sample is None:
        if args.by is not None or args.sample_unit != Unit.CRITERIA:
            raise ConfigError("--by and --sample_unit belong to a sample: add --sample SHARE")
        return
    if not 0 < args.sample < 1:
        raise ConfigError(f"--sample {args.sample:g}: a share above 0 and below 1, such as 0.3")
    if args.by is None:
        raise ConfigError("--sample needs --by RESULTS: what a cheap judge says of all the answers")
    if any(getattr(args, rule, None) is not None for rule in _RULES):
        raise ConfigError("--sample and --until...: give one of them, both decide whom to ask")


class SampledAnswers(AllAnswers):
    """The answers as far as they are asked about, and how they came to be chosen."""

    has_scores = False

    def __init__(self, args: argparse.Namespace, answers: Iterable[tuple[RunKey, Answer]]) -> None:
        """Draw.

        Args:
            args: With the flags of a sample.
            answers: All of them; read again when they are graded.

        Raises:
            ConfigError: The results of the cheap judge are not of these answers; too little is
                drawn; the rubrics take whole answers.
        """
        self._answers, self._by, self._output = answers, args.by, args.output_path
        runs = read_runs([args.by])
        self._judges = {run.judge_digest for run in runs}
        guesses = [answer for run in runs for answer in run.graded]
        if any(guess.chances for guess in guesses):
            raise ConfigError(f"--by {args.by}: holds a sample; give results on all answers")
        self._unit = Unit(args.sample_unit)
        examples = {id(a.example): a.example for _, a in answers}.values()
        if self._unit is Unit.CRITERIA and needs_whole_answers(examples):
            raise ConfigError(
                "with gates, requirements or criteria that may not apply a score is no sum over "
                "verdicts: add --sample_unit answers"
            )
        self.share, self.seed = args.sample, args.seed
        self.drawn = DrawnAnswers(
            (answer for _, answer in answers),
            guesses,
            share=args.sample,
            unit=self._unit,
            seed=args.seed,
        )
        models = {model for (model, _), _ in answers}
        others = [
            guess
            for run in runs
            if run.model in models
            for guess in run.graded
            if not self.drawn.holds(guess)
        ]
        self._require(len(others))
        self.n_criteria = self.drawn.n_asked

    def _require(self, n_others: int) -> None:
        drawn = self.drawn
        if n_others:
            raise ConfigError(
                f"--by {self._by}: holds {n_others} answers that are not graded here; a sample "
                "tells of what it is drawn from, so give all of them, without --limit"
            )
        if drawn.unknown:
            named = ", ".join(name[:64] for name in drawn.unknown[:MAX_NAMED])
            raise ConfigError(
                f"--by {self._by}: has no verdicts on {len(drawn.unknown)} of {drawn.n_answers} "
                f"answers (prompts {named}); grade all of them with the cheap judge first"
            )
        if drawn.n_prompts < MIN_LABELLED_PROMPTS:
            raise ConfigError(
                f"--sample {self.share:g}: asks about {drawn.n_prompts} prompts; an estimate takes "
                f"{MIN_LABELLED_PROMPTS}"
            )

    def __iter__(self) -> Iterator[tuple[RunKey, Answer]]:
        """Give the answers, cut to what is asked about each."""
        for key, answer in self._answers:
            cut = self.drawn.cut(answer)
            if cut is not None:
                yield key, cut

    def grade(self, grader: Grader) -> Iterator[tuple[RunKey, GradedAnswer]]:
        """Grade what was drawn, and put the chances beside the verdicts."""
        return ((key, self.drawn.marked(graded)) for key, graded in super().grade(grader))

    def is_kept(self, judged: JudgedRuns) -> bool:
        """Say whether every answer of the sample was taken in."""
        return judged.is_complete(sum(1 for _ in self))

    def facts(self) -> Mapping[str, Mapping[str, object]]:
        """Give what results say of the design; the chances are beside the verdicts."""
        design = {
            "share": self.share,
            "unit": str(self._unit),
            "by": self._by.name,
            "seed": self.seed,
            "answers": self.drawn.n_answers,
            "criteria": self.drawn.n_criteria,
            "asked": self.drawn.n_asked,
        }
        return {"sample": design}

    def told(self, grader: Grader) -> Iterator[str]:
        """Say what was drawn.

        Raises:
            ConfigError: The results it was drawn by are of the very judge that is to be asked.
        """
        if grader.identity.digest in self._judges:
            raise ConfigError(f"--by {self._by}: results of the very judge that is to be asked")
        drawn = self.drawn
        yield (
            f"{drawn.n_asked:,} of {drawn.n_criteria:,} criteria are in the sample, of "
            f"{drawn.n_prompts:,} prompts; the others are not asked, and not missing."
        )

    def words(self) -> Sequence[str]:
        """Say what to do with the results."""
        words = ["score", str(self._by), "--labels", str(self._output)]
        return (
            "These verdicts alone are no score: they were drawn with unequal chances.",
            f"next: {command(words)}",
        )
