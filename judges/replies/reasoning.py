"""Where a model's reasoning ends and what it says begins: one table of marks for every text.

Reasoning is a block that opens at the very start of a text. A tag that stands further down is part
of the text, because answers and verdicts mention tags. Used for answers (`answers.py`) and for the
replies of judges (`parsing.py`); `remark_on` says what looks like a mark and is not in the table.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from ..errors import ConfigError

log = logging.getLogger(__name__)

TAGS = (
    # DeepSeek, Qwen, GLM, Nemotron, MiniMax-M2 and most others write <think>; EXAONE and Gemini's
    # chat endpoint <thought>; Seed <seed:think>; LongCat, K2 and MiniMax-M3 their own
    *("think", "thinking", "thought", "thoughts", "reasoning", "reason", "reasoning_content"),
    *("seed:think", "seed:cot_budget_reflect", "mm:think", "longcat_think", "antthinking"),
    *("think_fast", "think_faster", "scratchpad", "reflection", "internal", "inner_monologue"),
    *("internal_monologue", "inner_thoughts", "cot", "chain_of_thought"),
)
"""Names of tags that hold reasoning: `<name>` to `</name>`, in either case of letters."""
_PAIRS = (
    (r"<start_working_out>", r"</?end_working_out>|</start_working_out>"),  # the warm start's
    *(
        (rf"\[{name}\]", rf"\[/{name}\]") for name in ("think", "thinking", "reasoning")
    ),  # Magistral
    (r"<unused94>", r"<unused95>"),  # MedGemma
    (r"<\|channel>\s*(?:thought|thinking|analysis)\b", r"<channel\|>"),  # Gemma
    (r"◁think▷", r"◁/think▷"),  # Kimi
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Cohere
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),  # OpenThinker, Sky-T1
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    (r"<\|think\|>", r"<\|/think\|>|<\|end\|>"),  # Solar
    (r"<details\s+type=[\"']reasoning[\"'][^<>]*>", r"</details>"),  # chats saved by Open WebUI
)
_SPOKEN = (
    (r"\#\#\s*Thinking\s*\n", r"^\#\#\s*Final\ Response\s*$"),  # HuatuoGPT-o1
    (r"Thinking\.\.\.\s*\n", r"^\.\.\.done\ thinking\.?"),  # ollama at a terminal
    (r"Here(?:'s|\ is)\ my\ thought\ process:", r"Here(?:'s|\ is)\ my\ response:"),  # Granite
    (r"analysis(?=\S)", r"assistantfinal"),  # harmony whose special tokens were omitted
)
"""Plain words: reasoning only where the closing ones follow."""
_HARMONY_OPENS = r"<\|channel\|>\s*(?:analysis|commentary)\b"
_HARMONY_FINAL = re.compile(r"<\|channel\|>\s*final\b[^\n]{0,80}?<\|message\|>")
_HARMONY_END = re.compile(r"(?:\s*<\|(?:return|end|call)\|>)+\s*\Z")
_HEADS = (
    r"[\s\ufeff\u200b-\u200f\u2060]|<s>|<bos>|<\|begin_of_text\|>|<\|start\|>assistant|"
    r"<\|im_start\|>assistant\b|<start_of_turn>model\b|"
    r"<\|start_header_id\|>assistant<\|end_header_id\|>"
)
"""What may stand before the first mark: white space and the head of the model's turn."""
_WRAPPERS = re.compile(
    r"\A\s*(?:<\|START_RESPONSE\|>|<\|begin_of_solution\|>|<\|begin\|>assistant<\|content\|>)|"
    r"(?:<\|END_RESPONSE\|>|<\|end_of_solution\|>)\s*\Z"
)
"""Tokens around what follows the reasoning of the families above."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks that texts are read by: the table's and a user's own."""

    own: tuple[str, ...] = ()
    """Each as `OPEN...CLOSE`, as in `<plan>...</plan>`."""
    in_prompt: bool = False
    """The model's chat template opens the block, so that a text begins inside of it."""

    @classmethod
    def of(cls, own: object = (), opens: str = "text", *, option: str = "reasoning") -> Marks:
        """Check two options as users write them.

        Args:
            own: `OPEN...CLOSE`, several with a semicolon between them, or a list.
            opens: `text`, or `prompt` where the chat template opens the block.
            option: How the names of the options begin, for messages.

        Raises:
            ConfigError: One of them cannot be read.
        """
        if opens not in {"text", "prompt"}:
            raise ConfigError(f"{option}_opens={opens!r}: text or prompt")
        return cls(own_marks(own, f"{option}_marks"), opens == "prompt")

    def to_json(self) -> dict[str, object]:
        """Give what differs from the table alone, as options."""
        own = {"reasoning_marks": list(self.own)} if self.own else {}
        return own | ({"reasoning_opens": "prompt"} if self.in_prompt else {})


