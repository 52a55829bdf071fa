"""The learning signal of a reward, measured on verdicts at hand before any training.

groups.py       answers to each prompt as arrays [P, G, C]
advantages.py   what GRPO makes of rewards, and which terms survive it
dead_groups.py  groups without a learning signal, and why
variance.py     prompts, answers or judge: where the variance comes from
agreement.py    how far two rewards agree; the effect of flipped verdicts
criteria.py     criterion by criterion; what one fault costs
power.py        answers, verdicts and prompts for a target, and their cost
study.py        all of it as one value
measure.py      every table of it, computed
replay/         training replayed over recorded answers
gold.py         rewards compared by the gold score that training with them gains
advice.py       which reward to train with, in words
findings.py     the other findings in words
"""

from .advantages import Scale, advantages_of, parse_scales
from .groups import GroupedVerdicts, TaggedAnswer, group_answers
from .measure import DEFAULT_REWARDS, study_signal
from .power import PowerPlan, plan
from .study import SignalStudy

__all__ = [
    "DEFAULT_REWARDS",
    "GroupedVerdicts",
    "PowerPlan",
    "Scale",
    "SignalStudy",
    "TaggedAnswer",
    "advantages_of",
    "group_answers",
    "parse_scales",
    "plan",
    "study_signal",
]
