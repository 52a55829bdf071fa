"""What `rubricbeat judge` makes of odd replies and odd answers, from the command to the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, faults

from rubricbeat.harness.cli import main
from rubricbeat.reports.results.reader import read_runs

RUBRIC = [
    {"criterion": "Asks whether the knee hurts", "points": 5},
    {"criterion": "Names painless clicking as common", "points": 3},
    {"criterion": "Recommends surgery", "points": -4},
]


def reply_file(name: str) -> str:
    """Replies of the kinds that were reported."""
    verdicts = [{"index": n, "criteria_met": True} for n in (1, 2, 3)]
    first = json.dumps({"verdicts": verdicts})
    second = first.replace("true", "false", 2)
    return {
        "echo": 'I would have to answer with {"explanation": "...", "criteria_met": true/false}, '
        "but this is a medical question and I cannot judge it.",
        "quoted": '{"explanation": "It only says {"criteria_met": true} and does not address the '
        'item", "criteria_met": false}',
        "tag": '{"criteria_met": false, "explanation": "It leaks a </think> tag, and no more"}',
        "draft": '<thinking>First draft: {"explanation": "asks about pain", "criteria_met": true}. '
        "Hm, reading again the answer never",
        "twice": f"{first}\nWait, I misread the answer. Corrected:\n{second}",
        "lists": f"{first}\n{second}",
        "whole": '{"explanation": "fine", "criteria_met": true}',
        "prompt": 'Draft: {"criteria_met": true}. No.\n</think>\n{"criteria_met": false}',
        "own": '<plan>{"criteria_met": true}</plan>{"criteria_met": false}',
    }[name]


def judged(folder: Path, *more: str) -> list[str]:
    """Run the command on what lies in a folder, and give the outcomes of its one answer."""
    out = folder / "out"
    files = ["--data", str(folder / "rows.jsonl"), "--responses", str(folder / "answers.jsonl")]
    main(
        ["judge", *files, "--model", "tested", "--output_path", str(out), "--store", "none", *more]
    )
    [run] = read_runs([out])
    return [v.outcome.value for one in run.graded for v in one.verdicts]


def write(folder: Path, rows: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    for name, lines in (("rows", rows), ("answers", answers)):
        text = "\n".join(json.dumps(line) for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "finish", "options", "outcome", "n_calls"),
    [
        ("echo", "stop", "", "unparseable", 2),
        ("quoted", "stop", "", "unparseable", 2),
        ("tag", "stop", "", "not_met", 1),
        ("tag", "stop", ",parsing=strict", "not_met", 1),
        ("draft", "length", "", "truncated", 2),
        ("draft", "stop", "", "unparseable", 2),
        ("whole", "length", "", "met", 1),
        ("prompt", "stop", "", "unparseable", 2),
        ("prompt", "stop", ",reply_opens=prompt", "not_met", 1),
        ("own", "stop", "", "unparseable", 2),
        ("own", "stop", ",reply_marks=<plan>...</plan>", "not_met", 1),
    ],
)
def test_a_reply_counts_only_where_it_commits_to_a_verdict(
    tmp_path, monkeypatch, name, finish, options, outcome, n_calls
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    write(
        tmp_path,
        [{"prompt_id": "p1", "prompt": "My knee clicks. Is that harmful?", "rubric": RUBRIC}],
        [{"prompt_id": "p1", "completion": "Does it hurt? Painless clicking is common."}],
    )
    with Loopback(script=lambda seen: faults.says(reply_file(name), finish)) as server:
        args = f"model=m,base_url={server.url},max_retries=1,backoff_s=0.001{options}"
        outcomes = judged(tmp_path, "--judge", "chat", "--judge_args", args)
        assert outcomes == [outcome] * 3
        assert server.n_requests == 3 * n_calls


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("twice", ["unparseable"] * 3),
        ("lists", ["unparseable", "unparseable", "met"]),
    ],
)
def test_lists_that_contradict_each_other_give_no_verdict_where_they_differ(
    tmp_path, monkeypatch, name, outcomes
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    write(
        tmp_path,
        [{"prompt_id": "p1", "prompt": "My knee clicks. Is that harmful?", "rubric": RUBRIC}],
        [{"prompt_id": "p1", "completion": "Does it hurt? Painless clicking is common."}],
    )
    with Loopback(script=lambda seen: faults.says(reply_file(name))) as server:
        args = f"model=m,base_url={server.url},max_retries=0,shape=grouped"
        assert judged(tmp_path, "--judge", "chat", "--judge_args", args) == outcomes


def test_a_run_of_whole_answers_is_read_as_one_also_from_an_older_file(tmp_path):
    check = {"criterion": "Greets", "points": 1, "check": {"mentions": "hello"}}
    write(
        tmp_path,
        [{"prompt_id": "p1", "prompt": "Greet.", "rubric": [check]}],
        [{"prompt_id": "p1", "completion": "<think>hello</think>Fine."}],
    )
    args = ["--judge", "keyword", "--judge_args", "include_reasoning=true"]
    assert judged(tmp_path, *args) == ["met"]
    [samples] = (tmp_path / "out").rglob("samples_*.jsonl")
    for text in (samples.read_text("utf-8"), _without_reading(samples.read_text("utf-8"))):
        samples.write_text(text, encoding="utf-8")
        [run] = read_runs([tmp_path / "out"])
        assert [one.judged for one in run.graded] == ["<think>hello</think>Fine."]


def _without_reading(text: str) -> str:
    """Take out what older files do not have."""
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        for answer in row["rubric"]["answers"]:
            assert answer.pop("reading") == {"include_reasoning": True}
    return "\n".join(json.dumps(row) for row in rows)


MARKED = {
    "plain mention": ("Hello! The closing tag is written `</think>` and ends the block.", "met"),
    "think": ("<think>hm</think>Hello! The closing tag is `</think>`.", "met"),
    "solution": ("Use the <solution> element. Hello! The closing tag is this.", "met"),
    "seed": ("<seed:think>hello closing tag</seed:think>Fine.", "not_met"),
    "magistral": ("[THINK]hello closing tag[/THINK]Fine.", "not_met"),
    "medgemma": ("<unused94>thought\nhello closing tag<unused95>Fine.", "not_met"),
    "gemma": ("<|channel>thought\nhello closing tag<channel|>Fine.", "not_met"),
    "kimi": ("◁think▷hello closing tag◁/think▷Fine.", "not_met"),
    "cut": ("<mm:think>hello closing tag and then", "not_met"),
    "harmony": (
        "<|channel|>analysis<|message|>hello closing tag<|end|><|start|>assistant<|channel|>final"
        "<|message|>Fine.",
        "not_met",
    ),
    "cut harmony": ("<|channel|>analysis<|message|>hello closing tag and", "not_met"),
}


def test_what_a_mark_hides_is_not_judged_and_what_is_mentioned_is(tmp_path, capsys):
    checks = [
        {"criterion": "Names the tag", "points": 3, "check": {"mentions": "closing tag"}},
        {"criterion": "Greets", "points": 1, "check": {"mentions": "hello"}},
    ]
    names = [*MARKED, "unknown"]
    texts = [*(text for text, _ in MARKED.values()), "<musing>hello closing tag</musing>Fine."]
    write(
        tmp_path,
        [{"prompt_id": n, "prompt": f"Which tag, {n}?", "rubric": checks} for n in names],
        [{"prompt_id": n, "completion": t} for n, t in zip(names, texts, strict=True)],
    )
    outcomes = judged(tmp_path, "--judge", "keyword")
    expected = [outcome for _, outcome in MARKED.values()] + ["met"]
    assert outcomes == [outcome for outcome in expected for _ in range(2)]
    [run] = read_runs([tmp_path / "out"])
    notes = run.facts.judge["answers"]
    assert any(note.startswith("1 of 12 answers open with <musing>") for note in notes)
    assert any(note.startswith("2 of 12 answers end inside their reasoning") for note in notes)
