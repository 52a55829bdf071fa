"""What a reply commits to: the JSON it is, or the last one it ends with; never one it mentions.

A reply may draft, quote the format, quote the answer, or take back what it said. An object counts
where it is the whole reply (bare, or in one fence), or where it stands apart at the end of one that
ended by itself: nothing introduces it as an example or a draft, and nothing but a closing phrase or
an explanation follows. Whether something else in the reply speaks against it is for the caller, who
gets the text beside it. In doubt nothing is committed: asking again is cheap, a wrong verdict not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .json_in_text import OPEN_FENCE, decode_at, exact, fenced_blocks, mended, objects_in, unfenced
from .reasoning import TABLE, Marks, has_open_block, lone_closing_mark, unknown_mark

CUT = "the reply was cut off before it committed to a verdict"
NOTHING = "the reply holds no verdict"
UNSURE = "the reply holds a verdict that it may only mention: it does not end with it"
MANY = "the reply holds too many objects to be sure of one"


@dataclass(frozen=True, slots=True)
class Committed:
    """What a reply commits to."""

    values: tuple[object, ...]
    """The objects it holds, in order; the last one is what it commits to."""
    beside: str = ""
    """Text that could hold another verdict; empty where the object is the whole reply."""
    outside: str = ""
    """That text without the objects: what is said in words."""


Wanted = Callable[[object], bool]
"""Whether a decoded value is of the kind that was asked for."""


def commitment(
    text: str,
    word: str,
    wanted: Wanted,
    *,
    ended: bool = True,
    strict: bool = False,
    marks: Marks = TABLE,
) -> Committed | str:
    """Find what a reply commits to, or say why it commits to nothing.

    Args:
        text: The reply without its reasoning.
        word: The name that every such object holds, such as `criteria_met`.
        wanted: Tells an object of the kind that was asked for.
        ended: The reply ended by itself; a cut one must be whole, or begin with the object.
        strict: Take the whole reply only.
        marks: The marks of reasoning.
    """
    whole = exact(text)
    if whole is not None:
        return Committed((whole,)) if wanted(whole) else NOTHING
    if strict:
        return "the reply is not the JSON object asked for" if ended else CUT
    if not ended:
        return _first_of_a_cut_reply(text, wanted)
    body = unfenced(text)
    repaired = mended(body) if body.startswith("{") else None
    if repaired is not None and wanted(repaired):
        return Committed((repaired,), body)
    return _in_the_only_fence(text, wanted, marks) or _last_in_prose(text, word, wanted, marks)


def _first_of_a_cut_reply(text: str, wanted: Wanted) -> Committed | str:
    body = unfenced(text)
    piece = decode_at(body, 0) if body[:1] in {"{", "["} else None
    if piece is None or not wanted(piece.value) or not is_harmless(body[piece.end :]):
        return CUT
    return Committed((piece.value,), body[piece.end :], body[piece.end :])


def _in_the_only_fence(text: str, wanted: Wanted, marks: Marks) -> Committed | str | None:
    blocks = fenced_blocks(text)
    value = exact(blocks[0][0]) if len(blocks) == 1 else None
    if value is None or not wanted(value):
        return None
    _, start, end = blocks[0]
    if not stands_apart(text, start, end, marks):
        return UNSURE
    outside = f"{text[:start]}\n{text[end:]}"
    return Committed((value,), outside, outside)


def _last_in_prose(text: str, word: str, wanted: Wanted, marks: Marks) -> Committed | str:
    try:
        pieces = [p for p in objects_in(text, word) if wanted(p.value)]
    except ValueError:
        return MANY
    if not pieces:
        return NOTHING
    last = pieces[-1]
    first = _first_of_its_row(text, [piece.start for piece in pieces], [p.end for p in pieces])
    if not stands_apart(text, first, last.end, marks):
        return UNSURE
    outside, place = "", 0
    for piece in pieces:
        outside, place = f"{outside}{text[place : piece.start]}\n", piece.end
    return Committed(tuple(p.value for p in pieces), text, outside + text[place:])


def _first_of_its_row(text: str, starts: list[int], ends: list[int]) -> int:
    """Give where the last row of objects begins that have nothing but white space between them."""
    row = starts[-1]
    for start, end, after in zip(starts[-2::-1], ends[-2::-1], starts[:0:-1], strict=True):
        if text[end:after].strip(" \n\t,`"):
            break
        row = start
    return row


# ---- what stands around an object

_OWN_TAGS = re.compile(
    r"</?(?:answer|output|result|response|reply|verdict|json|final|final_answer|judge?ment|"
    r"evaluation|solution)>|~~~|<\|?/?(?:im_end|eot_id|endoftext|end_of_text|end|return|eom_id)\|?>|"
    r"</s>|<end_of_turn>|<eos>",
    re.IGNORECASE,
)
_MARKUP = " \t\n\r*_#>`-\u2013\u2014\u2022.!;,)]('\"\u201d\u201c"
_POLITE = re.compile(
    r"thank(?:s| you)\b.{0,60}|done|end|sure|certain|final|that(?:'s| is) (?:all|it)|"
    r"(?:i )?hope (?:this|that|it) .{0,40}|(?:please )?let me know .{0,100}|feel free .{0,100}|"
    r"end of \w{0,20}|confidence:? .{0,20}|best regards.{0,20}|"
    r"gracias|merci|danke|grazie|obrigad[oa]|谢谢|ありがとうございます|спасибо",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(
    r"(?:explanation|reason|reasoning|rationale|justification|begründung|erklärung|explicación|"
    r"razonamiento|justificación|explication|raisonnement|spiegazione|explicação|justificativa|"
    r"объяснение|обоснование|理由|解释|説明)[*_\s]{0,4}[:\uff1a]",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|hm+|hold on|actually|mis\w*read|mistak\w*|correct(?:ed|ion|ing)|instead|"
    r"(?:second|closer|further) (?:thought|look|reading|reflection|inspection)|reconsider\w*|"
    r"re-?read\w*|re-?check\w*|re-?think\w*|sorry|apolog\w*|oops|chang\w*|revis\w*|scratch|"
    r"ignore|disregard|drafts?|earlier|above|previous\w*|true|false|yes|met|unmet|verdicts?|"
    r"criteri(?:a|on)\w*|ratings?|falsch|wahr|verdadero|falso|vrai|faux|vero)\b|[{}]|错|不对|違",
    re.IGNORECASE,
)


def is_harmless(after: str) -> bool:
    """Tell whether what follows an object leaves it standing.

    A closing phrase or a labelled explanation does, unless it speaks of verdicts or takes something
    back; whatever else it may be, it is not known to.
    """
    said = _OWN_TAGS.sub(" ", after).strip(_MARKUP)
    if not said:
        return True
    if not said.strip("?"):
        return False
    if len(said) > 4_000 or _TAKEN_BACK.search(said):
        return False
    if _EXPLAINED.match(said):
        return True
    sentences = re.split(r"[.!?\n]+", said)
    return all(_POLITE.fullmatch(s.strip(_MARKUP)) for s in sentences if s.strip(_MARKUP))


_ENDS_SENTENCE = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u0964", "\u2026")
_FORMATTED = re.compile(
    r"\b(?:in|using|with|as|per|following) (?:the |a |an |this |valid )?(?:\w+ ){0,3}format\b|"
    r"\bas (?:requested|required|instructed|asked)\b|\bformatted as\b|"
    r"\bthe (?:requested|required)(?= (?:json|output|verdict|response|evaluation|assessment))"
    r"(?! \w+ (?:format|schema|template))",
    re.IGNORECASE,
)
"""Words of form in a lead that is not about the form."""
_AS_JSON = re.compile(
    r"\b(?:response|answer|reply) (?:in|as) (?:a |the )?(?:valid )?json(?: format)?\b|"
    r"\bjson response\b|"
    r"\bjson(?: object)?(?: that)? you (?:requested|asked for)\b|\bstructured (?:json|output)\b",
    re.IGNORECASE,
)
_OF_WHAT = re.compile(
    r"\b(evaluation|assessment|judge?ment|verdict|grading|analysis|rating)s?"
    r"(?:(?: (?:of|for|on|about|based on|per)) (?:the |this |your |that )?(?:\w+ ){0,2}?"
    r"(?:response|answer|reply|turn|conversation|item|criterion|criteria|rubric|evaluation|analysis))+"
    r"(?= |\W*\Z)",
    re.IGNORECASE,
)
"""What a verdict is on. Not said of JSON: the JSON of an answer is somebody else's."""
_EXAMPLE = re.compile(
    r"format|formato|schema|template|placeholder|example|for instance|e\.g\.|\bsample|"
    r"\bdrafts?\b|hypothe|\bif\b|\bunless\b|\bwould\b|beispiel|entwurf|\bwenn\b|\bfalls\b|ejemplo|"
    r"borrador|exemple|brouillon|esempio|bozza|exemplo|rascunho|voorbeeld|przykład|szkic|örnek|"
    r"taslak|esquema|esempi|пример|черновик|формат|шаблон|если|例|草稿|格式|形式|如果|もし|下書き|"
    r"초안|형식|예시|만약|مثال|مسودة|صيغة|إذا|उदाहरण|प्रारूप|यदि",
    re.IGNORECASE,
)
_POINTS_AT = re.compile(
    r"\bfollowing\b|\bfollows\b|\bbelow\b|\bthis (?:line|object|json|text|string|reply|block)\b|"
    r"\bfolgende|\bsiguiente|\bsuivant|\bseguente|\bseguinte|следующ|如下|以下|次の|다음|التالي",
    re.IGNORECASE,
)
"""A sentence that speaks of what comes after it."""
_OWN_LEAD = frozenset(
    re.findall(
        r"\S+",
        "so thus therefore hence ok okay finally overall in conclusion summary short here it is "
        "are this that below my the our a final json object output verdict judgement judgment "
        "evaluation assessment grade grading rating result decision for item criterion rubric "
        "follows as with and explanation valid now i give provide conclude s verdicts judgements "
        "judgments evaluations grades ratings results "
        "hier ist das mein meine der die urteil ergebnis bewertung fazit lautet somit also daher "
        "endgültiges endgültige abschließendes "
        "voici mon ma le la résultat évaluation donc finale est "
        "aquí está el mi veredicto resultado evaluación conclusión por tanto lo es "
        "ecco il mio mia verdetto risultato valutazione conclusione quindi è "
        "aqui o meu minha veredito avaliação conclusão portanto é "
        "вот мой моя вердикт результат оценка итог итоговый итоговая окончательный вывод "
        "mijn het de oordeel resultaat beoordeling conclusie dus oto mój wynik ocena werdykt "
        "sonuç karar nihai işte",
    )
)
"""Words of which a reply makes the line that introduces its own object."""
_GOES_ON = re.compile(
    r"\b(?:says?|said|reads?|writes?|wrote|states?|contain(?:s|ed)?|includes?|with|like|as|is|are|"
    r"be|to|of|that|the|an?|and|or|namely|lautet|sagt|ist|est|dit|es|dice)\Z",
    re.IGNORECASE,
)
"""Words that no line ends with which is complete."""
_OPENS_LEAD = re.compile(
    r"(?:after|based|given|considering|having|looking|overall|in|therefore|thus|hence|so|ok|okay|"
    r"finally|all|to|with|and|as|also|sure|certainly|of course|absolutely|yes|daher|somit|donc|"
    r"por lo tanto|因此|所以|综上)\b",
    re.IGNORECASE,
)
"""How a clause begins that may stand before such words."""
_OWN_ANSWER = re.compile(
    r"(?:(?:here is )?my |(?:the |my )?final )?(?:answer|response|reply)(?: is)?"
)
_OWN_LEAD_EAST = re.compile(
    r"(?:最终|最終|最后|我的|以下是|因此|所以|结论|結論|判断|判定|评估|評価|結果|结果|裁决|是|为|的|は|"
    r"최종|판정|결과|결론|평가|النتيجة|الحكم|النهائي|निर्णय|परिणाम|अंतिम|\s)+"
)
_MARK_IN_LEAD = re.compile(r"<[^<>\s]|[{}]|\[/?[A-Za-z]")


