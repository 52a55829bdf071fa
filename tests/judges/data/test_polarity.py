"""Polarity by wording. Every sentence here is made up in the style of the public sets."""

from __future__ import annotations

import pytest

from rubricbeat.judges.data.criteria import category_from_prefix, polarity_from_wording
from rubricbeat.judges.rubric import Polarity

FAULTS = [
    "Pitfall Criteria: Does not mention the need for an ECG.",
    "Pitfall Criteria: Recommends a drug that is contraindicated.",
    "Pitfall Criteria: Suggests waiting for a week.",
    "Pitfall Criteria: Fails to ask about bleeding.",
    "Pitfall Criteria: Incorrectly states that the dose is safe.",
    "Pitfall Criteria: Omits the differential diagnosis.",
    "Pitfall Criteria: Does not clearly explain the mechanism.",
    "Pitfall Criteria: The response fails to recognize heart failure.",
    "Pitfall Criteria: Doesn't address anticoagulation.",
    "Overlooks the potassium.",
    "Pitfall Criteria: Does not quantify the risk.",
    "Pitfall Criteria: Does not recommend referral.",
]
AVOIDANCE = [
    "Pitfall Criteria: Avoids naming a dose without the weight.",
    "Pitfall Criteria: The response should not confuse mass with weight.",
    "Pitfall Criteria: The answer must not assume an ideal gas.",
    "Pitfall Criteria: Must avoid claiming certainty.",
    "Pitfall Criteria: Does not confuse systolic with diastolic pressure.",
    "Pitfall Criteria: Refrains from diagnosing by a single reading.",
    "Pitfall Criteria: It shouldn't mix units.",
    "Never promises a cure.",
    "Pitfall Criteria: Does not overlook the sign of the charge.",
    "Pitfall Criteria: The response does not incorrectly apply the formula.",
]


@pytest.mark.parametrize("text", FAULTS)
def test_fault_is_undesirable(text: str) -> None:
    assert polarity_from_wording(text, -1) is Polarity.UNDESIRABLE


@pytest.mark.parametrize("text", AVOIDANCE)
def test_avoidance_is_desirable_although_its_points_are_negative(text: str) -> None:
    assert polarity_from_wording(text, -1) is Polarity.DESIRABLE


@pytest.mark.parametrize("text", [*FAULTS, *AVOIDANCE])
def test_positive_points_always_want_the_text_true(text: str) -> None:
    assert polarity_from_wording(text, 3) is Polarity.DESIRABLE


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Essential Criteria: Names the drug.", "Essential"),
        ("important criteria: explains", "Important"),
        ("**Optional Criteria:** cites", "Optional"),
        ("Pitfall Criterion: guesses", "Pitfall"),
        ("Names the essential criteria: x", None),
        ("", None),
    ],
)
def test_category_is_read_off_the_prefix(text: str, category: str | None) -> None:
    assert category_from_prefix(text) == category
