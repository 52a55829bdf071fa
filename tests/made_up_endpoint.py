"""An endpoint for tutorials: answers questions of the demo set, and judges any criterion.

Asked for an answer, it gives the reference answer of the demo set where the system turn asks for
warning signs, and the same with facts removed where it does not. Asked for a verdict, it says what
is true by construction of such an answer; of any other text it says "met" where each long word of
the criterion, but its first, begins as a word of the answer does.
"""

from __future__ import annotations

import json
import re
from functools import cache

from loopback import Loopback, Reply, Seen, completion

from rubricbeat.judges.data.examples import read_examples
from rubricbeat.tasks.demo import demo_path
from rubricbeat.tasks.demo.systems import build

_ASKED = re.compile(
    r"# The conversation\n(.*)\n\n# The rubric item\n(?:\[[^\]]*\] )?(.*?)\n\n# Your task", re.S
)
UNKNOWN = "Please ask a doctor or a pharmacist."


def made_up_endpoint() -> Loopback:
    """Give the server, to be used as a context manager."""
    return Loopback(script=_reply)


def meets(answer: str, criterion: str) -> bool:
    """Say whether every long word of the criterion, but its first, begins a word of the answer."""
    if criterion in answer:  # an answer that only repeats the rubric
        return False
    words = re.findall(r"\w+", criterion.lower())[1:]
    said = re.findall(r"\w+", answer.lower())
    return all(any(one.startswith(word[:5]) for one in said) for word in words if len(word) > 3)


@cache
def _answers() -> dict[tuple[str, str], str]:
    """Give the answer of each system to the last turn of each conversation."""
    built = build(list(read_examples(demo_path()).examples))
    return {(one.answer.example.prompt[-1].content, one.system): one.answer.text for one in built}


@cache
def _truth() -> dict[tuple[str, str], bool]:
    built = build(list(read_examples(demo_path()).examples))
    return {
        (one.answer.text, criterion.text): met
        for one in built
        for criterion, met in zip(one.answer.example.rubric.criteria, one.truth, strict=True)
    }


def _reply(seen: Seen) -> Reply:
    asked = _ASKED.search(seen.body["messages"][-1]["content"])
    if asked is None:
        return _answer(seen)
    answer, criterion = asked[1].rpartition("assistant: ")[2].strip(), asked[2].strip()
    met = _truth().get((answer, criterion))
    met = meets(answer, criterion) if met is None else met
    found = "is" if met else "is not"
    verdict = {"explanation": f"What the item asks for {found} there.", "criteria_met": met}
    return completion(json.dumps(verdict), prompt_tokens=len(seen.prompt) // 4)


def _answer(seen: Seen) -> Reply:
    messages = seen.body["messages"]
    is_told = messages[0]["role"] == "system" and "warning signs" in messages[0]["content"]
    system = "A reference" if is_told else "C facts removed"
    text = _answers().get((messages[-1]["content"], system), UNKNOWN)
    return completion(text, prompt_tokens=len(seen.prompt) // 4)
