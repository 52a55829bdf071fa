"""Tell from the wording of a negative criterion whether "true" is good or bad.

The sign cannot tell: 88 % of the pitfalls of RaR-Medicine are phrased as faults ("Does not mention
...", "Recommends ...": true is bad) and 80 % of those of RaR-Science as avoidance ("Avoids ...",
"Must not ...": true is good), all with a negative weight (method sheet, section 1). The rules here
read the first words only; a row's own `polarity` field always wins over them.
"""

from __future__ import annotations

import re

from ..rubric import Polarity

_PREFIX = re.compile(r"^\W*(?:essential|important|optional|pitfall)\s+criteri(?:a|on)\s*:\s*", re.I)
_SUBJECT = re.compile(
    r"^(?:(?:the|this|an?)\s+)?(?:response|answer|solution|model|explanation|it|reply)\s+", re.I
)

_BAD_DEEDS = (
    r"assum|bias|blam|claim|conceal|conflat|confus|contradict|copy|deny|dismiss|distort|downplay|"
    r"exaggerat|exceed|exclud|fabricat|fail|forget|fudge|guess|hallucinat|ignor|incorrect|inflat|"
    r"invent|invert|lack|lose|mis\w+|mix|neglect|omit|over\w+|promis|repeat|revers|rush|skip|swap|"
    r"underestimat|understat|violat|wrong"
)
"""Stems of what a bad answer does: "does not confuse X with Y" is avoidance.

Without one of them, "does not ..." is a fault of omission: the published instructions for writing
RaR rubrics begin every pitfall with "Does not mention ..." or "Recommends ..." (arXiv 2507.17746).
"""

_NEGATION = r"(?:does\s+not|doesn['\u2019]t|do\s+not|don['\u2019]t|did\s+not)"
_AVOIDANCE = re.compile(
    rf"^(?:avoid|refrain|{_NEGATION}\s+(?:{_BAD_DEEDS})|(?:is|are)\s+not\b|never\b|not\b"
    r"|(?:should|must|shall|may|can|need|ought)(?:\s+to)?\s*(?:not\b|n['\u2019]t\b|never\b|avoid)"
    r"|(?:should|must)\s+(?:refrain|steer\s+clear|stay\s+clear)|cannot\b"
    r"|(?:steers?|stays?)\s+(?:clear|away)|(?:is\s+)?free\s+(?:of|from)\b|contains?\s+no\b)",
    re.I,
)


def polarity_from_wording(text: str, points: float) -> Polarity:
    """Give the polarity of a criterion that does not say its own.

    Args:
        text: The criterion, with or without a prefix such as "Pitfall Criteria:".
        points: Its signed points. Positive points always mean that true is good.

    Returns:
        For negative points: desirable when the text is phrased as avoidance, else undesirable.
    """
    if points > 0:
        return Polarity.DESIRABLE
    core = _SUBJECT.sub("", _PREFIX.sub("", text.strip()))
    return Polarity.DESIRABLE if _AVOIDANCE.match(core) else Polarity.UNDESIRABLE


def category_from_prefix(text: str) -> str | None:
    """Read "Essential", "Important", "Optional" or "Pitfall" off the front of a RaR description."""
    match = _PREFIX.match(text)
    return match.group().strip(" :\t\n*-").split()[0].capitalize() if match else None
