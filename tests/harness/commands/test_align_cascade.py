"""`align cascade` as a user runs it: judges replayed, one recommended, or none and why."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, completion
from report_kit import example, run, write_run

from rubricbeat.harness.cli import main
from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.backends.jury import CascadeJudge
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge import identity_of
from rubricbeat.judges.judge_options import make_judge, parse_judge_args
from rubricbeat.judges.scoring.missing_reasons import NOT_DRAWN
from rubricbeat.judges.verdict import Outcome, Verdict

N_PROMPTS = 40
Says = Callable[[int, int], Verdict]


def truth(prompt: int, place: int) -> bool:
    return (prompt + place) % 3 == 0


def exact(prompt: int, place: int) -> Verdict:
    return Verdict.of(truth(prompt, place), prompt_tokens=1000, completion_tokens=100)


def cheap(prompt: int, place: int) -> Verdict:
    """Right where it is sure, of three criteria; at a loss, and wrong, of the fourth."""
    met = truth(prompt, place)
    if place == 3:
        return Verdict.of(not met, probability=0.55 if not met else 0.45)
    return Verdict.of(met, probability=0.97 if met else 0.02)


def results(folder: Path, options: dict[str, Any], says: Says, *, learned: int = 0) -> Path:
    """Write what a judge said of one answer to each of 40 prompts."""
    judge = make_judge(options)
    answers = []
    for n in range(N_PROMPTS):
        of = example(f"p{n}", (5, 5, 5, 5), prompt=f"Question {n}?")
        verdicts = tuple(says(n, place) for place in range(4))
        answers.append(GradedAnswer(of, f"Answer {n}.", verdicts))
    identity = identity_of(judge)
    facts = {
        **identity.to_json(),
        "digest": identity.digest,
        "options": {k: v for k, v in options.items() if k != "name"},
    }
    facts |= {"learned_prompts": [f"p{n}" for n in range(learned)]} if learned else {}
    write_run(folder, run("system", answers, facts={"judge": facts}))
    return folder


@pytest.fixture
def dear(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return results(tmp_path / "dear", {"name": "chat", "model": "gpt-4.1"}, exact)


@pytest.fixture
def mine(tmp_path):
    return results(tmp_path / "mine", {"name": "constant"}, cheap)


def found(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["align", "cascade", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_line_that_is_printed_makes_the_cascade_that_was_measured(
    dear, mine, capsys, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["align", "cascade", str(mine), str(dear)]) == 0
    text = capsys.readouterr().out
    assert "160 criteria of 40 answers to 40 prompts" in text
    # $2 and $8 a million tokens: 1,000 x 2 + 100 x 8 = $0.0028 a verdict, of one verdict in four
    assert "of the cost: 1,000 verdicts for $0.700 instead of $2.80." in text
    assert "Saves 75.0" in text and "of the calls of chat gpt-4.1. Agrees on" in text
    flag, name, flag_args, given = shlex.split(text.strip().splitlines()[-1])
    assert (flag, flag_args) == ("--judge", "--judge_args")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    judge = make_judge(parse_judge_args(name, given))
    assert isinstance(judge, CascadeJudge)
    assert [identity_of(one).name for one in judge.members] == ["constant", "chat"]
    assert 0.02 <= judge.low < 0.45 and 0.55 < judge.high <= 0.97


def test_what_is_kept_says_everything(dear, mine, capsys, tmp_path):
    kept = tmp_path / "out" / "cascade.json"
    plain = found([str(mine), str(dear), "-o", str(kept)], capsys)
    assert json.loads(kept.read_text()) == plain
    assert plain["n_questions"] == 160 and plain["n_left_out"] == 0
    assert plain["picked"]["members"] == ["constant", "chat gpt-4.1"]
    assert plain["picked"]["calls_saved"]["value"] == 0.75
    assert plain["picked"]["at_random"] == pytest.approx(0.75 * 0.75 + 0.25)
    assert [one["is_same_judge"] for one in plain["judges"]] == [True, True]
    assert plain["judge"]["members"][1] == {"name": "chat", "model": "gpt-4.1"}


def test_a_cheap_judge_that_is_never_unsure_saves_nothing(dear, tmp_path, capsys):
    def sure(prompt: int, place: int) -> Verdict:
        return Verdict.of(truth(prompt, place) if place else not truth(prompt, place))

    flat = results(tmp_path / "flat", {"name": "constant"}, sure)
    plain = found([str(flat), str(dear)], capsys)
    assert plain["judge"] is None
    assert any("use chat gpt-4.1 alone" in words for words in plain["words"])
    assert any("gives no P(met)" in words for words in plain["words"])


def test_missing_verdicts_of_the_cheap_judge_are_asked_on_and_of_the_dear_one_left_out(
    tmp_path, dear, capsys
):
    def gaps(prompt: int, place: int) -> Verdict:
        return Verdict(Outcome.REFUSED) if prompt < 10 else cheap(prompt, place)

    def holes(prompt: int, place: int) -> Verdict:
        return Verdict(Outcome.TRUNCATED) if prompt >= 38 else exact(prompt, place)

    one = results(tmp_path / "gaps", {"name": "constant"}, gaps)
    two = results(tmp_path / "holes", {"name": "chat", "model": "gpt-4.1"}, holes)
    plain = found([str(one), str(two)], capsys)
    assert plain["n_questions"] == 152 and plain["n_left_out"] == 8
    assert plain["picked"]["agreement"]["value"] == 1.0
    assert plain["picked"]["calls_saved"]["value"] < 0.75


def test_prompts_that_a_fitted_judge_has_learned_from_do_not_count(dear, tmp_path, capsys):
    taught = results(tmp_path / "t", {"name": "constant"}, cheap, learned=10)
    plain = found([str(taught), str(dear)], capsys)
    assert plain["n_prompts"] == 30


def test_labels_may_be_the_reference(dear, mine, capsys, tmp_path):
    labels = tmp_path / "labels.jsonl"
    lines = [
        {"prompt_id": f"p{n}", "prompt": f"Question {n}?", "answer": f"Answer {n}.",
         "criterion": f"criterion {place} of p{n}", "label": truth(n, place)}
        for n in range(N_PROMPTS) for place in range(4)
    ]  # fmt: skip
    labels.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plain = found([str(mine), str(dear), "--labels", str(labels)], capsys)
    assert plain["reference"] == "the labels"
    assert plain["picked"]["calls_saved"]["value"] == 0.75


def test_recorded_verdicts_name_a_judge_by_its_grader(mine, capsys, tmp_path):
    rows, judged = tmp_path / "rows.jsonl", tmp_path / "judged.jsonl"
    with rows.open("w") as data, judged.open("w") as file:
        for n in range(N_PROMPTS):
            items = [{"criterion": f"criterion {place} of p{n}", "points": 5} for place in range(4)]
            prompt = [{"role": "user", "content": f"Question {n}?"}]
            data.write(
                json.dumps({"prompt_id": f"p{n}", "prompt": prompt, "rubrics": items}) + "\n"
            )
            said = [truth(n, place) for place in range(4)]
            row = {"prompt_id": f"p{n}", "completion": f"Answer {n}.", "criteria_met": said}
            file.write(json.dumps({**row, "grader": "gpt-4.1-2025-04-14"}) + "\n")
    words = [str(mine), str(judged), "--data", str(rows)]
    plain = found(words, capsys)
    assert plain["picked"]["members"] == ["constant", "gpt-4.1-2025-04-14"]
    assert plain["judge"]["members"][1] == {"name": "chat", "model": "gpt-4.1-2025-04-14"}
    assert any("by its model alone" in one for one in plain["words"])
    priced = found([*words, "--usd", "gpt-4.1-2025-04-14=4"], capsys)
    assert priced["picked"]["usd"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine"], "verdicts of one judge (constant); a cascade takes two"),
        (["mine", "dear", "--agreement", "1.2"], "--agreement 1.2: a share above 0"),
        (["mine", "dear", "--agreement", "nan"], "--agreement nan: a share above 0"),
        (["mine", "dear", "--budget", "-1"], "--budget -1: US dollars"),
        (["mine", "dear", "--budget", "1", "--agreement", "0.9"], "give one of them"),
        (["mine", "dear", "--usd", "gpt=1"], "--usd gpt: no such judge here"),
        (["mine", "dear", "--usd", "4.2"], "NAME=USD"),
        (["mine", "dear", "--expensive", "gpt-5"], "--expensive gpt-5: no such judge here"),
        (["mine", "dear", "--expensive", "constant"], "--expensive constant: it is free"),
        (["mine", "nowhere"], "no such file or folder"),
        (["mine", "dear", "--labels", "nowhere.jsonl"], "nowhere.jsonl"),
        (["mine", "dear", "--seed", "-1"], "--seed -1"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(words, message, dear, mine, capsys, tmp_path):
    places = {"mine": str(mine), "dear": str(dear)}
    assert main(["align", "cascade", *(places.get(word, word) for word in words)]) in (1, 2)
    said = capsys.readouterr().err
    assert message in said and len(said.strip().splitlines()) == 1


def test_two_judges_of_unknown_price_are_asked_about(mine, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    places = [
        results(tmp_path / name, {"name": "chat", "model": name}, exact) for name in ("one", "two")
    ]
    words = [str(place) for place in (mine, *places)]
    assert main(["align", "cascade", *words]) == 2
    assert "price of chat one is not known" in capsys.readouterr().err
    plain = found([*words, "--expensive", "chat two"], capsys)
    assert plain["picked"]["usd_saved"]["value"] is None


@pytest.fixture
def pair(tmp_path, monkeypatch) -> list[str]:
    """Two paid judges; the cheap one is sure, and right, of three criteria of four."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    says = {"small": cheap, "big": exact}
    return [
        str(results(tmp_path / name, {"name": "chat", "model": name}, said))
        for name, said in says.items()
    ]


