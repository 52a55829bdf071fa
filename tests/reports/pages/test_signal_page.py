"""The signal study as HTML: safe, complete, the same bytes for the same data."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "judges" / "signal"))
from pilots import drawn_pilot, pilot

from rubricbeat.judges.rewards import FunctionReward, get_reward
from rubricbeat.judges.signal import SignalStudy, study_signal
from rubricbeat.reports.pages.signal_figures import signal_figures
from rubricbeat.reports.pages.signal_page import render_signal_section, signal_page

pytestmark = pytest.mark.border


@pytest.fixture(scope="module")
def study() -> SignalStudy:
    return study_signal(drawn_pilot(1, n_replicates=2))


@pytest.fixture(scope="module")
def page(study: SignalStudy) -> str:
    return signal_page(study)


def test_every_link_of_a_sentence_leads_to_its_table(study: SignalStudy) -> None:
    section = render_signal_section(study)
    ids = set(re.findall(r'id="([^"]+)"', section))
    assert {f"signal-{sentence.table}" for sentence in study.words} <= ids


def test_the_page_asks_for_nothing_and_allows_one_script(page: str) -> None:
    assert "default-src 'none'" in html.unescape(page)
    assert page.count("<script") == 1
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_figures_hold_no_style_that_the_policy_would_drop(page: str) -> None:
    assert page.count("<svg") == 4
    assert "style=" not in page
    assert page.count("<style") == 1
    assert "currentColor" in page


def test_findings_name_their_tables_and_the_headline_stands_once(page: str) -> None:
    heads = dict(re.findall(r'<h3 id="([^"]+)">([^<]+)</h3>', page))
    contents, _, rest = page.partition("</nav>")
    assert re.findall(r'<a href="#(signal-[^"]+)">([^<]+)</a>', contents) == list(heads.items())
    links = re.findall(r'<a class="quiet" href="#([^"]+)">([^<]+)</a></li>', rest)
    assert links and all(heads[at] == words for at, words in links)
    [headline] = re.findall(r"<h1>(.*?)</h1>", page)
    assert page.count(headline) == 1


def test_ids_are_there_once(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page):
        assert target in ids


def test_the_same_study_gives_the_same_bytes(page: str) -> None:
    assert signal_page(study_signal(drawn_pilot(1, n_replicates=2))) == page


def test_names_of_rewards_are_anybodys_and_are_escaped() -> None:
    hostile = '</title><img src=x onerror="alert(1)">$x_{2}$ {{ 7*7 }}'
    reward = FunctionReward(lambda v, r: np.nan_to_num(v).mean(-1), hostile)
    page = signal_page(study_signal(drawn_pilot(1), [reward, get_reward("hybrid")]))
    assert "<img" not in page
    assert "&lt;img" in page
    assert "{{ 7*7 }}" in page


def test_a_study_in_which_nothing_lives_can_be_shown() -> None:
    page = signal_page(study_signal(pilot(np.ones((3, 3, 2)), [1.0, 2.0])))
    assert "no learning signal" in page


def test_one_reward_has_no_figure_of_agreement() -> None:
    figures = signal_figures(study_signal(drawn_pilot(1), [get_reward("hybrid")]))
    assert set(figures) == {"distributions", "spread", "contrast"}


def test_a_figure_scrolls_on_a_phone_and_is_reached_by_keyboard(page: str) -> None:
    around = '<figure class="figure"><div class="scroll wide" tabindex="0" role="region"'
    assert page.count(around) == page.count("<svg") == 4
