"""The examples for other trainers, called as those call them, against a real server on loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_kit import CountingJudge
from pydantic import BaseModel
from serving_kit import TOKEN, LackingJudge, Served, row

from rubricbeat import MissingVerdictsError, ServingError
from rubricbeat.harness.serving import client
from rubricbeat.judges.grader import RuntimeOptions

TEXT = json.dumps(row(0))
VALUE = pytest.approx(-1 / 3)
"""Of any answer by the counting judge: 1 of 3 points earned, 2 lost."""


@pytest.fixture
def load(root: Path) -> Any:
    """Load an example by its name, as a trainer loads a file."""

    def loaded(name: str) -> Any:
        path = root / "examples" / "serving" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"example_{name}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # pydantic looks names of annotations up in the module
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.fixture
def served() -> Iterator[Served]:
    with Served(CountingJudge()) as one:
        yield one


@pytest.fixture
def lacking() -> Iterator[Served]:
    with Served(LackingJudge(2), RuntimeOptions(store=False, max_retries=0)) as one:
        yield one


# -- verl -----------------------------------------------------------------------------------


def verl_like(compute_score: Any, **named: Any) -> float:
    """Do what verl's rate-limited manager does around a score: every exception is 0.0."""

    async def run_single() -> float:
        try:
            result = await asyncio.wait_for(compute_score(**named), timeout=300.0)
            return float(result["score"])
        except TimeoutError:
            return 0.0
        except Exception:
            return 0.0

    return asyncio.run(run_single())


def test_verl_gets_a_score(load, served):
    verl = load("verl_reward")
    named: dict[str, Any] = {
        "data_source": "any",
        "solution_str": "Less coffee.",
        "ground_truth": TEXT,
        "extra_info": {"index": 3},
        "url": served.url,
        "reward_router_address": None,
    }
    assert verl_like(verl.compute_score, **named) == VALUE
    assert verl.compute_score_sync("any", "x", row(0), url=served.url) == {"score": VALUE}
    assert verl.compute_score_sync("any", "x", "made-up-1", url=served.url) == {"score": VALUE}


def test_what_verl_would_turn_into_0_ends_the_run(load, lacking):
    verl = load("verl_reward")
    named: dict[str, Any] = {"data_source": "", "solution_str": "a", "ground_truth": TEXT}
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for more in (
            {"url": lacking.url},  # a missing verdict
            {"url": lacking.url, "reward": "binary"},  # a reward that is not served
            {"url": nowhere, "timeout_s": 0.0},  # no server in time
        ):
            with pytest.raises(verl.NoRewardError):
                verl_like(verl.compute_score, **named, **more)
    assert not issubclass(verl.NoRewardError, Exception)
    assert verl.TIMEOUT_S < 300


# -- OpenRLHF -------------------------------------------------------------------------------


def test_openrlhf_gets_tensors(load, served, monkeypatch):
    openrlhf = load("openrlhf_reward")
    monkeypatch.setattr(openrlhf, "URL", served.url)
    found = openrlhf.reward_func(["Q: a</s>", "Q: b"], ["Q: ", "Q: "], [TEXT, "made-up-1"])
    assert found["rewards"].tolist() == [VALUE, VALUE]
    assert found["scores"].tolist() == [0.0, 0.0]  # outside of [0, 1]: clipped
    assert found["extra_logs"]["is_scored"].tolist() == [1.0, 1.0]


def test_openrlhf_stops_where_a_verdict_is_missing(load, lacking, monkeypatch):
    openrlhf = load("openrlhf_reward")
    monkeypatch.setattr(openrlhf, "URL", lacking.url)
    with pytest.raises(ServingError, match="verdicts are missing"):
        openrlhf.reward_func(["a"], [""], [TEXT])


def test_openrlhf_by_its_address_alone_may_carry_the_token():
    # requests and aiohttp send what stands before the @ of an address as Basic
    import aiohttp

    async def posted(url: str) -> Any:
        body = {"query": ["a"], "prompts": [""], "labels": [TEXT]}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
            reply.raise_for_status()
            return await reply.json()

    with Served(CountingJudge(), token=TOKEN) as one:
        place = one.url.removeprefix("http://")
        found = asyncio.run(posted(f"http://any:{TOKEN}@{place}/v1/openrlhf"))
        with pytest.raises(aiohttp.ClientResponseError, match="401"):
            asyncio.run(posted(f"http://{place}/v1/openrlhf"))
    assert found["rewards"] == [VALUE]


# -- slime ----------------------------------------------------------------------------------


def test_slime_gets_a_number_or_those_of_a_group(load, served):
    slime = load("slime_reward")
    args = SimpleNamespace(rm_url=served.url)
    samples = [SimpleNamespace(prompt="", response=text, label=TEXT) for text in "ab"]
    assert asyncio.run(slime.reward_func(args, samples[0], evaluation=True)) == VALUE
    assert asyncio.run(slime.reward_func(args, samples)) == [VALUE, VALUE]


