"""A fitted judge's prompts are remembered as hashes, and held apart wherever it is used."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_labels import labelled_answers

from rubricbeat.harness.audit_run import audit_options
from rubricbeat.harness.cli import main
from rubricbeat.harness.inputs import SignalInput, on_new_prompts
from rubricbeat.harness.training.checks.judges import check_seen
from rubricbeat.harness.training.config import TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.data import TrainingData
from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.fitting import FitOptions, fit_judge
from rubricbeat.judges.fitted.heads import HeadKind
from rubricbeat.judges.fitted.model_card import card_of, write_card
from rubricbeat.judges.fitted.saved_model import save_model
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.learned import LearnedPrompts, seen_by
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.signal import TaggedAnswer
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.comparison.models import Model
from rubricbeat.reports.comparison.notes import notes_of
from rubricbeat.reports.results.run import Run, RunFacts


def example(prompt_id: str, text: str) -> Example:
    rubric = Rubric((Criterion("c", 1.0, Polarity.DESIRABLE),))
    return Example(prompt_id, (Message("user", text),), rubric)


class TestHashes:
    def test_a_prompt_is_known_by_its_id_or_by_its_words(self) -> None:
        learned = LearnedPrompts.of([example("a", "What now?")], "salt")
        assert example("a", "other words") in learned
        assert example("renamed", "What now?") in learned
        assert example("b", "other words") not in learned

    @pytest.mark.parametrize(
        "copy",
        [
            "  What\u2019s  a\r\nna\u00efve heart? ",
            "what's a nai\u0308ve heart",
            "WHAT'S A NA\u00cfVE HEART?",
            "**What's a na\u00efve heart?**",
        ],
    )
    def test_a_copy_in_another_form_is_known_by_its_words(self, copy: str) -> None:
        learned = LearnedPrompts.of([example("a", "What's a na\u00efve heart?")], "salt")
        assert example("renamed", copy) in learned
        assert example("renamed", copy + " b") not in learned

    def test_a_system_turn_before_it_makes_no_new_prompt(self) -> None:
        known = example("a", "What now?")
        turns = (Message("system", "You help."), *known.prompt)
        learned = LearnedPrompts.of([known], "salt")
        assert Example("renamed", turns, known.rubric) in learned

    def test_marks_alone_are_not_words_that_two_prompts_share(self) -> None:
        learned = LearnedPrompts.of([example("a", "?!")], "salt")
        assert example("a", "") in learned and example("b", "...") not in learned

    def test_no_id_and_no_word_stands_on_the_card(self) -> None:
        learned = LearnedPrompts.of([example("prompt-17", "chest pain")], "salt")
        text = json.dumps(learned.to_json())
        assert "prompt-17" not in text and "chest" not in text
        assert LearnedPrompts.of_card({"prompts": learned.to_json()}) == learned

    def test_two_cards_share_no_hash(self) -> None:
        first, second = (LearnedPrompts.of([example("a", "x")], salt) for salt in "12")
        assert not first.hashes & second.hashes

    def test_an_old_card_is_unknown_and_not_taken_for_one_that_learned_nothing(self) -> None:
        class Old:
            learned = None

        seen = seen_by(Old(), [example("a", "x")])
        assert seen.is_unknown and "does not say" in (seen.warning() or "")
        assert LearnedPrompts.of_card({"format": 1}) is None

    def test_any_other_judge_has_seen_nothing(self) -> None:
        assert seen_by(object(), [example("a", "x")]).warning() is None

    def test_a_member_of_a_judge_made_of_others_counts(self) -> None:
        class Fitted:
            learned = LearnedPrompts.of([example("a", "x")], "s")

        class Cascade:
            members = (object(), Fitted())

        assert seen_by(Cascade(), [example("a", "x"), example("b", "y")]).flags == (True, False)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A judge fitted on the first 20 of 30 prompts."""
    folder = tmp_path_factory.mktemp("judge")
    learned = labelled_answers()[: 20 * 6]
    fit = fit_judge(learned, FitOptions(HeadKind.LINEAR), encoder=None, shelf=None)
    salt = save_model(fit.model, folder)
    prompts = LearnedPrompts.of((item.example for item in learned), salt)
    write_card(fit, card_of(fit, prompts, {}, "test", 0.0), folder)
    return str(folder)


