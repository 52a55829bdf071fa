"""Asks a `rubricbeat serve`, from the standard library alone.

    from rubricbeat import fetch_rewards

    values = fetch_rewards("http://127.0.0.1:8300", [row] * 4, answers, reward="hybrid")

This file imports nothing of rubricbeat: where a trainer has an environment of its own, a copy of
the file is enough. `fetch_rewards` gives numbers or raises; what is missing is never a number.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

TOKEN_VARIABLE = "RUBRICBEAT_TOKEN"
TIMEOUT_S = 600.0
"""Longest that a reply is waited for, all tries together; asked again after that, the server has in
its store what was graded meanwhile."""
TRIES = 6
"""Of a request that the server does not take now: it is busy, or not there for a moment."""
MAX_WAIT_S = 30.0
Row = Mapping[str, object] | str
"""A row with its rubric; or a prompt_id that the server knows (`--data`); or a row as JSON text."""


class ServingError(Exception):
    """The server refused a request, or could not be reached."""

    def __init__(self, message: str = "", status: int = 0, code: str = "") -> None:
        """Keep what the server said; status 0 where nothing came."""
        super().__init__(message)
        self.status = status
        self.code = code


class MissingVerdictsError(ServingError):
    """Some verdicts or rewards are missing; `results` holds the others, and None for these.

    Asked again, the server asks its judge for the missing ones alone.
    """

    def __init__(
        self, message: str = "", results: Sequence[Mapping[str, object]] = (), code: str = ""
    ) -> None:
        """Keep the results of all answers."""
        super().__init__(message, 0, code)
        self.results = tuple(results)


def fetch_rewards(
    url: str, rows: Sequence[Row], answers: Sequence[str | None], *, reward: str, **more: Any
) -> list[float]:
    """Give the reward of each answer.

    Args:
        url: Of the server, such as http://127.0.0.1:8300.
        rows: What each answer answers; neighbours that are equal are sent once.
        answers: As many; None where the model gave none.
        reward: One of the server's `--rewards`; `score` for the unclipped item score.
        more: As `fetch_grades` takes.

    Raises:
        MissingVerdictsError: A verdict of some answer is missing, or its reward.
        ServingError: The server refused, or could not be reached.
    """
    names = [] if reward == "score" else [reward]
    results = fetch_grades(url, rows, answers, verdicts=False, rewards=names, **more)
    values = [one["score"] if reward == "score" else one["rewards"][reward] for one in results]
    if any(value is None for value in values):
        raise MissingVerdictsError(f"an answer has no {reward}", results)
    return [float(value) for value in values]


def fetch_grades(
    url: str,
    rows: Sequence[Row],
    answers: Sequence[str | None],
    *,
    rewards: Sequence[str] | None = None,
    verdicts: bool = True,
    allow_missing: bool = False,
    token: str | None = None,
    timeout_s: float = TIMEOUT_S,
    tries: int = TRIES,
) -> list[dict[str, Any]]:
    """Get the score, the rewards and, on request, the verdicts of each answer.

    Args:
        url: Of the server.
        rows: What each answer answers.
        answers: As many.
        rewards: Names; None for all that the server gives, none for the score alone.
        verdicts: Whether each criterion's verdict is wanted.
        allow_missing: Give None for what is missing, and do not raise; the caller must look.
        token: Of the server; else that of RUBRICBEAT_TOKEN.
        timeout_s: Longest that the reply is waited for, all tries together.
        tries: How often a request is sent that the server does not take now.

    Raises:
        MissingVerdictsError: Something is missing, and that is not allowed.
        ServingError: The server refused, or could not be reached.
    """
    if len(rows) != len(answers):
        raise ValueError(f"{len(rows)} rows for {len(answers)} answers")
    if not answers:
        return []
    body: dict[str, object] = {"items": _items(rows, answers), "verdicts": verdicts}
    if rewards is not None:
        body["rewards"] = list(rewards)
    status, reply = post(url, "/v1/score", body, token=token, timeout_s=timeout_s, tries=tries)
    if not isinstance(reply, dict) or "items" not in reply:
        raise _error(status, reply)
    results = [answer for item in reply["items"] for answer in item["answers"]]
    if len(results) != len(answers):
        raise ServingError(f"{len(results)} results for {len(answers)} answers", status)
    if not reply["complete"] and not allow_missing:
        code = str(reply.get("error", {}).get("code", "missing_verdicts"))
        raise MissingVerdictsError(str(reply["why"]), results, code)
    return results


def post(
    url: str,
    path: str,
    body: object,
    *,
    token: str | None = None,
    timeout_s: float = TIMEOUT_S,
    tries: int = TRIES,
) -> tuple[int, object]:
    """Send JSON, and again where the server asks for that; give the status and the reply.

    Raises:
        ServingError: Nothing came after so many tries, or what came is no JSON.
    """
    last = ServingError(f"{url}: no reply within {timeout_s:g} s")
    end = time.monotonic() + timeout_s
    for attempt in range(max(1, tries)):
        wait_s = min(MAX_WAIT_S, 2.0 ** (attempt - 1)) if attempt else 0.0
        left_s = end - time.monotonic() - wait_s
        if left_s <= 0:
            break
        if attempt:
            time.sleep(wait_s)
        try:
            status, reply, goes_on = _post(url, path, body, token, left_s)
        except (OSError, http.client.HTTPException) as error:
            last = ServingError(f"{url}: {type(error).__name__}: {error}")
            continue
        if not goes_on:
            return status, reply
        last = _error(status, reply)
    raise last


def _post(
    url: str, path: str, body: object, token: str | None, timeout_s: float
) -> tuple[int, object, bool]:
    """Send once; the last of what comes back says whether the server wants it again.

    No proxy of the environment is used and no redirect followed: neither may see the token.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServingError(f"{url}: not a server address")
    is_plain = parts.scheme == "http"
    kind = http.client.HTTPConnection if is_plain else http.client.HTTPSConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout_s)
    headers = {"Content-Type": "application/json"}
    token = token or os.environ.get(TOKEN_VARIABLE, "").strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        data = json.dumps(body).encode("ascii")
        connection.request("POST", parts.path.rstrip("/") + path, body=data, headers=headers)
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    wants_it_again = response.status in (429, 503) and response.getheader("Retry-After") is not None
    try:
        return response.status, json.loads(said), wants_it_again
    except ValueError:
        if response.status == 503:  # full, or a proxy before it
            return response.status, None, True
        raise ServingError(f"{url}: not a reply of rubricbeat serve", response.status) from None


def _items(rows: Sequence[Row], answers: Sequence[str | None]) -> list[dict[str, object]]:
    """Put neighbours with one row together: the answers of a group are sent with it once."""
    items: list[dict[str, Any]] = []
    last: Row | None = None
    for row, answer in zip(rows, answers, strict=True):
        if items and (row is last or row == last):
            items[-1]["answers"].append(answer)
            continue
        is_id = isinstance(row, str) and not row.lstrip().startswith("{")
        items.append({"prompt_id" if is_id else "row": row, "answers": [answer]})
        last = row
    return items


def _error(status: int, reply: object) -> ServingError:
    said = reply.get("error", {}) if isinstance(reply, dict) else {}
    words = str(said.get("message") or f"status {status}")
    return ServingError(words, status, str(said.get("code", "")))
