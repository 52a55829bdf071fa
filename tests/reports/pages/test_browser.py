"""The page in a real browser: what it does, and what hostile text cannot make it do."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest
from report_kit import example, graded, judge, run
from training_kit import write_run

sys.path.insert(0, str(Path(__file__).parents[2] / "judges" / "signal"))
from pilots import drawn_pilot

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import (
    Criterion,
    Example,
    Gate,
    Level,
    Message,
    NaRule,
    Polarity,
    Requirement,
    Rubric,
)
from rubricbeat.judges.signal import Scale, study_signal
from rubricbeat.judges.signal.replay.study import replay
from rubricbeat.judges.signal.replay.training import Settings
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports import numbers
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.pages.comparison_page import render_page
from rubricbeat.reports.pages.replay_page import replay_page
from rubricbeat.reports.pages.runs_page import group_runs, runs_page
from rubricbeat.reports.pages.signal_page import signal_page
from rubricbeat.reports.training.page import render_training_page, training_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLAYWRIGHT = "playwright.sync_api"

pytestmark = [
    pytest.mark.border,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt: chromium)"),
]

HOSTILE = (
    "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    '"><svg onload=window.pwned=1> {{ 7*7 }} {% endraw %} <!-- ]]> '
    "a\u2028b\u2029c \u202edesrever\u202c \ud800 \x00 \u0085 javascript:window.pwned=1 "
    "<style>*{display:none}</style><base href=//evil.example/><meta http-equiv=refresh content=0>"
)
ARABIC = "هل يمكنني الجري مع الزكام؟"
CHINESE = "感冒时可以跑步吗?请说明理由。" * 20
POINTS = (5, 3, -2)
IN_ORDER = "#examples&order=order,up"


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(PLAYWRIGHT, reason="needs playwright (pip install .[dev])")
    # started and stopped inside this module: its event loop must not run under other tests
    with sync_api.sync_playwright() as play:
        launched = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Opened:
    """A page with everything it said and asked for."""

    def __init__(self, browser, path, fragment="", **options):
        options.setdefault("viewport", {"width": 1366, "height": 900})
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.said = []
        self.asked = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = path.as_uri()
        self.page.goto(self.url + fragment)
        self.page.set_default_timeout(5_000)

    def titles(self):
        return self.page.locator("#example-rows .id").all_inner_texts()


@pytest.fixture
def open_page(browser):
    opened = []

    def open_one(path, fragment="", **options):
        opened.append(Opened(browser, path, fragment, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.context.close()
        # the page itself, and nothing else, was loaded; nothing was complained about
        assert [url for url in one.asked if not url.startswith(one.url)] == []
        assert one.said == []


def write_page(folder, *runs, **options):
    path = folder / "report.html"
    path.write_text(render_page(compare_runs(list(runs), n_draws=200, **options)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A report of two models over twelve prompts, the second answered twice by the first."""
    verdicts_a = [
        "110",
        "100",
        "000",
        "111",
        "101",
        "110",
        "010",
        "000",
        "110",
        "100",
        "1u0",
        "110",
    ]
    verdicts_b = [
        "100",
        "100",
        "001",
        "110",
        "001",
        "100",
        "010",
        "100",
        "000",
        "100",
        "110",
        "000",
    ]
    examples = [
        example(
            f"p{n:02}", POINTS, theme=("hedging", "context_seeking")[n % 2], prompt=f"Question {n}"
        )
        for n in range(12)
    ]
    examples[3] = example("p03", POINTS, prompt=ARABIC)
    examples[4] = example("p04", POINTS, prompt=CHINESE)
    a = [
        graded(
            v,
            e,
            answer=f"a answers {e.prompt_id}",
            reasons=[f"reason {e.prompt_id} {n}" for n in range(3)],
        )
        for v, e in zip(verdicts_a, examples, strict=True)
    ]
    a.append(graded("000", examples[1], answer="a second thought", repeat=1))
    b = [
        graded(v, e, answer=f"b answers {e.prompt_id}")
        for v, e in zip(verdicts_b, examples, strict=True)
    ]
    folder = tmp_path_factory.mktemp("plain")
    return write_page(folder, run("model a", a), run("model b", b), baseline="model b")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A report in which every text that can be anything is hostile."""
    of = example(HOSTILE, POINTS, prompt=HOSTILE, theme=HOSTILE, texts=[HOSTILE] * 3)
    of = type(of)(
        of.prompt_id, (Message(HOSTILE, HOSTILE), *of.prompt), of.rubric, of.tags, (HOSTILE,)
    )
    long = example("long", POINTS, prompt="x" * 100_000)
    facts = {
        "judge": {**judge(), "name": HOSTILE, "model": HOSTILE, "prompt": HOSTILE},
        "versions": {HOSTILE: HOSTILE},
        "config": {"model": HOSTILE},
        "data": {"path": HOSTILE, "sha256": HOSTILE},
    }
    runs = [
        run(
            HOSTILE + name,
            [
                graded("11" + v, of, answer=HOSTILE, reasons=[HOSTILE] * 3),
                graded("1" + v + "0", long, answer="y" * 2_000_000),
            ],
            label=HOSTILE,
            task=HOSTILE,
            facts=facts,
            stored={"score": 0.123},
        )
        for name, v in (("a", "0"), ("b", "1"))
    ]
    return write_page(tmp_path_factory.mktemp("hostile"), *runs)


def test_the_page_opens_and_lists_the_examples(open_page, plain):
    opened = open_page(plain)
    assert (
        opened.page.locator("h1").inner_text().startswith(("model a", "No significant difference"))
    )
    assert len(opened.titles()) == 12
    assert opened.page.locator("#status").inner_text() == "12 of 12 examples"


@pytest.mark.parametrize(("width", "height"), [(400, 860), (1280, 900)])
def test_the_first_screen_tells_who_is_better(open_page, plain, width, height):
    page = open_page(plain, viewport={"width": width, "height": height}).page

    def top(selector):
        return page.locator(selector).first.bounding_box()["y"]

    assert top("h1") < 400
    plot, scores, wins, warnings = map(
        top,
        (
            "#summary td.plot svg",
            "#summary .panel:nth-of-type(2) svg",
            ".panel:has(.wins)",
            "#warnings",
        ),
    )
    assert plot < 900
    assert plot < wins <= warnings
    assert plot <= scores < wins
    # nothing on it is cut off: no table of it is wider than its panel, or the page than the window
    cut = """() => [...document.querySelectorAll('#summary .panel')]
        .filter(panel => panel.scrollWidth > panel.clientWidth).length"""
    assert page.evaluate(cut) == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # a table that goes on beyond the edge shows a shade there
    wide = """() => [...document.querySelectorAll('main .scroll')]
        .filter(box => box.scrollWidth > box.clientWidth)
        .map(box => getComputedStyle(box).backgroundAttachment)"""
    shades = page.evaluate(wide)
    assert set(shades) <= {"local, local, scroll, scroll"}
    assert shades or width == 1280
    # what only programs need stands folded at the end
    assert page.locator("main > section").last.get_attribute("id") == "facts"
    assert not page.locator("#facts dl").is_visible()


def test_numbers_in_the_browser_are_written_as_on_the_page(open_page, plain):
    opened = open_page(plain, IN_ORDER)
    cells = opened.page.locator("#example-rows tr").nth(0).locator("td").all_inner_texts()
    # p00: the baseline b has 5/8, a has 8/8
    assert cells[2:5] == [
        numbers.score(0.625),
        numbers.score(1.0),
        f"▲ {numbers.difference(0.375)}",
    ]


def test_columns_sort_both_ways_and_say_so(open_page, plain):
    page = open_page(plain).page
    button = page.get_by_role("button", name="Difference")
    button.click()
    head = page.locator("th[aria-sort]")
    assert (head.count(), head.get_attribute("aria-sort")) == (1, "descending")
    first = page.locator("#example-rows .id").nth(0).inner_text()
    page.get_by_role("button", name="Difference").click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    # largest: p08 and p11 (1 - 0), the first of them first; smallest: p07 (0 - 5/8)
    assert first == "p08"
    assert page.locator("#example-rows .id").nth(0).inner_text() == "p07"


def test_filters_keep_what_they_name(open_page, plain):
    opened = open_page(plain, IN_ORDER)
    page = opened.page
    page.select_option("#filter-kind", "worse")
    assert opened.titles() == ["p01", "p03", "p07"]
    page.select_option("#filter-kind", "missing")
    assert opened.titles() == ["p10"]
    page.select_option("#filter-kind", "better")
    assert "p00" in opened.titles()
    assert "p09" not in opened.titles()
    page.select_option("#filter-kind", "differ")
    assert {"p01", "p07"} <= set(opened.titles())
    page.select_option("#filter-kind", "all")
    page.select_option("#filter-theme", "context seeking")
    assert opened.titles() == ["p01", "p05", "p07", "p09", "p11"]
    assert page.locator("#status").inner_text() == "5 of 12 examples"


def test_turning_the_compared_models_round_turns_better_into_worse(open_page, plain):
    opened = open_page(plain, IN_ORDER)
    opened.page.select_option("#pick-this", label="model b")
    opened.page.select_option("#pick-other", label="model a")
    opened.page.select_option("#filter-kind", "better")
    assert opened.titles() == ["p01", "p03", "p07"]


def test_search_finds_words_of_the_judge(open_page, plain):
    opened = open_page(plain)
    opened.page.fill("#search", "reason p05 2")
    opened.page.locator("#status", has_text="1 of 12 examples").wait_for()
    assert opened.titles() == ["p05"]
    opened.page.fill("#search", "nowhere at all")
    opened.page.locator("#status", has_text="0 of 12 examples").wait_for()


def test_a_count_of_the_criteria_table_leads_to_its_answers(open_page, plain):
    """Passed by a and not by b under accuracy, the criteria 1 and 3: p02 3, p04 1, p08 1, p11 1."""
    opened = open_page(plain)
    page, table = opened.page, opened.page.locator("#criteria")
    row = table.get_by_role("row", name="accuracy")
    assert row.locator("td").last.locator("a").all_inner_texts() == ["4", "3"]
    row.get_by_role("link", name="4 passed by model a only").click()
    page.locator("#status", has_text="4 of 12 examples").wait_for()
    # by the difference of the scores: 1, 1, then 3/8 and 2/8
    assert opened.titles() == ["p08", "p11", "p04", "p02"]
    assert page.locator("#row-name").inner_text() == "axis:accuracy"
    # the whole row opens, at the criterion that is meant
    page.locator("#example-rows tr").nth(3).locator("td").last.click()
    meant = page.locator("dialog tr.meant")
    meant.wait_for()
    assert meant.locator(".points").inner_text() == f"{numbers.MINUS}2"
    assert page.url.endswith("#example=p02&criterion=3")
    page.get_by_role("link", name="Link to criterion 1").click()
    page.wait_for_url(lambda url: url.endswith("#example=p02&criterion=1"))
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Link copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "&show=better" in url)
    address = page.url.removeprefix(opened.url)
    page.get_by_role("button", name="Show all").click()
    page.locator("#status", has_text="12 of 12 examples").wait_for()
    again = open_page(plain, address)
    again.page.locator("#status", has_text="4 of 12 examples").wait_for()
    assert again.titles() == ["p08", "p11", "p04", "p02"]


def test_filters_stand_in_the_address_and_are_taken_from_it(open_page, plain):
    opened = open_page(plain)
    page = opened.page
    assert opened.titles()[:3] == ["p08", "p11", "p04"]  # 1, 1 and 5/8 apart
    page.select_option("#filter-theme", "context seeking")
    page.select_option("#filter-kind", "failed")
    page.fill("#search", "Question 1")
    page.select_option("#order", "missing")
    page.locator("#status", has_text="3 of 12 examples").wait_for()
    address = page.evaluate("location.hash")
    assert address == "#examples&show=failed&theme=context%20seeking&q=Question%201&order=missing"
    again = open_page(plain, address)
    again.page.locator("#status", has_text="3 of 12 examples").wait_for()
    # of 1, 5, 7, 9 and 11, a fails a criterion of these
    assert again.titles() == ["p01", "p07", "p09"]
    assert again.page.locator("#search").input_value() == "Question 1"


def test_a_link_that_names_what_is_not_here_says_so(open_page, plain, kinds):
    told = open_page(plain).page
    fault = told.locator("#link-fault")
    assert not fault.is_visible()

    def follow(hash, within=fault):
        told.evaluate("hash => { location.hash = hash; }", hash)
        within.wait_for()
        return within.inner_text()

    wrong = "#examples&order=%E0%A4%A&row=nothing&this=nobody&show=constructor&theme=<b>"
    said = follow(wrong)
    for name in ("order “%E0%A4%A”", "row “nothing”", "model “nobody”", "filter “constructor”",
                 "theme “<b>”"):  # fmt: skip
        assert f"{name}, which is not on this page" in said
    assert told.locator("#status").inner_text() == "12 of 12 examples"
    assert follow("#example=p99") == ("The link asks for example “p99”, which is not on this page.")
    assert "the part “exmaple”" in follow("#exmaple=p01")
    assert follow("#criterion=2") == "The link names no example."
    in_dialog = told.locator("dialog .box.note")
    assert follow("#example=p01&criterion=99", in_dialog).endswith("This example has 3.")
    assert told.locator("tr.meant").count() == 0
    assert "answers “1,3”" in follow("#example=p01&answers=1,3", in_dialog.filter(has_text="1,3"))
    assert not fault.is_visible()
    told.evaluate("location.hash = '#example=p01&answers=1,2&criterion=2'")
    told.locator("dialog").get_by_text("a second thought").wait_for()
    assert in_dialog.count() == 0
    told.keyboard.press("Escape")
    told.evaluate("location.hash = '#judges'")
    assert not fault.is_visible()
    without = open_page(kinds["numbers"], "#example=p01").page
    assert without.locator("#link-fault").inner_text() == "This page was made without its examples."


def test_an_example_opens_with_every_verdict_and_reason(open_page, plain):
    page = open_page(plain).page
    page.get_by_text("Question 10", exact=True).click()
    dialog = page.locator("dialog")
    dialog.get_by_text("a answers p10").wait_for()
    assert dialog.get_by_text("b answers p10").is_visible()
    marks = dialog.locator(".verdict").all_inner_texts()
    # baseline b first: met, met, not met; a: met, none, not met
    assert marks == [
        "✓ met",
        "✓ met",
        "✓ met",
        "? no verdict (unparseable)",
        "✗ not met",
        "✗ not met",
    ]
    assert dialog.get_by_text("reason p10 1").is_visible()
    assert dialog.locator(".points").all_inner_texts() == ["+5", "+3", f"{numbers.MINUS}2"]
    assert page.url.endswith("#example=p10")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.textContent").startswith("Question 10")


def test_a_link_opens_its_example(open_page, plain):
    page = open_page(plain, IN_ORDER).page
    page.evaluate("location.hash = '#example=p05'")
    page.locator("dialog").get_by_text("a answers p05").wait_for()
    page.get_by_role("button", name="Next").click()
    page.locator("dialog").get_by_text("a answers p06").wait_for()
    page.get_by_role("button", name="Close").click()
    page.locator("dialog").wait_for(state="hidden")
    page.wait_for_url(lambda url: url.endswith(IN_ORDER))


def test_each_repeat_can_be_read(open_page, plain):
    page = open_page(plain, "#example=p01").page
    dialog = page.locator("dialog")
    dialog.get_by_text("a answers p01").wait_for()
    dialog.get_by_label("Which answer of model a").select_option("1")
    dialog.get_by_text("a second thought").wait_for()
    assert dialog.get_by_text("a answers p01").count() == 0
    assert page.url.endswith("#example=p01&answers=1,2")
    # the second answer alone fails the first criterion: the list leads to it
    page.keyboard.press("Escape")
    page.select_option("#filter-kind", "failed")
    page.locator("#example-rows a[href$='answers=1,2']", has_text="Question 1").click()
    dialog.get_by_text("a second thought").wait_for()
    assert page.url.endswith("#example=p01&criterion=1&answers=1,2")


def test_the_keyboard_is_enough(open_page, plain):
    page = open_page(plain, IN_ORDER).page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("dialog").get_by_text("a answers p01").wait_for()
    page.keyboard.press("j")
    page.locator("dialog").get_by_text("a answers p02").wait_for()
    page.keyboard.press("k")
    page.locator("dialog").get_by_text("a answers p01").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


@pytest.mark.parametrize("kind", ["two", "training", "runs"])
def test_light_and_dark_follow_the_system_until_chosen(open_page, kinds, kind):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = open_page(kinds[kind], color_scheme="light").page
    dark = open_page(kinds[kind], color_scheme="dark").page
    assert light.evaluate(paper) == "rgb(255, 255, 255)"
    assert dark.evaluate(paper) == "rgb(20, 24, 28)"
    light.locator("#theme").click()
    assert light.evaluate(paper) == "rgb(20, 24, 28)"
    assert light.locator("#theme").inner_text() == "Light"
    light.locator("#theme").click()
    assert light.evaluate(paper) == "rgb(255, 255, 255)"


def test_paper_shows_the_tables_and_not_the_controls(open_page, plain):
    page = open_page(plain).page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("#summary table").first.is_visible()
    assert not page.locator("#search").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")


def test_tables_and_plots_stand_without_javascript(open_page, plain):
    page = open_page(plain, java_script_enabled=False).page
    assert page.locator("#summary table").first.is_visible()
    assert page.locator("#summary svg").first.is_visible()
    assert page.get_by_text("The example browser needs JavaScript").is_visible()


def test_right_to_left_and_chinese_text_sit_right(open_page, plain):
    page = open_page(plain, IN_ORDER, viewport={"width": 390, "height": 800}).page
    page.evaluate("location.hash = '#example=p03'")
    turn = page.locator("dialog .turn .text")
    turn.wait_for()
    assert turn.evaluate("node => node.matches(':dir(rtl)')")
    assert page.locator("#example-rows .excerpt").nth(3).evaluate("n => n.matches(':dir(rtl)')")
    page.keyboard.press("j")
    page.locator("dialog .turn .text", has_text="感冒").wait_for()
    assert page.locator("dialog .turn .text").evaluate("n => n.scrollWidth <= n.clientWidth + 1")


@pytest.mark.parametrize("width", [390, 1366])
def test_hostile_text_is_inert_and_leaves_the_layout_alone(open_page, hostile, width):
    page = open_page(hostile, viewport={"width": width, "height": 900}).page
    page.locator("#example-rows a").first.click()
    page.locator("dialog .verdict").first.wait_for()
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, iframe, object, embed, base, link").count() == 0
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    assert page.locator("style").count() == 1
    text = page.locator("dialog").inner_text()
    assert "<img src=x onerror='window.pwned=1'>" in text
    assert "{{ 7*7 }}" in text
    assert "[U+202E]" in text
    assert "\u202e" not in page.locator("body").inner_text()
    assert page.locator("h1").is_visible()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
    page.keyboard.press("Escape")
    assert page.evaluate(overflow) <= 0


MARKDOWN = (
    """# Dose and *rest*
