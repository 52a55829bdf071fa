"""`rubricbeat demo`: the page and the table on systems whose truth is known."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rubricbeat.harness.cli import main

# audit events cannot be switched off again: the hook is for a process of its own
OFFLINE = """
import sys
def refuse(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen"}:
        raise RuntimeError(event)
sys.addaudithook(refuse)
from rubricbeat.harness.cli import main
code = main(["demo", "--recorded", "-o", "new/page.html"])
heavy = {"torch", "transformers", "trl", "lm_eval", "xllamacpp"} & set(sys.modules)
sys.exit(code or ", ".join(sorted(heavy)) or 0)
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """Run the recorded demo once, without sockets: stdout, page and its folder."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, (folder / "new/page.html").read_text("utf-8"), folder


def test_the_recorded_demo_needs_no_model_no_socket_and_no_torch(
    shown: tuple[str, str, Path],
) -> None:
    _, page, folder = shown
    assert "SmolLM2-135M-Instruct" in page
    # the page alone, no folder of results beside it
    assert [path.name for path in folder.rglob("*")] == ["new", "page.html"]


def test_the_terminal_shows_truth_beside_measurement_and_what_comes_next(
    shown: tuple[str, str, Path],
) -> None:
    out, _, _ = shown
    head, *rows = out.splitlines()
    assert head.split()[:1] == ["system"]
    assert [row[0] for row in rows[:4]] == ["A", "B", "C", "D"]
    # true and measured scores of A, whose answers are the references
    assert re.search(r"reference answers +1\.00 +1\.00 ", rows[0])
    assert rows[4].startswith("SmolLM2-135M-Instruct  recorded answers")
    assert (
        "The judge finds the true order, A reference > B padded > C facts removed > D faulty."
        in out
    )
    assert out.splitlines()[-1].startswith("next: rubricbeat run --tasks healthbench_heart_demo ")


def test_the_page_prints_the_truth_and_says_what_is_seen(shown: tuple[str, str, Path]) -> None:
    _, page, _ = shown
    section = page[page.index('<section id="truth"') :]
    section = section[: section.index("</section>")]
    words = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    assert "their true scores are known, because the demo built the answers" in words
    assert "The judge finds the true order, A reference &gt; B padded" in words
    assert "padding does not win: B padded, 2.0 times as long as A reference" in words
    assert "The judge is wrong in 15 of 832 verdicts" in words
    assert section.count("not known") == 2  # true score and wrong verdicts of the local model
    assert "does not say which data file" not in page


def test_a_model_to_run_and_recorded_answers_exclude_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--recorded", "--gguf", "model.gguf"]) == 2
    assert "--gguf names a model to run" in capsys.readouterr().err


def test_no_conversation_at_all_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--recorded", "--limit", "0"]) == 2
    assert "'0' is not a number of conversations (1 or more)" in capsys.readouterr().err


def test_a_folder_is_given_a_page_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    assert main(["demo", "--recorded", "--limit", "2", "--output_path", str(folder)]) == 0
    (page,) = folder.rglob("report.html")
    assert page.as_uri() in capsys.readouterr().out
    data = page.parent / "data"
    n_lines = {file.stem: len(file.read_text("utf-8").splitlines()) for file in data.iterdir()}
    assert n_lines == {"rows": 2, "answers": 8, "truth": 8}  # four systems, two conversations


def test_a_page_that_cannot_be_written_is_refused_before_the_model_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    (tmp_path / "folder.html").mkdir()
    for place, why in (("file/page.html", "cannot write"), ("folder.html", "is a folder")):
        assert main(["demo", "-o", str(tmp_path / place)]) in {1, 2}
        said = capsys.readouterr().err
        assert why in said and "starting" not in said


def test_a_single_conversation_is_told_in_the_singular_and_without_an_error(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.html"
    assert main(["demo", "--recorded", "--limit", "1", "-o", str(page)]) == 0
    words = page.read_text("utf-8")
    assert "answer the same 1 conversation:" in words
    assert "verdicts is wrong, which is rare" in words and "where the truth is" not in words