def test_a_paid_cheap_judge_saves_calls_of_the_dear_one_and_less_money(pair, capsys):
    words = [*pair, "--usd", "small=0.1", "--usd", "big=2"]
    plain = found(words, capsys)
    # every criterion at $0.1, one of four at $2 too: 0.1 + 0.25 x 2 = 0.6 of 2
    assert plain["picked"]["calls_saved"]["value"] == 0.75
    assert plain["picked"]["usd_saved"]["value"] == pytest.approx(0.7)
    assert plain["picked"]["random_saved"] == plain["picked"]["random_usd_saved"] == 0.0
    said = plain["words"]
    assert said[0].startswith("Saves 70.0") and "$0.600 instead of $2.00" in said[0]
    assert said[1].startswith("Saves 75.0") and "of the calls of chat big" in said[1]
    free = found([*pair, "--usd", "small=0", "--usd", "big=2"], capsys)
    assert free["picked"]["calls_saved"] == plain["picked"]["calls_saved"]


@pytest.mark.parametrize("named", [["big"], ["chat big"], ["big", "--usd", "big=2"]])
def test_without_a_price_the_calls_of_the_expensive_judge_are_saved(pair, named, capsys):
    plain = found([*pair, "--expensive", *named], capsys)
    assert plain["picked"]["members"] == ["chat small", "chat big"]
    assert plain["picked"]["calls_saved"]["value"] == 0.75
    assert plain["picked"]["usd_saved"]["value"] is None
    assert plain["words"][0].startswith("Saves 75.0")
    assert any("calls of chat big are minimised" in words for words in plain["words"])