class TestAudit:
    def test_prompts_learned_from_are_audited_apart(self, judge: str) -> None:
        labelled = labelled_answers()
        found = audit_options(labelled, {"name": "fitted", "path": judge}, {}, seed=1)
        assert found.audit.judge.n_questions == 10 * 6 * 4
        assert found.seen is not None and found.seen.figures is not None
        assert (found.seen.seen.n_seen, found.seen.seen.n_prompts) == (20, 30)
        assert found.seen.figures.n_questions == 20 * 6 * 4

    def test_nothing_but_prompts_learned_from_is_refused(self, judge: str) -> None:
        labelled = labelled_answers()[: 20 * 6]
        options = {"name": "fitted", "path": judge}
        with pytest.raises(ConfigError, match=r"every one of the 20 prompts.*--allow_seen"):
            audit_options(labelled, options, {}, seed=1)
        found = audit_options(labelled, options, {}, allow_seen=True, seed=1)
        assert found.audit.judge.n_questions == 20 * 6 * 4
        assert found.seen is not None and found.seen.seen.is_all

    def test_a_cascade_with_it_is_no_way_around(self, judge: str) -> None:
        options = {"name": "cascade", "members": [{"name": "fitted", "path": judge}, "keyword"]}
        with pytest.raises(ConfigError, match="every one of the 20 prompts"):
            audit_options(labelled_answers()[: 20 * 6], options, {}, seed=1)

    def test_other_answers_to_the_same_prompts_are_found_though_the_file_is_another(
        self, judge: str, tmp_path, capsys
    ) -> None:
        """The file's hash says nothing: the answers are new, and the ids are not the same."""
        rows = [
            {
                "prompt_id": f"new-{item.example.prompt_id}",
                "prompt": item.example.prompt[0].content,
                "answer": item.text + " Indeed.",
                "criterion": criterion.text,
                "label": labels[0].met,
            }
            for item in labelled_answers()[: 20 * 6]
            for criterion, labels in zip(item.example.rubric.criteria, item.labels, strict=True)
        ]
        path = tmp_path / "labels.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        words = ["audit", "--judge", f"fitted:{judge}", "--labels", str(path)]
        assert main(words) == 2
        assert "learned from every one of the 20 prompts" in capsys.readouterr().err
        assert main([*words, "--allow_seen"]) == 0
        assert "The figures above cover all prompts" in capsys.readouterr().out


def test_results_name_the_prompts_that_their_judge_had_learned_from(judge: str) -> None:
    answers = [Answer(item.example, item.text) for item in labelled_answers()[15 * 6 : 25 * 6]]
    with open_grader({"name": "fitted", "path": judge}) as grader:
        grader.grade(answers)
        assert grader.facts()["learned_prompts"] == [f"p{n}" for n in range(15, 20)]


class TestTraining:
    def data(self, *parts: slice) -> TrainingData:
        by_id = {item.example.prompt_id: item.example for item in labelled_answers()}
        train, held_out = (tuple(list(by_id.values())[part]) for part in parts)
        return TrainingData(train, held_out, ())

    def config(self, judge: str, **reward: object) -> TrainConfig:
        sections = {"run": {"output_dir": "out"}, "judge": {"name": "fitted", "path": judge}}
        return load_config(preset="cpu_tiny", overrides={**sections, "reward": reward})

    def test_some_prompts_learned_from_are_told(self, judge: str) -> None:
        said = check_seen(self.config(judge), self.data(slice(10, 28), slice(28, 30)))
        assert said == [
            "the training judge: this judge has learned from 10 of the 18 prompts, so its figures "
            "there are too good"
        ]

    def test_nothing_else_is_refused_unless_it_is_allowed(self, judge: str) -> None:
        data = self.data(slice(0, 20), slice(20, 30))
        with pytest.raises(ConfigError, match=r"reward\.allow_seen_prompts: true"):
            check_seen(self.config(judge), data)
        assert check_seen(self.config(judge, allow_seen_prompts=True), data)


class TestVariance:
    def found(self, learned: set[str]) -> SignalInput:
        answers = tuple(
            TaggedAnswer(GradedAnswer(item.example, item.text, (Verdict.of(True),) * 4))
            for item in labelled_answers()
        )
        return SignalInput(answers, (), learned=frozenset(learned))

    def test_prompts_learned_from_are_left_out_of_the_study(self) -> None:
        new = on_new_prompts(self.found({"p0", "p1"}), allow_seen=False)
        assert {one.graded.example.prompt_id for one in new.answers} == {
            f"p{n}" for n in range(2, 30)
        }
        assert "2 of the 30 prompts" in new.warnings[0] and "excluded" in new.warnings[0]

    def test_nothing_else_is_refused_unless_it_is_allowed(self) -> None:
        everything = self.found({f"p{n}" for n in range(30)})
        with pytest.raises(ConfigError, match="--allow_seen"):
            on_new_prompts(everything, allow_seen=False)
        kept = on_new_prompts(everything, allow_seen=True)
        assert len(kept.answers) == len(everything.answers) and kept.warnings


def test_a_page_gives_the_score_on_new_prompts_apart() -> None:
    def graded(prompt: str, met: bool) -> GradedAnswer:
        return GradedAnswer(example(prompt, prompt), "a", (Verdict.of(met),))

    run = Run(
        "gpt",
        "r",
        "t",
        (graded("a", True), graded("b", True), graded("c", False), graded("d", True)),
        facts=RunFacts(judge={"name": "fitted", "learned_prompts": ["a", "b"]}),
    )
    scores = {"gpt": np.array([1.0, 1.0, 0.0, 1.0])}
    (note,) = notes_of(scores, [Model("gpt", (run,))], [], [], [], [])
    assert "trained on 2 of the 4 prompts" in note
    assert "1.00 on these, 0.500 on the others" in note