TABLE = Marks()
"""The table alone."""


@dataclass(frozen=True, slots=True)
class ReasoningSplit:
    """A text without its reasoning."""

    rest: str
    """What follows the reasoning; the whole text where there is none."""
    is_cut_off: bool = False
    """The reasoning never ends: nothing follows it."""


def own_marks(value: object, option: str = "reasoning_marks") -> tuple[str, ...]:
    """Read a user's own marks, each of the form `OPEN...CLOSE`."""
    items = value.split(";") if isinstance(value, str) else value or ()
    found = []
    for item in items if isinstance(items, list | tuple) else (value,):
        text = str(item).strip()
        opening, dots, closing = (part.strip() for part in text.partition("..."))
        if text and not (opening and dots and closing):
            raise ConfigError(f"{option}={text!r}: write OPEN...CLOSE, such as <plan>...</plan>")
        if text:
            found.append(f"{opening}...{closing}")
    return tuple(found)


def split_reasoning(text: str, marks: Marks = TABLE) -> ReasoningSplit:
    """Take the reasoning off the front of a text, block after block.

    A block reaches from its mark to the first closing mark of the same kind.
    """
    table = _compiled(marks)
    place, n_blocks = 0, 0
    if marks.in_prompt and not table.opens.match(text):
        ending = table.any_close.search(text)
        if ending is None:
            return ReasoningSplit("", is_cut_off=True)
        place, n_blocks = ending.end(), 1
    elif (ending := table.any_close.match(text, _head_end(text, 0))) is not None:
        place, n_blocks = ending.end(), 1  # the block was opened in the prompt, and is empty
    while (opening := table.opens.match(text, place)) is not None:
        kind = opening.lastgroup or ""
        closing = table.closes[kind].search(text, opening.end())
        if closing is None and kind in table.spoken:
            break
        if closing is None:
            return ReasoningSplit("", is_cut_off=True)
        place, n_blocks = closing.end(), n_blocks + 1
    final = _HARMONY_FINAL.match(text, _head_end(text, place))
    if final is None and not n_blocks:
        return ReasoningSplit(text)
    rest = text[final.end() if final is not None else place :]
    if "<|" in rest:
        rest = _WRAPPERS.sub("", _HARMONY_END.sub("", rest[_head_end(rest, 0) :]))
    return ReasoningSplit(rest)


def has_open_block(text: str, marks: Marks = TABLE) -> bool:
    """Say whether a text ends inside a block of reasoning, wherever the block opens."""
    table = _compiled(marks)
    opening = None
    for opening in table.any_open.finditer(text):  # noqa: B007  # the last one
        pass
    return opening is not None and table.any_close.search(text, opening.end()) is None


def lone_closing_mark(text: str, marks: Marks = TABLE) -> str:
    """Give a closing mark that ends a line of a text which opens no reasoning; else nothing.

    So it looks where the chat template opens the block: all before the mark may be reasoning.
    """
    for closing in _compiled(marks).any_close.finditer(text):
        is_quoted = text[max(0, closing.start() - 1) : closing.start()] in {"`", "'", '"'}
        rest_of_line = text[closing.end() : closing.end() + 200].partition("\n")[0]
        if not is_quoted and not rest_of_line.strip():
            return closing.group()
    return ""


_NO_MARKS = frozenset(
    re.findall(
        r"\w+",
        "p div span b i u em strong h1 h2 h3 h4 h5 h6 ul ol li table tr td th thead tbody html "
        "head body a br hr img code pre blockquote section article header footer main nav center "
        "font sup sub small details summary svg math style script title xml form input button "
        "label solution answer response output final final_answer result reply",
    )
)
"""Names of HTML, and names around answers: no marks of reasoning."""
_REASON_WORDS = re.compile(
    r"think|thought|reason|\bplan|analy[sz]|scratch|reflect|\bcot\b|monolog|internal|brainstorm|"
    r"deliberat|ponder|raisonn|denk|razona|pensa|思考|推理",
    re.IGNORECASE,
)
_BRACKETED = re.compile(
    r"(?P<open>[<\[{【«◁])(?P<name>[^\s/<>\[\]{}【】«»◁▷|!]{1,40})(?:[ \t][^<>\n]{0,100})?"
    r"(?P<close>[>\]}】»▷])"
)
_TOKEN = re.compile(r"<\|[^<>\s]{1,40}>|<unused\d+>|<!--|◁[^▷\n]{1,20}▷|<[^<>\s]{1,40}\|>")
_SPOKEN_HEAD = re.compile(
    r"<details[^<>]{0,100}>\s*<summary>[^<\n]{0,40}(?:thought|thinking|reason)|"
    r"```(?:think|thought|reason)\w*|analysis(?=[A-Z][a-z])|(?:\#+ |\*\*)?(?:thinking|reasoning|"
    r"thought process|chain of thought|scratchpad|internal monologue)(?: process)?(?:\*\*)?:?"
    r"(?:\*\*)?[ \t]*(?=\n)",
    re.IGNORECASE,
)