def stands_apart(text: str, start: int, end: int, marks: Marks) -> bool:
    """Tell whether the words at a place are what the reply says, and not what it speaks of."""
    before, after = text[:start], text[end:]
    mark, closes = unknown_mark(text)
    if mark and (closes is None or start < closes):
        return False  # inside what may be reasoning
    if before.count("{") > before.count("}") or _has_open_quote(before):
        return False  # inside another object, or inside a quotation
    if has_open_block(before, marks):
        return False
    return is_harmless(after) and _is_introduced(before, marks)


def _is_left_alone(before: str, line: str) -> bool:
    """Tell whether a line without a full stop ends there: an entry of a list, a row of a table."""
    if line.startswith("|"):
        return True
    is_heading = line.startswith(("#", "**")) or not re.search(
        r"\n[ \t]*\n[ \t]*(?:```.*)?\Z", before
    )
    return (
        not is_heading and re.search(r"[\w)%`\]]\Z", line) is not None and not _GOES_ON.search(line)
    )


def _has_open_quote(before: str) -> bool:
    """Tell whether a text ends inside quotation marks."""
    is_odd = (before.count('"') - before.count('\\"')) % 2 == 1
    curly = before.count("\u201c") - before.count("\u201d") - before.count("\u201e")
    return is_odd or curly > 0 or before.count("\xab") > before.count("\xbb")


