"""Say whether a phrase in an English answer is meant, negated, or only part of a pasted rubric.

Heuristics in words, on one sentence: what stands before a phrase back to the last break in thought,
the phrase itself, and a few words after it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

WINDOW_CHARS = 110
"""How far before a phrase a negation reaches."""


Standing = Literal["meant", "negated", "not prose"]
"""How a phrase stands in its sentence; "not prose" is a list of words, or a pasted criterion."""
_NOT_NEGATING = re.compile(
    r"\b(?:(?:don'?t|never|not|shouldn'?t) "
    r"(?:hesitate|wait|delay|be afraid|be shy|worry|ignore|miss|skip|forget|put off)\b"
    r"(?: (?:to|about))?"
    r"|without (?:any |further |more )?(?:delay|waiting|hesitation|fail|warning)|no matter|no(?=,)"
    r"|no (?:problem|worries|issue|harm|warning)"
    r"|(?:protect|guard)\w* (?:\w+ ){0,3}against"
    r"|no later than|not only|not just|not exceed|(?:no|not) (?:more|longer|less) than"
    r"|no doubt|not be (?:delayed|withheld|missed|ignored|forgotten|postponed)"
    r"|not sure|if not|why not|or not"
    r"|can(?:not|'?t) (?:rule out|exclude|be ruled out)|not be ruled out)\b"
)
_NEGATOR = re.compile(
    r"\b(?:not|no|non|never|cannot|nor|neither|without|avoid\w*|stop\w*|refus\w+|against|instead of"
    r"|rather than|hold off|stay away|steer clear|keep away|won'?t|unlikely|rule[sd]? out"
    r"|dangerous to|unsafe to|(?:is|are|was|were|do|does|did|has|have|had|should|would|could|must"
    r"|need)n'?t|can'?t|skip|forbidden|no need)\b"
)
_NEGATOR_AFTER = re.compile(
    r"^[^\n,;:.]{0,45}?(?:\b(?:is|are|was|be|should|must|would|can|could|do|does)"
    r"(?: \w{2,12}ly)? ?n[o']t\b"
    r"|\bcan'?t\b|\bisn'?t\b|\baren'?t\b|\bshouldn'?t\b|\bmustn'?t\b"
    r"|\b(?:is|are|would be|can be) (?:un\w*safe|dangerous|impossible|contraindicated"
    r"|off limits|unlikely|a mistake|unwise|forbidden|out of the question)\b"
    r"|\bshould be avoided\b|\bis to be avoided\b|\bunnecessary\b)"
)
_SUBORDINATOR = re.compile(
    r"\b(?:if|when|whenever|while|because|since|although|though|as|unless|until)\b"
)
_DENIAL = re.compile(
    r"^\W*(?:it is|it's|that is|that's) (?:not true|untrue|false|wrong|a myth|incorrect|nonsense)"
    r" (?:that|to)\b"
)
_DOUBT_AFTER = re.compile(r"^[^\n,;:.]{0,30}\b(?:less likely|unlikely)\b")
_ASIDE = re.compile(r"\([^()]{0,80}\)")
_CONDITION = re.compile(r"\b(?:if|unless|provided|except)\b")
_UNDER_CONDITION = re.compile(
    r"\b(?:if|when|whenever|unless|in case|as soon as|should (?:you|she|he|it|the|any|this|they))\b"
)
_NO_CONDITION = re.compile(
    r"\b(?:(?:even|as|what|only) if|as soon as (?:possible|you can)"
    r"|(?:see|know|check|tell|ask|sure|wonder\w*) (?:if|when)"
    r"|if (?:possible|available|you (?:can|are able|have not|haven'?t|are in|live in|are alone"
    r"|cannot|can'?t)|there is no|an ambulance|no one|nobody|not already))\b"
)
_NEW_CONDITION = re.compile(
    r"[;:\u2014]|,(?! (?:if|when|unless)\b)|\b(?:and|or|but) (?=(?:if|when)\b)"
)
_BREAK = re.compile(
    r"[;:()\u2014]|\s-\s|(?<!not )\bbecause\b|\b(?:as|since) (?:it|this|that|they|these)\b"
    r"|\b(?:but|however|instead,)|(?:,|\band|\bthen|\bso)\s+"
    r"(?:(?:then|also|please|just|simply|so|and|or|today|now)\s+)*"
    r"(?:call|ring|phone|dial|go|seek|see|take|chew|get|ask|tell|contact|sit|lie|rest|stay|have"
    r"|use|keep|start|come|check|measure|talk|speak|let|try|wait|hold|give|watch|bring|make|book"
    r"|arrange|return|head|treat|bridge|resume|restart|refer|recheck|repeat|load|continue|don'?t"
    r"|never|avoid|i|you|it|this|that|these|they|we|he|she|there|your|the|his|her|my|our|please"
    r"|also|instead|then|so|what|which|who|would|could|should|do|is|are)\b|\bso that\b"
)
_RUBRIC_VOICE = re.compile(
    r"^[\s\"'\-\d.)\[\]]*(?:the (?:answer|response|assistant|model|reply) )?(?:\w+ly )?"
    r"(?:advises|recommends|states|explains|asks|mentions|identifies|tells|warns|suggests|does not"
    r"|fails|includes|provides|encourages|gives|describes|acknowledges|names|offers|responds|uses"
    r"|keeps|avoids|declines|refuses|says|writes|lists|points|clarifies|reassures|directs|urges"
    r"|instructs|emphasi[sz]es|stresses|invites|calls|recogni[sz]es|sets|puts|treats|claims"
    r"|distinguishes|answers|interprets|discusses|addresses|summari[sz]es|seeks|leaves|makes|adds"
    r"|confirms|covers|expresses|invents|agrees|helps|promises|assumes|presents|marks|opens|starts"
    r"|ends|orders|arranges|links|ranks|compares|requests|requires|withholds|estimates|rates|breaks"
    r"|translates|reminds|attributes|connects|cautions|discourages|prioriti[sz]es|shares|brings"
    r"|checks|allows|refers|structures|computes|reads|reports the|stays|supports|validates"
    r"|separates|shows|speaks|admits|corrects|assesses|adjusts|chooses|picks|judges"
    r"|applies|proposes|lowers|classifies|sends|alerts|looks for|forbids|rules out|follows|limits"
    r"|raises|permits|selects|notes that|notes the|takes (?:account|the|into))\s+\w"
)
_FUNCTION_WORD = re.compile(
    r"\b(?:the|an?|to|of|and|or|you|your|is|are|be|if|with|for|in|on|it|this|that|as|at|by|from"
    r"|can|should|may|i|we|not|do|has|have|was|than|until|because|but|so|no|am|per|her|his|my"
    r"|will)\b"
)
# small words that only English has, and some that English prose does not use
_ENGLISH_WORD = re.compile(
    r"\b(?:the|of|and|to|you|your|is|are|be|with|for|it|this|that|if|can|should|not|or|have)\b"
)
_FOREIGN_WORD = re.compile(
    r"[\u00bf\u00a1]|\b(?:el|los|las|una|que|del|con|por|para|usted|ustedes|les|des|du|et|est|une"
    r"|pas|ne|vous|dans|pour|avec|sur|il|che|di|della|sono|nel|und|der|das|ist|sie|nicht|kein"
    r"|keine|ein|eine|mit|zu|ihr|auf|fur|oder|nao|um|uma|voce|com|seu|sua|het|een|niet|van|og|och"
    r"|ikke|inte|nie|jest|bir|tidak|yang|hai|hain|aur|aap|nahi|nahin|mein|karein|agar|ke|ki|ka|se)\b"
)
_NOTE = re.compile(r"[:;<>%()]|\d ?(?:mg|mcg|g|kg|ml|mmol|h|hrs?|hours?|days?|weeks?|min)\b")
_NEGATIVE_VERBS = ("stop", "refus", "rule", "skip", "hold off", "avoid")
MIN_LIST_WORDS = 9
MIN_FUNCTION_SHARE = 0.08
"""Share of small words below which a sentence is a list; connected English prose has over 0.3."""
MIN_FOREIGN_WORDS = 2


@lru_cache(maxsize=16)
def is_english(folded: str) -> bool:
    """Say whether English rules may read a text: False only for what is clearly another language.

    Most of its letters are not Latin, or small words of other languages outnumber the English ones.
    """
    n_latin = len(re.findall("[a-z]", folded))
    n_other = len(re.findall(r"[^\W\d_a-z]", folded))
    n_foreign = len(_FOREIGN_WORD.findall(folded))
    n_english = len(_ENGLISH_WORD.findall(folded))
    return n_other <= n_latin and not MIN_FOREIGN_WORDS <= n_foreign > n_english


def standing(before: str, phrase: str, after: str, source: str) -> Standing:
    """Say how a phrase stands in its sentence.

    Args:
        before: The folded sentence up to the phrase.
        phrase: The phrase.
        after: The rest of the sentence.
        source: The pattern. With a plain "not" in it the phrase is taken as it stands; a "stop"
            only speaks for itself.
    """
    sentence = before + phrase + after
    if is_rubric_voice(sentence) or _is_word_list(sentence):
        return "not prose"
    if _DENIAL.match(sentence):
        return "negated"
    spelled = _spelled_negations(source)
    if any(not word.startswith(_NEGATIVE_VERBS) for word in spelled):
        return "meant"
    bare = _NOT_NEGATING.sub(" ", _ASIDE.sub(" ", phrase))
    reach = _NOT_NEGATING.sub(" ", before)[-WINDOW_CHARS:]
    rest = _BREAK.split(_ASIDE.sub("", after), maxsplit=1)[0]  # "call 911 and do not drive"
    rest = _CONDITION.split(rest, maxsplit=1)[0]  # "aspirin if she is not allergic"
    is_negated = (
        any(not found.group().startswith(spelled) for found in _NEGATOR.finditer(bare))
        or any(
            not _is_broken_off(reach[: found.start()], reach[found.end() :], phrase)
            for found in _NEGATOR.finditer(reach)
        )
        or _DOUBT_AFTER.search(after)  # "is possible but less likely"
        or _NEGATOR_AFTER.search(_NOT_NEGATING.sub(" ", rest))
    )
    return "negated" if is_negated else "meant"


def is_conditional(before: str, phrase: str, after: str) -> bool:
    """Say whether a phrase holds only under a condition: "if it gets worse, call 911"."""
    if _UNDER_CONDITION.search(_NO_CONDITION.sub(" ", before.rsplit(";", 1)[-1] + phrase)):
        return True
    after = _NO_CONDITION.sub(" ", _ASIDE.sub("", after))
    rest = _NEW_CONDITION.split(after, maxsplit=1)[0]  # "call 911, and if he stops breathing ..."
    return bool(_UNDER_CONDITION.search(rest))


def _is_broken_off(before: str, between: str, phrase: str) -> bool:
    """Say whether a new thought begins between a negation and the phrase."""
    if any(found.start() <= len(between) for found in _BREAK.finditer(between + phrase[:30])):
        return True
    return "," in between and bool(_SUBORDINATOR.search(before))


def is_rubric_voice(sentence: str) -> bool:
    """Say whether a sentence describes an answer, as a pasted criterion does."""
    return bool(_RUBRIC_VOICE.match(sentence))


def _is_word_list(sentence: str) -> bool:
    """Say whether a sentence is a string of key words; notes with colons or units are none."""
    words = re.findall(r"[a-z']+", sentence)
    if _NOTE.search(sentence) or len(words) < MIN_LIST_WORDS or len(words) < len(sentence) * 0.1:
        return False
    return len(_FUNCTION_WORD.findall(sentence)) < MIN_FUNCTION_SHARE * len(words)


@lru_cache(maxsize=4_096)
def _spelled_negations(source: str) -> tuple[str, ...]:
    """List the negations that a pattern spells out itself."""
    return tuple(match.group() for match in _NEGATOR.finditer(source))
