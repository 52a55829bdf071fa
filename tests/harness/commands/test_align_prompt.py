"""`align prompt` against a made-up judge whose accuracy depends on its wording, or does not."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback import Loopback, Reply, Seen, _share, completion

from rubricbeat.harness.cli import main

N_PROMPTS = 48
_ASKED = re.compile(r"assistant: Answer (\d+)\.")
_ITEM = re.compile(r"\[[-\d]+\] Fact (\d+) of (\d+)\b")


def truth(prompt: int, place: int) -> bool:
    return _share("truth", f"{prompt}/{place}") < 0.5


def judge(accuracy: Callable[[str], float]) -> Callable[[Seen], Reply]:
    """Judge as the labels do with a chance that depends on the prompt; errors differ by prompt."""

    def reply(seen: Seen) -> Reply:
        place, prompt = map(int, _ITEM.findall(seen.prompt)[-1])
        right = _share("right", seen.prompt) < accuracy(seen.prompt)
        met = truth(prompt, place) == right
        words = json.dumps({"explanation": "Compared.", "criteria_met": met})
        return completion(words, prompt_tokens=len(seen.prompt) // 4)

    return reply


def quotes(prompt: str) -> float:
    """A judge that errs less where it is asked to quote the passage."""
    return 0.97 if "quote it word for word" in prompt else 0.7


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.jsonl"
    lines = [
        {"prompt_id": f"p{n}", "prompt": f"Question {n}?", "answer": f"Answer {n}.",
         "criterion": f"Fact {place} of {n}", "points": 5, "label": truth(n, place)}
        for n in range(N_PROMPTS) for place in range(4)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def words(labels, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def of(url: str, *more: str) -> list[str]:
        args = f"model=gpt-4.1,temperature=0,base_url={url}"
        return ["align", "prompt", "--labels", str(labels), "--judge", "chat",
                "--judge_args", args, *more]  # fmt: skip

    return of


def test_the_better_wording_is_found_tested_and_written(words, tmp_path, capsys):
    better = tmp_path / "better.txt"
    with Loopback(script=judge(quotes)) as server:
        assert main(words(server.url, "-o", str(better))) == 0
        out, err = capsys.readouterr()
        n_asked, n_most = server.n_requests, int(re.search(r"at most ([\d,]+) calls", err)[1])
        assert server.n_repeated == 0
    assert n_asked <= n_most
    assert "quote it word for word" in better.read_text()
    assert "is better than the default" in out and "which" not in err.split("at most")[0]
    assert "On the searched half the difference was +" in out
    flag, name, flag_args, given = shlex.split(out.strip().splitlines()[-1])
    assert (flag, name, flag_args) == ("--judge", "chat", "--judge_args")
    assert json.loads(given)["prompt"] == str(better)


def test_the_same_command_again_asks_nothing_and_says_the_same(words, tmp_path, capsys):
    with Loopback(script=judge(quotes)) as server:
        command = words(server.url, "-o", str(tmp_path / "b.txt"), "--json")
        assert main(command) == 0
        first = json.loads(capsys.readouterr().out)
        server.reset()
        assert main(command) == 0
        second = json.loads(capsys.readouterr().out)
        assert server.n_requests == 0
    assert second["calls"] == 0 and first["calls"] > 0
    for one in (first, second):
        del one["calls"], one["usd"]
    assert first == second
    assert first["is_better"] and first["difference"]["low"] > 0
    assert first["held"][1]["usd_per_correct"] < 0.01


def test_a_spent_budget_stops_and_the_next_command_goes_on(words, capsys):
    with Loopback(script=judge(quotes)) as server:
        whole = words(server.url, "--json")
        part = [word.replace("model=", "max_calls=60,model=") for word in whole]
        assert main(part) == 1
        assert "stopped" in capsys.readouterr().err
        assert server.n_requests == 60
        assert main(whole) == 0
        found = json.loads(capsys.readouterr().out)
        assert server.n_repeated == 0
    assert found["calls"] == server.n_requests - 60


def test_where_nothing_differs_no_file_is_written(words, tmp_path, capsys):
    same = tmp_path / "same.txt"
    with Loopback(script=judge(lambda prompt: 0.8)) as server:
        assert main(words(server.url, "-o", str(same))) == 0
        assert "No file is written" in capsys.readouterr().out
        assert not same.exists()
        assert main(words(server.url, "-o", str(same), "--force")) == 0
    assert "# The conversation" in same.read_text()


def test_examples_come_from_other_prompts_than_those_that_are_searched_or_tested(words, capsys):
    """A judge that knows the truth only of what an example shows would win by a leak."""

    def leaks(prompt: str) -> float:
        shown, asked = prompt.rpartition("# The rubric item")[::2]
        item = _ITEM.findall(asked)[-1]
        return 1.0 if item in _ITEM.findall(shown) else 0.7

    with Loopback(script=judge(leaks), keeps_requests=True) as server:
        assert main(words(server.url, "--json")) == 0
        found = json.loads(capsys.readouterr().out)
        asked = [one.prompt for one in server.seen if "Examples of correct decisions" in one.prompt]
    assert found["n_examples"] == 4 and asked
    for prompt in asked:
        shown, last = prompt.rpartition("# The rubric item")[::2]
        assert _ITEM.findall(last)[-1][1] not in {of for _, of in _ITEM.findall(shown)}


def test_wordings_of_your_own_and_options_are_tried_too(words, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    own = "Please quote it word for word.\n\n<<conversation>>\n\n# The rubric item\n<<rubric_item>>"
    (folder / "short.txt").write_text(own)
    more = ["--wordings", str(folder), "--variant", "temperature=1", "--votes", "3", "--json"]
    with Loopback(script=judge(quotes)) as server:
        assert main(words(server.url, *more)) == 0
    tried = [one["name"] for one in json.loads(capsys.readouterr().out)["tried"]]
    assert {"short.txt", "temperature=1", "3 votes", "shape=prefix"} <= set(tried)
    assert tried[0] == "short.txt" or "evidence" in tried[0]


def test_a_dry_run_asks_nothing_and_needs_no_key(words, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with Loopback(script=judge(quotes)) as server:
        assert main(words(server.url, "--dry_run", "--json")) == 0
        assert server.n_requests == 0
    said = capsys.readouterr()
    most = json.loads(said.out)["at_most"]
    assert most["calls"] > 0 and most["cost_usd"] > 0
    assert f"labels of {N_PROMPTS} prompts: below 100, only large differences" in said.err


@pytest.mark.parametrize("name", ["max_calls", "max_cost", "max_concurrency"])
def test_a_judge_option_given_as_a_flag_is_pointed_to_its_place(name, words, capsys):
    assert main(words("http://127.0.0.1:9/v1", f"--{name}", "5")) == 2
    said = capsys.readouterr().err
    assert f"unknown flag '--{name}'; an option of the judge: --judge_args {name}=..." in said


def test_the_options_that_every_judge_takes_are_listed_as_known(words, capsys):
    assert main(words("http://127.0.0.1:9/v1,foo=3", "--dry_run")) == 2
    said = capsys.readouterr().err
    assert "has no option 'foo'; known:" in said
    for name in ("max_concurrency", "max_calls", "temperature"):
        assert f" {name}," in said


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--judge", "keyword"], "has no wording to be searched"),
        (["--votes", "2"], "--votes 2: an odd number"),
        (["--examples", "-1"], "--examples -1: from 0"),
        (["--wordings", "nowhere.txt"], "--wordings nowhere.txt: no such file"),
        (["--variant", " "], "--variant: no options"),
        (["--variant", "shap=prefix"], "no option 'shap'"),
        (["--limit", "12"], "labels of 3 prompts"),
        (["--seed", "-2"], "--seed -2"),
    ],
)
def test_what_cannot_be_searched_is_one_line_before_the_first_call(
    more, message, words, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with Loopback(script=judge(quotes)) as server:
        command = words(server.url, *more)
        if "keyword" in more:
            command = [w for w in command if w not in ("--judge_args",) and "base_url" not in w]
        assert main(command) == 2
        assert server.n_requests == 0
    said = capsys.readouterr().err.strip()
    assert message in said and len(said.splitlines()) == 1


def test_labels_of_one_kind_are_refused(words, labels, capsys):
    lines = [json.loads(line) | {"label": True} for line in labels.read_text().splitlines()]
    labels.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(words("http://127.0.0.1:9/v1")) == 2
    assert "all labels say the same" in capsys.readouterr().err


def test_a_mark_in_a_row_is_text_in_an_example(tmp_path: Path) -> None:
    from rubricbeat.judges.backends.wording import load_wording
    from rubricbeat.judges.budget.wordings import Correction, edited, with_examples
    from rubricbeat.judges.rubric import Criterion, Polarity

    hostile = Criterion("Says <<conversation>> and {{ 7 * 7 }}", 5, Polarity.DESIRABLE)
    for name in ("healthbench", "prefix", "grouped", "yes_no", "healthbench-2"):
        shipped = load_wording(name).text
        text = with_examples(edited(shipped, ["strict"]), [Correction(hostile, "<<code>>", True)])
        path = tmp_path / f"{name}.txt"
        path.write_text(text)
        made = load_wording(str(path)).text
        for mark in ("<<conversation>>", "<<code>>", "<<rubric_item>>"):
            assert made.count(mark) == shipped.count(mark)
        place = made.index("Examples of correct decisions")
        assert made.index("If you are in doubt") < place
        assert made.index("<<rubric_item") > place or name == "healthbench" or name[-1] == "2"


def test_a_judge_that_gives_no_verdict_is_given_up_after_the_first_questions(words, capsys):
    with Loopback(script=lambda seen: completion("I like it.")) as server:
        args = [word.replace("model=", "max_retries=0,model=") for word in words(server.url)]
        assert main(args) == 1
        assert server.n_requests == 20  # four criteria of each of five prompts
    assert "none of the first 20 verdicts came" in capsys.readouterr().err


def test_a_judge_without_shapes_is_searched_too(words, capsys, tmp_path):
    plain = [w for w in words("http://127.0.0.1:9/v1") if w not in ("chat",)]
    place = plain.index("--judge_args")
    command = [*plain[:place], "local", "--judge_args", f"model={tmp_path}", "--dry_run"]
    assert main(command) == 0
    assert "at most" in capsys.readouterr().err