def unknown_mark(text: str) -> tuple[str, int | None]:
    """Give a mark that a text opens with and that the table does not know, and where it closes.

    Returns:
        The mark and the end of its closing mark, or None for that; an empty text for no mark.
    """
    start = _head_end(text, 0)
    named = _BRACKETED.match(text, start)
    if named is not None:
        name = named["name"].lower()
        closing = f"{named['open']}/{named['name']}{named['close']}"
        end = text.find(closing, named.end())
        if name not in _NO_MARKS and (end >= 0 or _REASON_WORDS.search(name)):
            return named.group(), end + len(closing) if end >= 0 else None
    plain = _TOKEN.match(text, start) or _SPOKEN_HEAD.match(text, start)
    return (plain.group().strip(), None) if plain else ("", None)


def remark_on(text: str, marks: Marks = TABLE) -> tuple[str, str]:
    """Say what about a text's reasoning a reader of the results should know.

    Returns:
        A kind and the mark it is about: `unknown` (opens with what looks like a mark), `lone` (a
        closing mark without an opening one), `cut_off` (the reasoning never ends); or empty texts.
    """
    split = split_reasoning(text, marks)
    if split.is_cut_off:
        return "cut_off", ""
    mark, _ = unknown_mark(split.rest)
    if mark:
        return "unknown", mark
    lone = lone_closing_mark(split.rest, marks)
    return ("lone", lone) if lone else ("", "")


def _head_end(text: str, start: int) -> int:
    """Give the place after white space and the head of the model's turn."""
    head = _HEAD.match(text, start)
    return head.end() if head is not None else start


_HEAD = re.compile(rf"(?:{_HEADS})*")


@dataclass(frozen=True, slots=True)
class _Marks:
    """Compiled expressions of some marks."""

    opens: re.Pattern[str]
    """Matches at the start of a text; the name of the group says which mark."""
    closes: dict[str, re.Pattern[str]]
    spoken: frozenset[str]
    any_open: re.Pattern[str]
    any_close: re.Pattern[str]


@lru_cache(maxsize=32)
def _compiled(marks: Marks) -> _Marks:
    own = [tuple(map(re.escape, mark.split("...", 1))) for mark in marks.own]
    tags = "|".join(map(re.escape, TAGS))
    pairs = [*own, *_PAIRS]
    named = {f"m{n}": pair for n, pair in enumerate(pairs)}
    spoken = {f"s{n}": pair for n, pair in enumerate(_SPOKEN)}
    by_tag = {f"t{n}": (_tag(name), f"</{re.escape(name)}>") for n, name in enumerate(TAGS)}
    every = {**named, **by_tag, **spoken, "h": (_HARMONY_OPENS, _HARMONY_FINAL.pattern)}
    opens = "|".join(f"(?P<{group}>{opening})" for group, (opening, _) in every.items())
    # harmony's closing mark is the head of the final message, which split_reasoning reads itself
    closing = "|".join([f"</(?:{tags})>", *(pair[1] for pair in pairs)])
    return _Marks(
        re.compile(rf"(?:{_HEADS})*(?:{opens})", re.IGNORECASE),
        {g: re.compile(pair[1], re.IGNORECASE | re.MULTILINE) for g, pair in every.items()},
        frozenset(spoken),
        re.compile("|".join([*(pair[0] for pair in (*pairs, *by_tag.values()))]), re.IGNORECASE),
        re.compile(closing, re.IGNORECASE),
    )


def _tag(name: str) -> str:
    return rf"<{re.escape(name)}(?:\s[^<>]{{0,100}})?>"


_SAID = {
    "cut_off": "{n} of {all} answers end inside their reasoning: nothing of them was judged",
    "unknown": "{n} of {all} answers open with {mark}, which looks like a mark of reasoning and "
    "is not a known one: it was judged as text; reasoning_marks=OPEN...CLOSE leaves it out",
    "lone": "{n} of {all} answers hold {mark} and no opening mark: what stands before it was "
    "judged too; reasoning_opens=prompt leaves it out",
}


class Remarks:
    """What readers of the results should know of how the answers were read."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._n_texts = 0

    def add(self, text: str, marks: Marks) -> None:
        """Look at one more answer; the first of a kind is logged at once."""
        self._n_texts += 1
        kind, mark = remark_on(text, marks)
        if not kind:
            return
        if not self._counts[kind, mark]:
            words = _SAID[kind].format(n="some", all="the", mark=mark)
            log.warning("%s", words)
        self._counts[kind, mark] += 1

    def notes(self) -> list[str]:
        """Word them, the commonest first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            _SAID[kind].format(n=n, all=self._n_texts, mark=mark) for (kind, mark), n in ordered
        ]