def _is_introduced(before: str, marks: Marks) -> bool:
    """Tell a reply's own object from one that is quoted, by the line before it."""
    lead = _OWN_TAGS.sub("", OPEN_FENCE.sub("", before.rstrip()))
    raw_line = lead.rstrip().rpartition("\n")[2].lstrip("> \t")
    line = raw_line.strip(" \t*_#`-\u2022")
    if not line or line == lone_closing_mark(line, marks):
        return True
    sentence = re.split(r"(?<=[.!?\u3002\uff01\uff1f\u0964])\s+", line[-600:])[-1]
    said = _OF_WHAT.sub(r"\1", _FORMATTED.sub(" ", _AS_JSON.sub("json", sentence)))
    if _MARK_IN_LEAD.search(said) or _EXAMPLE.search(said):
        return False
    is_sentence = line.endswith(_ENDS_SENTENCE) or _is_left_alone(before, raw_line)
    if is_sentence and not _POINTS_AT.search(said):
        return True
    *others, clause = re.split(r"[,;\u2014\u2013\uff0c\u3001]", said.lower())
    own = " ".join(re.findall(r"[^\W\d_]+", clause))
    if "~~" in line or not all(_OPENS_LEAD.match(other.strip()) for other in others):
        return False
    return (
        set(own.split()) <= _OWN_LEAD
        or _OWN_ANSWER.fullmatch(own) is not None
        or _OWN_LEAD_EAST.fullmatch(own) is not None
    )