Take **5 mg** twice, not 5*3*2, x**2, y**3 or snake_case_names, ~~never~~ `<b>code</b>`.

1. First
   - inner **bold
2. 第一**重点**内容

| Drug | Dose |
|:--|--:|
| A \\| B | 1 |

| a | b | c | d | e | f | g | h | i | j | k | l |
|--|--|--|--|--|--|--|--|--|--|--|--|
"""
    + "| averyveryverylongword " * 12
    + """|

> quoted
[click](javascript:window.pwned=1) [site](https://evil.example/x) ![chart](https://evil.example/i.png)
![](data:image/png;base64,AAAA) <img src=https://evil.example/y onerror="window.pwned=1">
&lt;script&gt; &#106;avascript: <https://evil.example/z> \\*literal\\*
‮right to left‬ <script>window.pwned=1</script>
```html
<script>window.pwned=1</script> **not bold**
"""
)


def test_markdown_is_rendered_and_nothing_in_it_is_live(open_page, tmp_path):
    depth = "> " * 3_000 + "deep\n" + "- " * 3_000 + "\n" + "  " * 2_000 + "- x\n"
    worst = ["*a " * 33_000, "[" * 100_000, "[a](" * 25_000, "`" * 50_000 + "``a" * 16_000]
    worst += ["**" * 50_000, "_a" * 50_000, "|-" * 50_000 + "\n" + "|-" * 50_000 + "x", depth]
    worst += ["# " * 50_000, "- " * 50_000 + "x", "![" * 50_000, "\\" * 100_000, "~~~\n" * 25_000]
    worst += ["~" * 110_000 + "`", "a|b\n-" + " " * 110_000 + "x"]
    answers = [MARKDOWN, *worst]
    made = [graded("1", example(f"p{n}", (5,)), answer=text) for n, text in enumerate(answers)]
    opened = open_page(write_page(tmp_path, run("m", made)), "#example=p0")
    page = opened.page
    answer = page.locator("dialog .answer .text")
    answer.locator("pre").wait_for()
    inside = lambda tag: answer.locator(tag).all_inner_texts()  # noqa: E731
    assert inside(".heading") == ["Dose and rest"]
    assert inside("em") == ["rest"]
    assert inside("strong") == ["5 mg", "重点"]
    assert inside("s") == ["never"]
    assert inside("ol > li")[1] == "第一重点内容"
    assert inside("ol ul li") == ["inner **bold"]
    assert inside("th")[:2] == ["Drug", "Dose"]
    assert inside("td")[:2] == ["A | B", "1"]
    assert inside("blockquote") == ["quoted"]
    assert inside("code") == [
        "<b>code</b>",
        "<script>window.pwned=1</script> **not bold**\n",
    ]
    assert answer.locator("p:has(+ pre)").inner_text() == "html"
    # a table that is wider than the answer scrolls by itself
    wide = answer.locator(".scroll:has(table)").last
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth")
    assert answer.evaluate("box => box.scrollWidth <= box.clientWidth")
    text = answer.inner_text()
    for said in (
        "not 5*3*2, x**2, y**3 or snake_case_names",
        "click (javascript:window.pwned=1)",
        "site (https://evil.example/x)",
        "[image: chart] (https://evil.example/i.png)",
        "[image: no description] (data:image/png;base64,AAAA)",
        '<img src=https://evil.example/y onerror="window.pwned=1">',
        "&lt;script&gt; &#106;avascript:",
        "*literal*",
        "[U+202E]right to left",
    ):
        assert said in text, said
    assert answer.locator("a, img, script, style, iframe, [href], [src]").count() == 0
    page.get_by_role("button", name="Raw text").click()
    raw = page.locator("dialog .answer .text:not(.rich)")
    raw.wait_for()
    assert "**5 mg**" in raw.inner_text()
    page.get_by_role("button", name="Raw text").click()
    answer.locator("pre").wait_for()
    for n, written in enumerate(worst, start=1):
        page.evaluate(f"location.hash = '#example=p{n}'")
        page.locator("#detail-title", has_text=f"Example p{n}").wait_for()
        page.locator("dialog .answer .text.rich").wait_for()
        for more in page.locator("dialog .answer").get_by_role("button", name="Show more").all():
            more.click()
        assert answer.locator("a, img").count() == 0, written[:10]
    assert page.evaluate("window.pwned") is None


def test_a_hostile_id_can_be_linked(open_page, hostile):
    page = open_page(hostile).page
    link = page.locator("#example-rows a").first.get_attribute("href")
    again = open_page(hostile, link).page
    again.locator("dialog .verdict").first.wait_for()
    again.keyboard.press("Escape")
    # so can a hostile model, here the second: of the first prompt it alone meets the fault
    again.locator("#criteria a[href*='&show=worse']").first.click()
    again.locator("#status", has_text="1 of 2 examples").wait_for()
    assert again.locator("#pick-other option:checked").inner_text().endswith(("a", "b"))
    assert again.locator("#pick-other").input_value() != again.locator("#pick-this").input_value()


def test_two_megabytes_are_shown_in_portions(open_page, hostile):
    page = open_page(hostile, "#example=long").page
    answer = page.locator("dialog .answer").first
    answer.locator(".text").wait_for()
    shown = "node => node.textContent.length"
    assert answer.locator(".text").evaluate(shown) == 20_000
    answer.get_by_role("button", name="Show more").click()
    assert answer.locator(".text").evaluate(shown) == 220_000


@pytest.fixture(scope="module")
def axe():
    try:
        [script] = [f for f in files("axe-playwright-python") or () if f.name == "axe.min.js"]
    except PackageNotFoundError:
        pytest.skip("needs axe-playwright-python (pip install .[dev])")
    return script.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory, plain):
    """A page of each kind, with what is folded on it."""
    folder = tmp_path_factory.mktemp("kinds")
    healthbench, hybrid = get_reward("healthbench"), get_reward("hybrid")
    groups = drawn_pilot(1, n_replicates=2)
    settings = Settings(seeds=3, steps=20)
    texts = ["Names a dose", "Is short", "Is rude"]
    rows = [example(f"p{n}", POINTS, texts=texts) for n in range(3)]
    one = [graded("1u0", rows[0], answer=MARKDOWN), graded("011", rows[1]), graded("100", rows[2])]
    last = ("110", "010", "001", "1u0")
    four = [
        run(name, [graded("110", rows[0]), graded("000", rows[1]), graded(verdicts, rows[2])])
        for name, verdicts in zip("abcd", last, strict=True)
    ]
    pages = {
        "one": render_page(compare_runs([run("a model", one)], n_draws=0)),
        "four": render_page(compare_runs(four, n_draws=0)),
        "numbers": render_page(compare_runs(four, n_draws=0), examples=False),
        "signal": signal_page(study_signal(groups)),
        "runs": runs_page(group_runs(four), ["A file was excluded"]),
        "replay": replay_page(replay(groups, [healthbench, hybrid], list(Scale), settings)),
        "training": render_training_page(training_report([write_run(folder / "run")])),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {"two": plain, **{name: folder / f"{name}.html" for name in pages}}


@pytest.mark.parametrize(
    ("kind", "fragment"),
    [
        *((kind, "") for kind in ("two", "one", "four", "numbers", "signal", "replay", "training")),
        ("two", "#example=p01&criterion=2"),
        ("one", "#example=p0"),
        ("runs", ""),
    ],
)
def test_axe_finds_nothing(open_page, kinds, axe, kind, fragment):
    page = open_page(kinds[kind], fragment, color_scheme="light").page
    if fragment:
        page.locator("dialog .verdict").first.wait_for()
    page.evaluate(axe)
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        # nothing at all, which is more than nothing serious
        assert [(v["id"], v["impact"], [n["html"][:120] for n in v["nodes"]]) for v in found] == []


@pytest.mark.parametrize("kind", ["two", "one", "four", "training"])
def test_every_page_opens_with_its_sentence_and_its_plot(open_page, kinds, axe, kind):
    page = open_page(kinds[kind], viewport={"width": 1280, "height": 900}).page
    plot = ".figure svg" if kind == "training" else "#summary td.plot svg"
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("h1").bounding_box()["y"] < 400
        assert page.locator(plot).first.bounding_box()["y"] < 900
        assert page.evaluate("document.documentElement.scrollWidth") == width
    if kind == "training":  # a figure that goes on beyond the edge says so
        cue = "getComputedStyle(document.querySelector('.figure'), '::before').content"
        assert "Scroll sideways" in page.evaluate(cue)
    if kind == "four":  # what is not significant is drawn hollow, and the legend says so
        fill = "getComputedStyle(document.querySelector('#summary .open .dot')).fill"
        assert page.evaluate(fill) == "rgb(255, 255, 255)"
        assert "hollow mark" in page.locator("#summary caption").first.inner_text()
    # on a phone the rows of the first screen are blocks, and still a table to a screen reader
    page.evaluate(axe)
    assert page.evaluate("axe.run({resultTypes: ['violations']})")["violations"] == []


def test_what_is_not_comparable_is_said_in_red(open_page, tmp_path):
    answers = [graded("110", example(f"p{n}", POINTS)) for n in range(3)]
    other = {"data": {"sha256": "e" * 64}}
    changed = [*answers[1:], graded("110", example("p0", (5, 3, -1)))]
    path = write_page(
        tmp_path, run("a", answers), run("b", changed, facts=other), allow_different=True
    )
    box = open_page(path).page.locator(".alarm")
    assert "These runs are not comparable" in box.inner_text()
    assert "different data files" in box.inner_text()
    assert box.evaluate("n => getComputedStyle(n).color") == "rgb(143, 29, 24)"


def by_level(prompt_id, verdicts, answer):
    """An answer under a rubric of every form, with verdicts that tests look for."""
    wanted, unwanted = Polarity.DESIRABLE, Polarity.UNDESIRABLE
    three = (Level("Names none", 0), Level("Names one", 2), Level("Names both", 5))
    rubric = Rubric(
        (
            Criterion("Names the warning signs", 5, wanted, id="signs", levels=three),
            Criterion("Says what to do then", 3, wanted, requires=Requirement("signs", 1)),
            Criterion(
                "Asks about medicines", 2, wanted, na=NaRule.EXCLUDED, reference="Takes none."
            ),
            Criterion("Tells to wait a week", -4, unwanted, gate=Gate(0.0)),
        )
    )
    row = Example(prompt_id, (Message("user", "My chest hurts."),), rubric, reference="Ward notes")
    return GradedAnswer(row, answer, verdicts)


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_levels_and_what_does_not_apply_are_shown_with_what_they_count(
    open_page, tmp_path, width, scheme
):
    met, at = Verdict.of(True), Verdict.at_level
    none = (at(0), met, Verdict.not_applicable(), Verdict.of(False))
    some = (at(1, explanation="one of two"), met, Verdict.of(False), Verdict.of(True))
    names = [f"p{n}" for n in range(4)]
    path = write_page(
        tmp_path,
        run("first", [by_level(name, none, "Call a doctor.") for name in names]),
        run("second", [by_level(name, some, "Wait a week.") for name in names]),
    )
    opened = open_page(
        path, "#example=p1", viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    table = opened.page.locator("table.criteria")
    table.wait_for()
    words = table.inner_text()
    for said in (
        "level 0 of 0 to 2: 0 of 5",
        "level 1 of 0 to 2: 2 of 5",
        "does not count: what it requires is not met",
        "not applicable",
        "counts only when signs is at level 1 or above",
        "gate: caps the score at 0",
        "Names both",
    ):
        assert said in words, said
    assert words.count("does not count") == 1
    assert opened.page.get_by_text("capped at 0 by a gate").count() == 1
    assert "Ward notes" in opened.page.locator("#detail-body").text_content()
    if shots := os.environ.get("RUBRICBEAT_SCREENSHOTS"):
        opened.page.screenshot(path=f"{shots}/levels_{width}_{scheme}.png")


def test_the_list_leads_to_the_repeat_whose_level_is_meant(open_page, tmp_path):
    met, at = Verdict.of(True), Verdict.at_level
    best, worst = (at(2), met, met, Verdict.of(False)), (at(0), met, met, Verdict.of(False))
    first = [by_level(f"p{n}", best, "Names both.") for n in range(2)]
    again = replace(by_level("p1", worst, "Names none."), repeat=1)
    path = write_page(
        tmp_path,
        run("first", [*first, again]),
        run("second", [by_level(f"p{n}", best, "All well.") for n in range(2)]),
    )
    # the second has the higher score, and stands first
    page = open_page(path, "#examples&show=better").page
    count = page.locator("#criteria").get_by_role("link", name="1 passed by second only").first
    count.click()
    page.locator("#example-rows a[href$='#example=p1&criterion=1&answers=1,2']").click()
    page.locator("dialog").get_by_text("Names none.", exact=True).wait_for()
    assert page.locator("tr.meant .verdict").last.inner_text().startswith("level 0 of 0 to 2")