def test_a_cascade_that_costs_more_than_random_skipping_is_not_recommended(
    tmp_path, capsys, monkeypatch
):
    """Wrong on one criterion of 16 where sure, so that random skipping saves a little too."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def slips(prompt: int, place: int) -> Verdict:
        if place == 0 and prompt % 4 == 0:
            return Verdict.of(not truth(prompt, 0), probability=0.03 if truth(prompt, 0) else 0.98)
        return cheap(prompt, place)

    pair = [
        str(results(tmp_path / name, {"name": "chat", "model": name}, said))
        for name, said in (("small", slips), ("big", exact))
    ]
    words = [*pair, "--agreement", "0.9", "--usd", "big=2"]
    assert found([*words, "--usd", "small=0.1"], capsys)["judge"] is not None
    plain = found([*words, "--usd", "small=1.4"], capsys)
    # 1.4 + 0.25 x 2 = 1.9 of 2 saves 5 %
    assert plain["judge"] is None
    assert "saves less than random skipping" in plain["words"][0]


def test_where_a_cascade_is_nearer_to_the_labels_than_the_dear_judge_no_random_skipping_is(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def errs(prompt: int, place: int) -> Verdict:
        """Wrong on one criterion in 16, of which the cheap judge is sure."""
        return Verdict.of(truth(prompt, place) != (place == 0 and prompt % 4 == 0))

    labels = tmp_path / "labels.jsonl"
    lines = [
        {"prompt_id": f"p{n}", "prompt": f"Question {n}?", "answer": f"Answer {n}.",
         "criterion": f"criterion {place} of p{n}", "label": truth(n, place)}
        for n in range(N_PROMPTS) for place in range(4)
    ]  # fmt: skip
    labels.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pair = [
        str(results(tmp_path / name, {"name": "chat", "model": name}, said))
        for name, said in (("small", cheap), ("big", errs))
    ]
    prices = ["--usd", "small=0.1", "--usd", "big=2"]
    plain = found([*pair, *prices, "--labels", str(labels), "--agreement", "1"], capsys)
    assert plain["picked"]["agreement"]["value"] == 1.0
    assert plain["picked"]["random_saved"] is None
    assert any(words.startswith("Random skipping cannot reach") for words in plain["words"])


def test_what_a_sampled_run_did_not_draw_is_left_out(dear, tmp_path, capsys):
    """Half of the cheap judge's verdicts were not drawn; they are no verdicts that failed."""

    def drawn(prompt: int, place: int) -> Verdict:
        kept = place in (0, 3)
        return cheap(prompt, place) if kept else Verdict(Outcome.SKIPPED, explanation=NOT_DRAWN)

    part = results(tmp_path / "part", {"name": "constant"}, drawn)
    plain = found([str(part), str(dear)], capsys)
    assert (plain["n_questions"], plain["n_left_out"]) == (80, 80)
    assert plain["picked"]["calls_saved"]["value"] == 0.5  # sure of one of the two that are left
    assert any("constant are a sample" in words for words in plain["words"])


