"""The label page in a real browser: by keyboard, with hostile text, reloads and no storage."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.metadata import files
from pathlib import Path

import pytest
from report_kit import example, graded, judge, run, write_run

sys.path.insert(0, str(Path(__file__).parent))
from test_browser import FLAGS, HOSTILE, PLAYWRIGHT

from rubricbeat.harness.cli import main
from rubricbeat.judges.audit.label_rows import read_labels
from rubricbeat.judges.budget.next_label import DrawRule, draw_labels, pooled
from rubricbeat.judges.budget.two_judges import Unit
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, NaRule, Polarity, Rubric
from rubricbeat.reports.pages.label_page import LabelQuestion, label_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.border,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt: chromium)"),
]

NO_STORAGE = """
Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("denied", "SecurityError"); },
});
"""
FULL_STORAGE = """
Storage.prototype.setItem = function (key) {
  if (key.includes("/")) throw new DOMException("full", "QuotaExceededError");
};
"""


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(PLAYWRIGHT, reason="needs playwright (pip install .[dev])")
    with sync_api.sync_playwright() as play:
        launched = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Labeller:
    """A person at the page, who has a keyboard and nothing else."""

    def __init__(self, browser, path, *, rater="anna", script=None, **options):
        self.context = browser.new_context(viewport={"width": 1366, "height": 900}, **options)
        if script:
            self.context.add_init_script(script)
        self.page = self.context.new_page()
        self.page.set_default_timeout(5_000)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = path.as_uri()
        self.page.goto(self.url)
        if rater:
            self.begin(rater)

    def begin(self, rater):
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(rater)
        self.page.keyboard.press("Enter")
        self.page.locator("#work").wait_for()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def place(self):
        return self.page.locator("#place").inner_text()

    @property
    def count(self):
        return self.page.locator("#count").inner_text()

    @property
    def told(self):
        return self.page.locator("#told").inner_text()

    def export(self, folder):
        with self.page.expect_download() as found:
            self.press("e")
        path = folder / found.value.suggested_filename
        found.value.save_as(path)
        return path


@pytest.fixture
def sit_down(browser):
    people = []

    def one(path, **options):
        people.append(Labeller(browser, path, **options))
        return people[-1]

    yield one
    for person in people:
        person.context.close()
        # the page asked for nothing beside itself, and complained of nothing
        assert [u for u in person.asked if not u.startswith((person.url, "blob:"))] == []
        assert person.said == []


def levels_example():
    ranks = tuple(Level(text, points) for text, points in (("no", 0), ("partly", 2), ("yes", 4)))
    return Example(
        "levels",
        (Message("user", "Does it hurt?"),),
        Rubric((
            Criterion("Asks back", 4.0, Polarity.DESIRABLE, levels=ranks),
            Criterion("Gives a dose", -3.0, Polarity.UNDESIRABLE, na=NaRule.EXCLUDED),
            Criterion("Is kind", 1.0, Polarity.DESIRABLE, tags=("axis:tone",), turn=None),
        )),
    )  # fmt: skip


def write_page(folder, answers, **options):
    drawn = draw_labels(pooled(answers), 10_000, Unit.ANSWERS, DrawRule.RANDOM, 0)
    path = folder / "label.html"
    page = label_page(
        [LabelQuestion(d.answer.example, d.answer.text, d.criterion, d.probability) for d in drawn],
        **options,
    )
    path.write_text(page, encoding="utf-8")
    return path


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_page_is_labelled_by_keyboard_and_read_back(sit_down, tmp_path):
    person = sit_down(write_page(tmp_path, [graded("111", levels_example())]))
    buttons = person.page.locator("#choices button")
    assert buttons.all_inner_texts() == ["0 no 0", "1 partly 1", "2 yes 2", "Cannot tell u"]
    person.press("y", "a", "7")  # none of them is a label of three levels
    assert (person.place, person.count) == ("Criterion 1 of 3", "0 done, 3 open")
    person.press("1", "a", "y")
    assert person.told == "Every criterion is labelled. Export the file to hand it in."
    person.press("k", "t")
    person.page.keyboard.type("no dose, yes or no")  # letters of a note are no labels
    person.press("Escape")
    path = person.export(tmp_path)
    rows = rows_of(path)
    assert [row["label"] for row in rows] == [1, "na", True]
    assert [row.get("note") for row in rows] == [None, "no dose, yes or no", None]
    assert {row["rater"] for row in rows} == {"anna"}
    assert path.name.startswith("labels-anna-")

    found = read_labels(path)
    assert found.notes == ()
    [first, second, third] = [answer.labels[0][0] for answer in found.answers]
    assert (first.level, first.rater) == (1, "anna")
    assert second.verdict.is_na
    assert third.met is True
    [criterion] = found.answers[2].example.rubric.criteria
    assert (criterion.tags, criterion.turn, criterion.points) == (("axis:tone",), None, 1.0)


def test_a_reload_in_the_middle_and_a_second_person_lose_nothing(sit_down, tmp_path):
    path = write_page(tmp_path, [graded("1111"), graded("0000", answer="Run.")])
    person = sit_down(path)
    person.press("y", "n", "u", "t")
    person.page.keyboard.type("half a note")
    person.page.reload()  # in the middle of a note
    person.press("Enter")  # the name is remembered
    person.page.locator("#work").wait_for()
    assert (person.place, person.count) == (
        "Criterion 4 of 8",
        "3 done, 5 open, 1 of those done: cannot tell",
    )
    assert person.page.locator("#note").input_value() == "half a note"
    exported = person.export(tmp_path)
    assert [row["label"] for row in rows_of(exported)] == [True, False, None, None]
    # a row without a label is kept for going on, and is read as none
    assert [len(a.labels[0]) for a in read_labels(exported).answers] == [1, 1, 0, 0]

    other = person.context.new_page()
    other.goto(person.url)
    person.page.close()
    person.page = other
    person.begin("ben")
    assert person.count == "0 done, 8 open"  # two people at one computer
    with person.page.expect_file_chooser() as chooser:
        person.page.locator("#import").click()
    chooser.value.set_files(exported)
    person.page.locator("#told:not(:empty)").wait_for()
    assert person.told == "Nothing imported: the labels are of anna, and you are ben."


def test_without_storage_labels_travel_by_file(sit_down, tmp_path):
    path = write_page(tmp_path, [graded("1111"), graded("0000", answer="Run.")])
    person = sit_down(path, script=NO_STORAGE)
    assert person.page.locator("#unsaved").is_visible()
    person.press("y", "ArrowRight", "n")
    exported = person.export(tmp_path)
    assert person.told == "Exported 2 of 8."
    elsewhere = sit_down(path, rater=None)
    assert not elsewhere.page.locator("#unsaved").is_visible()
    elsewhere.page.locator("#import").set_input_files(exported)
    elsewhere.page.locator("#work").wait_for()
    assert elsewhere.page.locator("#who").inner_text().endswith("anna")
    assert (elsewhere.place, elsewhere.count) == ("Criterion 2 of 8", "2 done, 6 open")
    elsewhere.press("y")
    lines = exported.read_text("utf-8").splitlines()
    again = rows_of(elsewhere.export(tmp_path))
    assert [row["label"] for row in again] == [True, True, False]
    # what is older than what is here does not come back; another page's and broken lines are told
    elsewhere.press("k", "k", "n")
    mixed = tmp_path / "mixed.jsonl"
    odd = json.dumps({**json.loads(lines[0]), "criterion": "of another page"})
    wrong = json.dumps({**json.loads(lines[0]), "label": 7, "labelled_at": "2100-01-01T00:00:00Z"})
    mixed.write_text("\n".join([*lines, odd, wrong, "{broken"]), encoding="utf-8")
    elsewhere.page.locator("#import").set_input_files(mixed)
    elsewhere.page.locator("#told:not(:empty)").wait_for()
    assert elsewhere.told == (
        "Imported 1. Older than what is here: 1. About other criteria: 1. Not readable: 2."
    )
    assert [row["label"] for row in rows_of(elsewhere.export(tmp_path))] == [False, True, False]


def test_a_full_store_is_told_and_the_labels_stay(sit_down, tmp_path):
    person = sit_down(write_page(tmp_path, [graded("11")]), script=FULL_STORAGE)
    assert not person.page.locator("#unsaved").is_visible()
    person.press("y")
    assert person.page.locator("#unsaved").is_visible()
    assert [row["label"] for row in rows_of(person.export(tmp_path))] == [True]


def test_two_tabs_of_one_page_share_their_labels(sit_down, tmp_path):
    person = sit_down(write_page(tmp_path, [graded("1111")]))
    other = person.context.new_page()
    other.goto(person.url)
    other.keyboard.press("Enter")
    other.locator("#work").wait_for()
    other.keyboard.press("y")
    other.keyboard.press("n")
    person.page.locator("#count", has_text=re.compile("^2")).wait_for()
    person.press("o", "u", "k", "k", "n")  # what the other tab said stays
    assert [row["label"] for row in rows_of(person.export(tmp_path))] == [True, False, None]
    other.close()


def test_hostile_text_stays_text_and_comes_back_unchanged(sit_down, tmp_path):
    told = HOSTILE.replace("\ud800", "")  # no reader of rows takes half a character
    evil = example("</script>" + told, [5, -2], prompt=told, texts=[told, "b" + told])
    path = write_page(tmp_path, [graded("10", evil, answer=told)])
    person = sit_down(path, rater="<b>" + "anna")
    assert person.page.evaluate("window.pwned") is None
    assert person.page.locator("#work img, #work script, #work svg").count() == 0
    assert "onerror" in person.page.locator("#criterion").inner_text()
    person.press("y", "n")
    [first, second] = read_labels(person.export(tmp_path)).answers
    assert first.text == told
    assert first.example.prompt == evil.prompt
    assert second.example.rubric.criteria[0].text == "b" + told
    assert first.labels[0][0].rater == "<b>anna"


def test_a_thousand_items_at_hand(sit_down, tmp_path):
    answers = [graded("1111", example(f"p{n}", [1] * 4), answer=f"Answer {n}. " * 400)
               for n in range(250)]  # fmt: skip
    person = sit_down(write_page(tmp_path, answers))
    assert person.count == "0 done, 1000 open"
    person.press(*"yn" * 20)
    assert (person.place, person.count) == ("Criterion 41 of 1000", "40 done, 960 open")
    # one answer is on the page, whatever their number
    assert person.page.locator("#talk .turn").count() == 2
    assert person.page.evaluate("document.getElementsByTagName('*').length") < 200
    person.press("k", "x", "o")
    assert (person.place, person.count) == ("Criterion 40 of 1000", "39 done, 961 open")
    # a key that is held down labels once
    person.page.keyboard.down("y")
    person.page.keyboard.down("y")
    person.page.keyboard.up("y")
    assert person.count == "40 done, 960 open"
    assert len(rows_of(person.export(tmp_path))) == 40


def test_axe_finds_nothing_wide_and_narrow_light_and_dark(sit_down, tmp_path):
    pytest.importorskip("axe_playwright_python")
    [script] = [f for f in files("axe-playwright-python") or () if f.name == "axe.min.js"]
    axe = script.read_text(encoding="utf-8")
    answers = [graded("111", levels_example()), graded("11", answer="Lang. " * 2000)]
    person = sit_down(write_page(tmp_path, answers, raters=["anna", "ben"]), rater=None)
    page = person.page
    page.evaluate(axe)

    def check():
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (1366, 400):
                page.set_viewport_size({"width": width, "height": 850})
                assert page.evaluate("document.documentElement.scrollWidth") == width
                found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
                assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found] == []

    check()
    page.locator("#rater").focus()
    person.press("b", "Tab", "Enter")  # a name is chosen by its letter
    person.page.locator("#work").wait_for()
    assert page.locator("#who").inner_text().endswith("ben")
    check()
    # on a phone the question and its choices are in sight, below the answer
    box = page.locator("#choices").bounding_box()
    assert box["y"] + box["height"] <= 850


def test_from_results_to_a_corrected_score(sit_down, tmp_path, capsys):
    folder = tmp_path / "results"
    secret = judge("b" * 64) | {"model": "secret-judge"}
    answers = [
        graded("10", example(f"p{n}", [5, 5]), answer=f"Answer {n}.", reasons=["secret reason"] * 2)
        for n in range(40)
    ]
    write_run(folder, run("secret-system", answers, facts={"judge": secret}))
    path = tmp_path / "label.html"
    command = ["label", str(folder), "-o", str(path), "--n", "25", "--next", "random"]
    assert main(command) == 0
    assert "50 criteria of 25 of 40 answers" in capsys.readouterr().out
    source = path.read_text("utf-8")
    assert "secret" not in source
    assert main(command) == 0
    assert path.read_text("utf-8") == source  # the seed decides what is drawn
    capsys.readouterr()

    person = sit_down(path)
    person.press(*("y" if n % 3 else "n" for n in range(50)))
    exported = person.export(tmp_path)
    assert main(["score", str(folder), "--labels", str(exported), "--json"]) == 0
    [scored] = json.loads(capsys.readouterr().out)["runs"]
    score = scored["corrected_by_labels"]["score"]
    assert score["refused"] is None
    # every judged score is .5, so the labels stand alone: 33 of 50 criteria met
    assert score["raw"] == pytest.approx(0.5)
    assert score["value"] == pytest.approx(33 / 50)


def test_a_weighted_draw_is_corrected_when_half_of_it_is_done(sit_down, tmp_path, capsys):
    folder = tmp_path / "results"
    answers = [
        graded("10", example(f"p{n}", [5, 1 + n % 3]), answer=f"Answer {n}.") for n in range(200)
    ]
    write_run(folder, run("a", answers))
    path = tmp_path / "label.html"
    assert main(["label", str(folder), "-o", str(path), "--n", "120"]) == 0
    capsys.readouterr()
    person = sit_down(path)
    n_all = int(person.place.split()[-1])
    person.press(*["y"] * (n_all // 2))
    exported = person.export(tmp_path)
    assert all("probability" in row for row in rows_of(exported))
    assert main(["score", str(folder), "--labels", str(exported), "--json"]) == 0
    [scored] = json.loads(capsys.readouterr().out)["runs"]
    # every label says met, so every answer is worth all of its points, whatever was drawn
    assert scored["corrected_by_labels"]["score"]["refused"] == (
        "no difference between prompts, or out of bounds: no interval"
    )
