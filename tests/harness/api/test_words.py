"""What a command says, said to one who has no command line."""

from __future__ import annotations

import pytest

from rubricbeat.harness.api.asked import judge_asked
from rubricbeat.harness.api.words import in_python, saying_it_in_python
from rubricbeat.judges.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("needs x: --judge_args x=VALUE", "needs x: x=VALUE"),
        ("use another, such as --judge chat", "use another, such as judge='chat'"),
        ("of some answers (--gold; 200", "of some answers (gold=; 200"),
        ("--gold a.jsonl: no such file", "gold a.jsonl: no such file"),
        ("--columns prompt=q chooses", "columns={'prompt': 'q'} chooses"),
        ("of the rows of --data", "of the rows of data="),
    ],
)
def test_a_flag_becomes_the_argument(text, said):
    assert in_python(text, None) == said


def test_an_error_is_said_in_python_and_stays_the_same_error():
    fault = ConfigError("give --allow_different to go on, or --until_width 0.1")
    with pytest.raises(ConfigError) as caught, saying_it_in_python():
        raise fault
    assert caught.value is fault
    assert str(fault) == "give allow_different=True to go on, or until_width 0.1"


def test_a_name_of_no_judge_is_a_model_behind_an_endpoint():
    assert judge_asked("some-model") == {"name": "chat", "model": "some-model"}