def test_a_budget_says_what_it_is_for(pair, capsys):
    words = [*pair, "--usd", "small=0.1", "--usd", "big=2", "--budget", "0.16"]
    # $0.16 for 160 criteria is a dollar for 1,000, and the cascade costs $0.6
    plain = found(words, capsys)
    assert plain["picked"]["members"] == ["chat small", "chat big"]
    assert "The budget of $0.16 for 160 criteria is $1.00 per 1,000." in plain["words"]


def test_a_jury_of_free_judges_is_free(dear, tmp_path, capsys):
    jury = {"name": "jury", "members": ["constant", {"name": "keyword"}]}
    plain = found([str(results(tmp_path / "jury", jury, cheap)), str(dear)], capsys)
    assert plain["judges"][0]["is_free"] and plain["picked"]["calls_saved"]["value"] == 0.75


def test_the_verdicts_of_a_store_name_their_judges_and_prices(tmp_path, mine, capsys, monkeypatch):
    """The judge of a store is known by its identity: options that are in it come back."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def reply(seen: Seen) -> Reply:
        place, prompt = map(int, re.findall(r"criterion (\d+) of p(\d+)", seen.prompt)[-1])
        said = json.dumps({"explanation": "Compared.", "criteria_met": truth(prompt, place)})
        return completion(said, prompt_tokens=1000, completion_tokens=100)

    store = tmp_path / "verdicts.sqlite"
    options = {"name": "chat", "model": "gpt-4.1", "temperature": 0, "shape": "prefix"}
    answers = [
        Answer(example(f"p{n}", (5, 5, 5, 5), prompt=f"Question {n}?"), f"Answer {n}.")
        for n in range(N_PROMPTS)
    ]
    with Loopback(script=reply) as server:
        given = {**options, "base_url": server.url, "store": str(store)}
        with open_grader(given) as grader:
            grader.grade(answers)
    plain = found([str(mine), str(store)], capsys)
    judge = plain["judges"][1]
    assert judge["options"].items() >= options.items()
    assert judge["is_same_judge"] and judge["usd_per_verdict"] == pytest.approx(0.0028)
    assert plain["picked"]["calls_saved"]["value"] == 0.75
