"""Judge options and specifications: what is understood, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rubricbeat.judges.errors import ConfigError, UnknownNameError
from rubricbeat.judges.judge import Question, identity_of
from rubricbeat.judges.judge_options import make_judge, parse_judge_args
from rubricbeat.judges.verdict import Verdict


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("model=gpt-4.1", {"model": "gpt-4.1"}),
        # what reads as a number, a truth value or nothing elsewhere is a name here
        ("model=1.0", {"model": "1.0"}),
        ("model=007", {"model": "007"}),
        ("model=true", {"model": "true"}),
        ("model=none", {"model": "none"}),
        ("reasoning_effort=none", {"reasoning_effort": "none"}),
        ("reasoning_effort=null", {"reasoning_effort": None}),
        ("structured=none,max_tokens_name=auto", {"structured": "none", "max_tokens_name": "auto"}),
        ("temperature=none,top_p=None,request_seed=NULL",
         {"temperature": None, "top_p": None, "request_seed": None}),
        ("temperature=0,top_p=.5", {"temperature": 0, "top_p": 0.5}),
        ("max_tokens=1e3", {"max_tokens": 1000}),
        ("group_size=all", {"group_size": "all"}),
        ("group_size=4", {"group_size": 4}),
        ("look=false,logprobs=True", {"look": False, "logprobs": True}),
        ("store=none", {"store": False}),
        ("store=None,max_cost=none", {"store": False, "max_cost": None}),
        ("base_url=http://127.0.0.1:8000/v1?x=1", {"base_url": "http://127.0.0.1:8000/v1?x=1"}),
        ("prompt=it's, model = m ,", {"prompt": "it's", "model": "m"}),
        ('prompt="a, b=c"', {"prompt": "a, b=c"}),
        ("prompt='a, b'", {"prompt": "a, b"}),
        (
            'extra_body={"a": {"b": [1, "x,y", null, "}"]}, "c": "none"},model=m',
            {"extra_body": {"a": {"b": [1, "x,y", None, "}"]}, "c": "none"}, "model": "m"},
        ),
        ("extra_body={'top_k': 5}", {"extra_body": {"top_k": 5}}),
        ('{"model": "a,b", "request_seed": null}', {"model": "a,b", "request_seed": None}),
        ("", {}),
        (None, {}),
    ],
)  # fmt: skip
def test_a_value_has_the_type_of_the_option_that_receives_it(text, options):
    assert parse_judge_args("chat", text) == {"name": "chat", **options}


def test_lists_are_read_for_the_options_that_take_them():
    text = 'members=[{"name":"chat","model":"a,b"},"constant"],weights=[1, 2.5],quorum=none'
    assert parse_judge_args("jury", text) == {
        "name": "jury",
        "members": [{"name": "chat", "model": "a,b"}, "constant"],
        "weights": [1, 2.5],
        "quorum": None,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model", "neither key=value"),
        ("model=1,b", "'b' is not key=value"),
        ("model=1,model=2", "model is given twice"),
        ('{"model": "a", "model": "b"}', "'model' is given twice"),
        ('extra_body={"a": 1, "a": 2}', "'a' is given twice"),
        ("extra_body={oops}", "what follows extra_body= is not JSON"),
        ('extra_body={"a": 1,base_url=http://h/v1', "bracket { in extra_body is not closed"),
        ('prompt="a,base_url=http://h/v1', 'quote " in prompt is not closed'),
        ("members=[[1},2]", r"in members, \[ is closed by }"),
        ('prompt="a"b', "what follows prompt= is not JSON"),
        ('extra_body={"x": NaN}', "NaN is no number that JSON can carry"),
        ('extra_body={"x": -Infinity}', "-Infinity is no number"),
        ('extra_body={"x": 1e999}', "extra_body.x must be a finite number"),
        ("extra_body=x", "extra_body must be a JSON object"),
        ("temperature=hot", "temperature must be a number or none, not 'hot'"),
        ("temperature=nan", "temperature must be a number or none, not 'nan'"),
        ("max_tokens=2.5", "max_tokens must be a whole number or none, not '2.5'"),
        ("look=perhaps", "look must be true or false, not 'perhaps'"),
        ("base_url=", "base_url is empty"),
        ("max_cost=", "max_cost is empty"),
        ("store=", "store is empty"),
        ("store=a\0b", "no file can have such a name"),
        ("store=\ud800", "no file can have such a name"),
        ("name=replay", "give one of them"),
        ("nowhere.yaml", "nor a file"),
        ("x" * 5000, "nor a file"),
    ],
)
def test_what_cannot_be_read_is_one_line(text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse_judge_args("chat", text)
    assert "\n" not in str(caught.value)


def test_no_part_of_a_key_is_shown_where_its_option_cannot_be_read():
    for text in ('headers={"Authorization": "Bearer abc123', "headers={Authorization: abc123}"):
        with pytest.raises(ConfigError, match="headers") as caught:
            parse_judge_args("chat", text)
        assert "abc123" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "api_key=abc123",
        "key=abc123",
        "openai_api_key=abc123",
        "api_key_env=sk-abc123abc123abc123",
        "model=sk-abc123abc123abc123",
        'headers={"x-api-key": "abc123"}',
        'headers={"Authorization": "Bearer abc123"}',
    ],
)
def test_keys_are_refused_and_not_shown(text):
    with pytest.raises(ConfigError, match="environment") as caught:
        parse_judge_args("chat", text)
    assert "abc123" not in str(caught.value)


def test_a_limit_on_tokens_is_no_key():
    assert parse_judge_args("chat", "max_tokens=10")["max_tokens"] == 10


def test_yaml_files_are_read(tmp_path: Path):
    path = tmp_path / "judge.yaml"
    path.write_text("rule: mean\nmembers:\n  - name: chat\n    model: a\n  - constant\n")
    assert parse_judge_args("jury", str(path)) == {
        "name": "jury",
        "rule": "mean",
        "members": [{"name": "chat", "model": "a"}, "constant"],
    }
    path.write_text("- just\n- a list\n")
    with pytest.raises(ConfigError, match="no mapping"):
        parse_judge_args("jury", str(path))
    path.write_text("rule: mean\nrule: majority\n")
    with pytest.raises(ConfigError, match="line 2: 'rule' is written twice"):
        parse_judge_args("jury", str(path))
    path.write_text("rule: no\n")
    with pytest.raises(ConfigError, match="put it into quotes"):
        parse_judge_args("jury", str(path))
    path.write_text("a: [1\n")
    with pytest.raises(ConfigError, match="not YAML"):
        parse_judge_args("jury", str(path))


def test_yaml_gives_a_text_as_it_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    path = tmp_path / "judge.yaml"
    path.write_text(
        "model: 007\napi_version: 2024-10-21\ntemperature: 0.50\n"
        "headers: {x-version: 1.10, x-day: 2024-10-21}\nextra_body: {top_k: 010, top_p: 0.90}\n"
    )
    read = parse_judge_args("chat", str(path))
    assert json.loads(json.dumps(read)) == {
        "name": "chat",
        "model": "007",
        "api_version": "2024-10-21",
        "temperature": 0.5,
        "headers": {"x-version": "1.10", "x-day": "2024-10-21"},
        "extra_body": {"top_k": 8, "top_p": 0.9},  # 010 is octal in YAML
    }
    path.write_text("model: m\nheaders: {x-a: yes}\n")
    with pytest.raises(ConfigError, match=r"headers\.x-a must be text; put it into quotes"):
        parse_judge_args("chat", str(path))
    path.write_text("members: [{name: chat, model: 1.10}, {name: chat, model: 2024-10-21}]\n")
    jury = make_judge(parse_judge_args("jury", str(path)))
    assert [member.model for member in jury.members] == ["1.10", "2024-10-21"]


class Lenient:
    """A judge as a user might write it: options, no identity."""

    def __init__(self, share: float, label: str = "x") -> None:
        if share > 1:
            raise ValueError("share is above 1")
        self.share = share

    async def judge(self, question: Question) -> Verdict:
        return Verdict.of(True)


class Broken:
    """A judge whose making fails, in several lines."""

    def __init__(self) -> None:
        raise KeyError("my\nfile")

    async def judge(self, question: Question) -> Verdict:
        return Verdict.of(True)


class Plain:
    """A judge whose method gives no awaitable."""

    def judge(self, question: Question) -> Verdict:
        return Verdict.of(True)


PATH = f"{__name__}:Lenient"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())


def _this_module():
    import types

    module = types.ModuleType(__name__)
    module.Lenient = Lenient
    module.Broken = Broken
    module.Plain = Plain
    return module


def test_a_judge_without_identity_is_known_by_its_options():
    one = identity_of(make_judge({"name": PATH, "share": 0.5}))
    other = identity_of(make_judge({"name": PATH, "share": 0.6}))
    assert one.sampling == {"share": 0.5}
    assert one.digest != other.digest
    json.dumps(one.to_json())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": PATH}, "needs share"),
        ({"name": PATH, "share": 0.5, "lable": "y"}, "label"),
        ({"name": PATH, "share": 2}, "share is above 1"),
        ({"model": "x"}, "no name"),
        ({"name": "constant", "mett": True}, "met"),
        (f"{__name__}:Broken", "cannot be made: KeyError: 'my"),
        ("broken_on_purpose:Judge", "does not load: RuntimeError: not today"),
        ("ending_on_purpose:Judge", "does not load: SystemExit: 0"),
        (42, "no judge"),
        ("json:JSONDecoder", "no method"),
        ("json:nothing", "nothing"),
        ("no_such_module:Judge", "no module named"),
        ("my_judge.Mine", "a judge of your own is written my_judge:Mine$"),
        ("./my_judge.py", "a judge of your own is written my_judge:Class$"),
        ("sub/my_judge.py:Mine", "write sub.my_judge:Mine$"),
        ("gpt-4.1", "an endpoint's model is asked by 'chat' with model=NAME$"),
    ],
)
def test_wrong_judges_are_one_line(spec, words, tmp_path, monkeypatch):
    broken = tmp_path / "broken_on_purpose.py"
    broken.write_text("raise RuntimeError('not today')", encoding="utf-8")
    (tmp_path / "ending_on_purpose.py").write_text("raise SystemExit(0)", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=words) as caught:
        make_judge(spec)
    assert "\n" not in str(caught.value)


def test_unknown_names_suggest_the_near_ones():
    with pytest.raises(UnknownNameError, match="constant"):
        make_judge("constnt")


def test_a_number_is_text_where_text_is_wanted():
    judge = make_judge({"name": "chat", "model": 4, "base_url": "http://127.0.0.1:1/v1"})
    assert identity_of(judge).model == "4"


def test_a_plain_def_is_refused_before_anything_is_asked():
    for spec in ({"name": f"{__name__}:Plain"}, Plain()):
        with pytest.raises(ConfigError, match="async judge"):
            make_judge(spec)