def test_slime_stops_where_a_verdict_is_missing(load, lacking):
    slime = load("slime_reward")
    sample = SimpleNamespace(prompt="", response="a", label=TEXT)
    with pytest.raises(MissingVerdictsError):
        asyncio.run(slime.reward_func(SimpleNamespace(rm_url=lacking.url), sample))


# -- NeMo-Gym -------------------------------------------------------------------------------


class JudgeError(Exception):
    """Stands for NeMo-Gym's."""


@pytest.fixture
def nemo_gym(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for what the example imports, with the fields that its classes declare."""

    class Config(BaseModel):
        name: str = "rubric"

    class Request(BaseModel):
        responses_create_params: dict[str, Any]
        response: dict[str, Any]

    class Response(Request):
        reward: float

    class Server(BaseModel):
        config: Config

    base = types.ModuleType("nemo_gym.base_resources_server")
    base.BaseResourcesServerConfig = Config  # type: ignore[attr-defined]
    base.BaseVerifyRequest = Request  # type: ignore[attr-defined]
    base.BaseVerifyResponse = Response  # type: ignore[attr-defined]
    base.SimpleResourcesServer = Server  # type: ignore[attr-defined]
    judge = types.ModuleType("nemo_gym.judge")
    judge.JudgeError = JudgeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nemo_gym", types.ModuleType("nemo_gym"))
    monkeypatch.setitem(sys.modules, base.__name__, base)
    monkeypatch.setitem(sys.modules, judge.__name__, judge)


def rollout(gym: Any, *texts: str) -> Any:
    """Give a request whose response holds reasoning and messages of these texts."""
    messages = [
        {"type": "message", "content": [{"type": "output_text", "text": text}]} for text in texts
    ]
    return gym.RubricVerifyRequest(
        responses_create_params={"input": []},
        response={"output": [{"type": "reasoning", "summary": []}, *messages]},
        rubric_row=row(0),
    )


@pytest.mark.usefixtures("nemo_gym")
def test_nemo_gym_gets_the_request_back_with_its_reward(load, served):
    gym = load("nemo_gym_app")
    server = gym.RubricServer(config=gym.RubricConfig(url=served.url))
    request = rollout(gym, "first", "Less coffee.")
    found = asyncio.run(server.verify(request))
    assert found.reward == VALUE
    assert found.response == request.response
    assert {answer for _, answer, _, _ in served.grader.judge.asked} == {"Less coffee."}


@pytest.mark.usefixtures("nemo_gym")
def test_nemo_gym_is_told_that_the_judge_failed_where_a_verdict_is_missing(load, lacking, served):
    gym = load("nemo_gym_app")
    server = gym.RubricServer(config=gym.RubricConfig(url=lacking.url))
    with pytest.raises(JudgeError, match="verdicts are missing"):
        asyncio.run(server.verify(rollout(gym, "a")))
    whole = gym.RubricServer(config=gym.RubricConfig(url=served.url))
    with pytest.raises(JudgeError, match="MissingVerdictsError"):
        asyncio.run(whole.verify(rollout(gym)))  # the model gave no message


# -- verifiers ------------------------------------------------------------------------------


@pytest.fixture
def verifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for verifiers' decorator, where verifiers is not installed."""

    def reward(function: Any) -> Any:
        function.reward = True
        return function

    v1 = types.ModuleType("verifiers.v1")
    v1.reward = reward  # type: ignore[attr-defined]
    package = types.ModuleType("verifiers")
    package.v1 = v1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "verifiers", package)
    monkeypatch.setitem(sys.modules, "verifiers.v1", v1)


@pytest.mark.usefixtures("verifiers")
def test_verifiers_gets_a_float_and_a_missing_verdict_raises(load, served, lacking):
    mixed_in = load("verifiers_task").ServedRubric

    class Task(mixed_in):  # type: ignore[misc, valid-type]
        rubric_url = served.url
        data = SimpleNamespace(rubric_row=row(0))

    class LackingTask(Task):
        rubric_url = lacking.url

    trace = SimpleNamespace(last_reply="a", info={})
    assert Task.rubric.reward is True
    assert asyncio.run(Task().rubric(trace)) == VALUE
    assert trace.info == {}
    with pytest.raises(MissingVerdictsError):
        asyncio.run(LackingTask().rubric(trace))
    assert "verdicts are missing" in trace.info["rubric_missing"]


def test_the_client_may_be_copied_to_where_rubricbeat_is_not(tmp_path, served):
    copied = tmp_path / "client.py"
    copied.write_text(Path(client.__file__).read_text("utf-8"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("copied_client", copied)
    assert spec is not None and spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.fetch_rewards(served.url, [row(0)], ["a"], reward="score") == [VALUE]
