"""`run --name`: results have the system's own name, and what cannot have one is refused."""

from __future__ import annotations

import pytest
from made_up_endpoint import made_up_endpoint

from rubricbeat.harness.cli import main
from rubricbeat.reports.results.reader import read_runs


def arguments(*more: str) -> list[str]:
    return ["run", "--tasks", "healthbench_heart_demo", "--judge", "keyword", *more]


def test_two_prompts_of_one_model_are_two_systems(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with made_up_endpoint() as server:
        model = f"model=m,base_url={server.url}/chat/completions"
        for name, prompt in (("main", "Be helpful."), ("team/careful", "Name the warning signs.")):
            asked = arguments(
                *("--model", "local-chat-completions", "--model_args", model, "--limit", "1"),
                *("--system_instruction", prompt, "--name", name, "-o", str(tmp_path / "out")),
            )
            assert main(asked) == 0
    assert {run.model for run in read_runs([tmp_path / "out"])} == {"main", "team/careful"}


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("", "local-chat-completions"),
        ("baseline:empty", "local-chat-completions"),
        ("mine", "baseline:empty"),
    ],
)
def test_a_name_that_results_cannot_have_is_refused(name, model, tmp_path, capsys):
    asked = arguments("--model", model, "--name", name, "-o", str(tmp_path / "out"))
    assert main(asked) == 2
    assert "--name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_that_a_second_run_would_be_a_repeat_of_are_named_before_anything_is_asked(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with made_up_endpoint() as server:
        model = f"model=m,base_url={server.url}/chat/completions"
        asked = arguments(
            *("--model", "local-chat-completions", "--model_args", model, "--limit", "1"),
            *("-o", str(tmp_path / "out")),
        )
        said = []
        for more in ((), (), ("--run", "second"), ("--name", "other")):
            assert main([*asked, *more]) == 0
            said.append("both will count as repeats" in capsys.readouterr().err)
    assert said == [False, True, False, False]
