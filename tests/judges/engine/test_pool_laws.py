"""Whatever a judge does and whoever is cancelled: every verdict is right or has its reason."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from engine_kit import UNREADABLE, CountingJudge, answers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import HANG_S

from rubricbeat.judges.errors import RateLimitError, RejectedError, TransportError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.verdict import Outcome, Source, Verdict

WRONG = [
    UNREADABLE,
    Verdict(Outcome.REFUSED),
    Verdict(Outcome.TRUNCATED),
    TransportError("reset"),
    RateLimitError("slow", 0.0),
    RateLimitError("slow"),
    RejectedError("too long"),
    TimeoutError(),
    ValueError("a bug"),
]


class Capricious(CountingJudge):
    """Goes wrong as its dice say; answers alone, or in groups with holes."""

    def __init__(self, seed: int, share: float, group_size: int) -> None:
        super().__init__()
        self.dice = random.Random(seed)
        self.share = share
        self.group_size = group_size
        self.paid: Counter[tuple[str, int, int]] = Counter()

    def said(self, question) -> Verdict:
        if self.dice.random() < self.share:
            wrong = self.dice.choice(WRONG)
            if isinstance(wrong, BaseException):
                raise wrong
            return wrong
        self.paid[question.example.prompt_id, question.index, question.replicate] += 1
        return self.verdict(question)

    async def judge(self, question):
        await asyncio.sleep(self.dice.choice([0, 0, 0.001]))
        return self.said(question)

    async def judge_group(self, questions):
        await asyncio.sleep(self.dice.choice([0, 0, 0.001]))
        return [self.said(question) for question in questions]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    group_size=st.sampled_from([1, 3]),
    in_flight=st.sampled_from([1, 4, 32]),
    replicates=st.sampled_from([1, 2]),
    max_calls=st.sampled_from([None, 0, 7]),
    cancel_after=st.none() | st.floats(0, 0.01),
)
def test_nothing_hangs_nothing_is_wrong_nothing_finished_is_asked_again(
    tmp_path_factory, seed, share, group_size, in_flight, replicates, max_calls, cancel_after
):
    judge = Capricious(seed, share, group_size)
    options = RuntimeOptions(
        max_concurrency=in_flight,
        replicates=replicates,
        max_calls=max_calls,
        max_retries=2,
        backoff_s=0.0005,
        outage_after=10,
        store=str(tmp_path_factory.mktemp("laws") / "v.sqlite"),
    )
    asked = [*answers(6), *answers(3)]  # some questions twice

    async def run(grader: Grader):
        first = asyncio.create_task(grader.grade_async(asked))
        second = asyncio.create_task(grader.grade_async(asked[::-1]))
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            first.cancel()
        results = await asyncio.gather(first, second, return_exceptions=True)
        return [one for one in results if not isinstance(one, asyncio.CancelledError)]

    with Grader(judge, options) as grader:
        done = asyncio.run(asyncio.wait_for(run(grader), HANG_S))
        facts = grader.facts()
    if max_calls is not None:
        assert facts["calls"] <= max_calls
    for graded in done:
        assert len(graded) == 9
        for one in graded:
            for row in (one.verdicts, *one.replicates):
                for index, verdict in enumerate(row):
                    if verdict.met is None:
                        assert verdict.explanation or verdict.outcome is not Outcome.SKIPPED
                    else:
                        assert verdict.met == (index % 2 == 0)
    if cancel_after is None and group_size == 1:
        # a group whose other questions went wrong may be lost whole; a single call never is
        assert set(judge.paid.values()) <= {1}
    calm = Capricious(0, 0.0, group_size)
    known = {
        key
        for graded in done
        for one in graded
        for replicate, row in enumerate((one.verdicts, *one.replicates))
        for index, verdict in enumerate(row)
        if verdict.met is not None
        for key in [(one.example.prompt_id, index, replicate)]
    }
    with Grader(calm, RuntimeOptions(replicates=replicates, store=options.store)) as grader:
        again = grader.grade(asked)
    assert not known & set(calm.paid)
    assert all(v.met is not None for one in again for v in one.verdicts)
    assert all(
        v.source is Source.STORE
        for one in again
        for i, v in enumerate(one.verdicts)
        if (one.example.prompt_id, i, 0) in known
    )
