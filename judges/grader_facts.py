"""What results say about their judge: identity, counts, cost, and options without secrets."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Generic, TypeVar

from .answer import Answer
from .engine.ledger import known_sum
from .engine.options import RuntimeOptions
from .engine.work_items import Part, Sheet
from .errors import StoreError
from .judge import Judge

MAX_WAITING = 32
"""Parts that are graded and wait for one before them."""
_TICK_S = 0.2
"""Between two looks at how far the parts are."""
A = TypeVar("A")


def facts_of(part: Part) -> dict[str, object]:
    """Give identity and counts; of a judge made of others the calls are those of all of them."""
    facts = {**part.identity.to_json(), "digest": part.identity.digest, **part.ledger.to_json()}
    if not part.members:
        return facts
    payers = part.payers
    counts = [payer.ledger.to_json() for payer in payers]
    costs = [payer.ledger.cost for payer in payers if payer.is_stored]
    return {
        **facts,
        **{name: sum(one[name] for one in counts) for name in ("calls", "store_hits")},
        **{name: _added(one[name] for one in counts) for name in ("faults", "retries", "tokens")},
        # one member of unknown price makes the sum unknown; those that are free add nothing
        "cost_usd": known_sum(costs),
        "members": [facts_of(member) for member in part.members],
    }


def noted(judge: Judge, answers: Sequence[object], learned: Iterable[str]) -> dict[str, object]:
    """Give what is to be said beside the counts; empty where there is nothing.

    Args:
        judge: May have notes of its own.
        answers: Remarks on the answers.
        learned: Prompts, by id, that the judge has learned from.
    """
    notes = getattr(judge, "notes", None)
    found = {"notes": notes and str(notes), "answers": answers, "learned_prompts": sorted(learned)}
    return {name: said for name, said in found.items() if said}


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


@dataclass(frozen=True, slots=True)
class GradePart(Generic[A]):
    """Some of the answers, which are graded together."""

    run: concurrent.futures.Future[None]
    filled: list[tuple[A, Sheet]]
    n_questions: int

    @property
    def n_open(self) -> int:
        """Questions without their verdict, a little out of date: the loop goes on meanwhile."""
        if self.run.done():
            return 0
        sheets = [sheet for _, sheet in list(self.filled) if sheet.rows]
        n_done = sum(n_places(sheet) - sheet.n_open for sheet in sheets)
        return self.n_questions - n_done


def n_questions_of(answers: Iterable[Answer], options: RuntimeOptions) -> int:
    """Count the verdicts that are asked for; an answer that is not there has none."""
    own = options.replicates
    return sum(a.n_asked * (a.replicates or own) for a in answers if a.text is not None)


def taken_up(one: tuple[Answer, Sheet]) -> bool:
    """Say whether the pool has taken an answer up; of one that is not there nothing is asked."""
    return one[0].text is None or bool(one[1].rows)


def n_places(sheet: Sheet) -> int:
    """Count the verdicts that a sheet has room for; 0 before the pool has taken it up."""
    return len(sheet.rows) * sheet.n_questions


def in_order(
    start_next: Callable[[], GradePart[A] | None],
    max_in_flight: Callable[[], int],
    tick: Callable[[], None],
    let_finish: Callable[[Sequence[concurrent.futures.Future[None]]], None],
    *,
    is_near: bool = False,
) -> Generator[tuple[A, Sheet], None, None]:
    """Give the answers of all parts in order, as they are graded; at the end, cancel what is left.

    Where the store fails, what was paid for is in hand all the same: the answers that the pool had
    taken up are given, with a reason for each verdict that is missing, before the error is raised.

    Args:
        start_next: Starts one more part; None where there is none.
        max_in_flight: Most questions that are asked at once.
        tick: Called while one is waited for.
        let_finish: Given the runs in hand at an interrupt, before they are cancelled.
        is_near: Give what is graded before more is started: the caller may have enough.
    """
    parts: deque[GradePart[A]] = deque()
    is_read = False
    try:
        while parts or not is_read:
            while not is_read and _has_room(parts, max_in_flight()):
                if is_near and parts and parts[0].run.done():
                    break
                part = start_next()
                if part is None:
                    is_read = True
                else:
                    parts.append(part)
            if not parts:
                return
            if not parts[0].run.done():
                concurrent.futures.wait([parts[0].run], timeout=_TICK_S)
                tick()
                continue
            part = parts.popleft()
            if not isinstance(part.run.exception(), StoreError):
                part.run.result()
                yield from part.filled
                continue
            is_read = True
            there = list(takewhile(lambda one: one[1].rows, part.filled))
            yield from there
            if not parts or sum(n_places(sheet) for _, sheet in there) < part.n_questions:
                part.run.result()
    except KeyboardInterrupt:
        let_finish([part.run for part in parts])
        raise
    finally:
        for part in parts:
            part.run.cancel()


def _has_room(parts: deque[GradePart[A]], max_in_flight: int) -> bool:
    """Say whether the pool would soon run dry without more answers.

    A slow answer does not hold up those behind it: they wait in memory, up to a bound.
    """
    if sum(part.run.done() for part in parts) > MAX_WAITING:
        return False
    n_open = sum(part.n_open for part in parts)
    return n_open < 2 * max_in_flight + (parts[-1].n_questions if parts else 1)
