"""What a model costs, and that an unknown price is never nothing."""

from __future__ import annotations

import pytest

from rubricbeat.judges.engine.ledger import Price, price_of
from rubricbeat.judges.errors import ConfigError


def test_cached_tokens_are_part_of_the_prompt():
    price = Price(input=2.0, cached=0.5, output=8.0)
    # 1,000,000 prompt tokens, 400,000 of them cached, 100,000 out: 1.2 + 0.2 + 0.8 dollars
    assert price.cost(1_000_000, 400_000, 100_000) == pytest.approx(2.2)


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-4.1-2025-04-14", "openai/gpt-oss-120b"])
def test_known_models_have_a_price(model):
    price = price_of(model)
    assert price is not None
    assert 0 < price.cached <= price.input < price.output


@pytest.mark.parametrize("model", ["", "gpt-4.1-made-up", "my-own"])
def test_unknown_models_have_none(model):
    assert price_of(model) is None


def test_the_users_file_goes_first(tmp_path, monkeypatch):
    own = tmp_path / "own.yaml"
    own.write_text("models:\n  gpt-4.1: {input: 1, output: 2}\n  my-own: {input: 0, output: 0}\n")
    assert price_of("gpt-4.1", str(own)) == Price(1.0, 1.0, 2.0)
    assert price_of("my-own", str(own)) == Price(0.0, 0.0, 0.0)
    assert price_of("gpt-4o", str(own)) is not None
    monkeypatch.setenv("RUBRICBEAT_PRICES", str(own))
    assert price_of("gpt-4.1-2025-04-14") == Price(1.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [1]", "a line for each model"),
        ("x: 1", "a line for each model"),
        ("{", "is not YAML"),
        ("models: {a: {input: 1}}", "model a: expected"),
        ("models: {a: {input: x, output: 1}}", "model a: input must be a number, not 'x'"),
        ("models: {a: {input: true, output: 1}}", "model a: input must be a number, not true"),
        ("models: {a: {input: [1], output: 1}}", "model a: input must be a number"),
        ("models: {a: {input: .inf, output: 1}}", "model a: input must be a finite number"),
        ("models: {a: {input: 1, output: null}}", "model a: prices must be numbers"),
        ("models: {a: {input: 1, cahced: 0.1, output: 1}}", "model a: expected {input: DOLLARS"),
        ("models: {a: {input: -1, output: 1}}", "must not be negative"),
        ("models: {a: 3}", "model a: expected"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, text, message):
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(ConfigError, match=message):
        price_of("a", str(own))


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the prices file"):
        price_of("a", str(tmp_path / "none.yaml"))
