"""Two judges of a user's own are never taken for one another."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from rubricbeat.judges.judge import identity_of
from rubricbeat.judges.options.own_code import code_digest, settings_digest

PLAIN = """
    from helpers import limit
    WORDS = {"yes", "no", "maybe", "perhaps"}

    class Mine:
        def __init__(self, share=0.5):
            self.share = share

        async def judge(self, question):
            return question in WORDS or limit() < self.share
"""
HELPERS = """
    def limit():
        return 0.25
"""


def made(folder: Path, text: str = PLAIN, helpers: str = HELPERS) -> type:
    """Import a judge from a folder, as if nothing of its names had been imported before."""
    folder.mkdir(exist_ok=True)
    modules = {"helpers": helpers, "my_judge": text}
    for name, source in modules.items():
        module = ModuleType(name)
        module.__file__ = str(folder / f"{name}.py")
        sys.modules[name] = module
        exec(compile(textwrap.dedent(source), module.__file__, "exec"), module.__dict__)
    kind: type = sys.modules["my_judge"].Mine
    return kind


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("helpers", "my_judge"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("< self.share", "> self.share"),
        ("0.5", "0.6"),
        ('"maybe"', '"never"'),
        ("limit() <", "1 + limit() <"),
    ],
)
def test_an_edit_makes_another_judge(tmp_path: Path, old: str, new: str) -> None:
    first = identity_of(made(tmp_path)())
    assert identity_of(made(tmp_path, PLAIN.replace(old, new))()).digest != first.digest


def test_an_edit_of_what_it_calls_makes_another_judge(tmp_path: Path) -> None:
    first = code_digest(made(tmp_path))
    assert code_digest(made(tmp_path, helpers=HELPERS.replace("0.25", "0.75"))) != first


def test_comments_and_places_change_nothing(tmp_path: Path) -> None:
    first = code_digest(made(tmp_path))
    assert code_digest(made(tmp_path, "\n\n    # a note\n" + PLAIN)) == first


def test_the_same_code_in_another_folder_is_the_same_judge(tmp_path: Path) -> None:
    assert code_digest(made(tmp_path / "a")) == code_digest(made(tmp_path / "b"))


def test_a_declared_version_stands_for_the_code(tmp_path: Path) -> None:
    versioned = PLAIN.replace("class Mine:", 'class Mine:\n        version = "7"')
    first = identity_of(made(tmp_path, versioned)())
    edited = identity_of(made(tmp_path, versioned.replace("<", ">"))())
    assert (first.version, first.digest) == ("7", edited.digest)


def test_the_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Sets have another order in each process; what is stored must be found again."""
    (tmp_path / "my_judge.py").write_text(textwrap.dedent(PLAIN))
    (tmp_path / "helpers.py").write_text(textwrap.dedent(HELPERS))
    code = (
        "import sys; sys.path.insert(0, '.'); from my_judge import Mine; "
        "from rubricbeat.judges.judge import identity_of; print(identity_of(Mine()).digest)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(said) == 1


@dataclass
class Counting:
    """A judge with a setting, a counter and a record of what it was asked."""

    share: float = 0.5
    terms: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    calls: int = 0

    async def judge(self, question: str) -> bool:
        self.calls += 1
        self.asked.append(question)
        return self.share > len(self.terms)


def test_settings_of_an_object_tell_it_apart() -> None:
    assert identity_of(Counting()).digest == identity_of(Counting()).digest
    assert identity_of(Counting(0.9)).digest != identity_of(Counting()).digest
    assert identity_of(Counting(terms=["a"])).digest != identity_of(Counting()).digest


def test_a_setting_that_is_changed_later_counts() -> None:
    judge = Counting()
    first = identity_of(judge).digest
    judge.share = 0.9
    assert identity_of(judge).digest != first


def test_counters_and_records_do_not_count() -> None:
    judge = Counting()
    first = identity_of(judge).digest
    judge.calls = 12
    judge.asked.append("q")
    assert identity_of(judge).digest == first


def test_a_key_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-made-up-0123456789")

    class Keyed:
        def __init__(self, key: str) -> None:
            self.key = key

    assert settings_digest(Keyed("sk-made-up-0123456789")) == ""
    assert settings_digest(Keyed("another")) != ""
