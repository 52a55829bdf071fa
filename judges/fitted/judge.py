"""A judge of one's own: the criterion-level reward model that `rubricbeat fit-judge` makes.

Free and offline. Each answer is read once for all of its criteria; verdicts carry P(met). What it
is worth stands on its card, and goes into the results with it (`notes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..errors import ConfigError
from ..files import user_path
from ..judge import JudgeIdentity, Question
from ..learned import LearnedPrompts
from ..registry import register_judge
from ..verdict import Verdict
from .encoder import MiniLM, digest_of, find_encoder
from .features import Sight
from .ordered import asked_example, verdicts_of
from .saved_model import FittedModel, load_model, read_card


@register_judge("fitted")
@dataclass(slots=True, kw_only=True)
class FittedJudge:
    """Gives P(met) by a head fitted to verdicts or labels."""

    stored: ClassVar[bool] = False
    group_size: ClassVar[int] = 10_000
    """All criteria of an answer at once."""
    runtime_defaults: ClassVar[Mapping[str, Any]] = {"max_concurrency": 2, "timeout_s": 1800.0}
    """One answer is read at a time: more in flight would only wait."""
    path: str
    """Folder that `rubricbeat fit-judge` wrote."""
    encoder: str | None = None
    """Folder of the sentence encoder; by default MiniLM among the installed packages."""
    identity: JudgeIdentity = field(init=False)
    notes: str = field(init=False)
    """The figures on its card; they stand in the results."""
    learned: LearnedPrompts | None = field(init=False, repr=False)
    """The prompts it has learned from; None where its card does not say."""
    _model: FittedModel = field(init=False, repr=False)
    _encoder_folder: Path | None = field(default=None, init=False, repr=False)
    _sight: Sight | None = field(default=None, init=False, repr=False)
    _thread: ThreadPoolExecutor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the judge, and check that its encoder is there, before anything is asked."""
        folder = user_path(self.path)
        self._model = load_model(folder)
        if self._model.encoder is not None:
            self._encoder_folder = find_encoder(self.encoder)
            if digest_of(self._encoder_folder) != self._model.encoder:
                raise ConfigError(
                    f"{self._encoder_folder}: not the encoder that {folder} was fitted with; name "
                    "that one with --judge_args encoder=FOLDER"
                )
        self.identity = JudgeIdentity(
            "fitted", model=folder.resolve().name, prompt=f"files:{self._model.digest[:16]}"
        )
        card = read_card(folder)
        self.notes, self.learned = _worth(card), LearnedPrompts.of_card(card)

    def __getstate__(self) -> tuple[None, dict[str, object]]:
        """Leave the loaded encoder and the thread behind."""
        left: dict[str, object] = {"_sight": None, "_thread": None}
        return None, {name: left.get(name, getattr(self, name)) for name in self.__slots__}

    async def judge(self, question: Question) -> Verdict:
        """Give P(met) of one criterion."""
        return (await self.judge_group([question]))[0]

    async def judge_group(self, questions: Sequence[Question]) -> list[Verdict]:
        """Give P(met) of criteria of one answer."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "rubricbeat-fitted")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._judge, questions)

    async def aclose(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _judge(self, questions: Sequence[Question]) -> list[Verdict]:
        if self._sight is None:
            encoder = MiniLM(self._encoder_folder) if self._encoder_folder is not None else None
            self._sight = Sight(self._model.words, encoder)
        first = questions[0]
        seen = self._sight.see(asked_example(first.example), first.answer)
        chance_C = self._model.calibration.probability(self._model.head.logits(seen))
        verdicts = verdicts_of(first.example.rubric, chance_C)
        return [verdicts[q.index] for q in questions]


def _worth(card: Mapping[str, Any]) -> str:
    try:
        figures = card["audit"]["judge"]["figures"]
        blind = card["audit"]["baselines"]["no_look"]["figures"]
        return (
            f"on held-out prompts of its own data: macro-F1 {figures['balanced_f1']['value']:.3f} "
            f"(without seeing the answer {blind['balanced_f1']['value']:.3f}), pairwise within "
            f"a criterion {figures['pairwise']['value']:.3f}"
        )
    except (KeyError, TypeError, ValueError):
        return "its card cannot be read: its accuracy is unknown"
