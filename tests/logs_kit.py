"""Small logs of other programs, all of the same two questions, for tests of their readers.

The rubric is 5 points for naming rest and -3 for inventing a drug. Answer a meets the first alone
and is worth 5/5 = 1; answer b meets both and is worth (5 - 3)/5 = .4; the run is worth .7.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

SCORE = 0.7
CRITERIA = (("Names rest", 5), ("Invents a drug", -3))
MET = {"a": (True, False), "b": (True, True)}


def rubric() -> list[dict[str, Any]]:
    return [{"criterion": text, "points": points, "tags": []} for text, points in CRITERIA]


def question(name: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Sore leg {name}"}]


def judged(words: tuple[Any, Any], key: str = "criteria_met") -> list[dict[str, Any]]:
    """The rubric with a verdict in each entry."""
    return [
        {**entry, key: word, "explanation": f"because {at}"}
        for at, (entry, word) in enumerate(zip(rubric(), words, strict=True))
    ]


def write(path: Path, *rows: Any) -> Path:
    """Write one object as JSON, or several as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


# simple-evals


def simple_item(name: str, words: tuple[Any, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "score": 1.0 if name == "a" else 0.4,
        "usage": None,
        "rubric_items": judged(words or MET[name]),
        "prompt": question(name),
        "completion": [{"role": "assistant", "content": "Rest."}],
        "prompt_id": name,
        "completion_id": "c",
        **more,
    }


def simple_evals(folder: Path, items: list[Any], score: float | None = SCORE) -> Path:
    whole = {
        "score": score,
        "metrics": {},
        "htmls": [],
        "convos": [],
        "metadata": {"example_level_metadata": items},
    }
    return write(folder / "healthbench_m1_20260102_030405_allresults.json", whole)


# inspect


def inspect_header(**more: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "task": "inspect_evals/healthbench",
            "model": "openai/m1",
            "created": "2026-01-02T03:04:05",
            "packages": {"inspect_ai": "0.3.285"},
        },
        **more,
    }


def inspect_sample(
    name: str, words: tuple[Any, Any] | None = None, *, epoch: int = 1, key: str = "met"
) -> dict[str, Any]:
    """A sample as inspect_evals' HealthBench leaves it."""
    met = words or MET[name]
    return {
        "id": name,
        "epoch": epoch,
        "input": question(name),
        "output": {"choices": [{"message": {"role": "assistant", "content": "Rest."}}]},
        "metadata": {"prompt_id": name, "rubrics": rubric(), "example_tags": ["theme:hedging"]},
        "scores": {
            "healthbench_scorer": {
                "value": {"healthbench_score": {"a": 1.0, "b": 0.4}[name], "criteria_met": 1},
                "metadata": {"total_criteria": 2, "detailed_results": judged(met, key)},
            }
        },
    }


def inspect_eval(path: Path, samples: list[Any], header: Any = None, method: int = 8) -> Path:
    """A packed log; method 93 is Zstandard, as inspect writes it."""
    entries = {
        f"samples/{s['id']}_epoch_{s['epoch']}.json": json.dumps(s).encode() for s in samples
    }
    entries["header.json"] = json.dumps(header or inspect_header()).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    if method == 93:
        path.write_bytes(zstd_zip(entries))
        return path
    with zipfile.ZipFile(path, "w", method) as log:
        for name, data in entries.items():
            log.writestr(name, data)
    return path


def zstd_zip(entries: dict[str, bytes], *, frames: int = 1, lie: int = 0) -> bytes:
    """A zip whose entries are packed with Zstandard (method 93), which zipfile cannot write.

    Args:
        entries: Their bytes by name.
        frames: Frames that each is cut into.
        lie: Bytes that the index promises beyond what is there.
    """
    import pyarrow

    codec = pyarrow.Codec("zstd")
    body, index = b"", b""
    for name, data in entries.items():
        step = -(-len(data) // frames) or 1
        parts = [data[at : at + step] for at in range(0, len(data), step)]
        packed = b"".join(codec.compress(part, asbytes=True) for part in parts)
        sizes = (zlib.crc32(data), len(packed), len(data) + lie)
        common = struct.pack("<HHHHHIIIHH", 63, 0, 93, 0, 0, *sizes, len(name), 0)
        local = b"PK\x03\x04" + common + name.encode()
        index += b"PK\x01\x02" + struct.pack("<H", 63) + common
        index += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += local + packed
    n = len(entries)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, n, n, len(index), len(body), 0)
    return body + index + end


# evalscope


def evalscope_review(
    name: str, words: tuple[Any, Any] | None = None, *, index: int = 0
) -> dict[str, Any]:
    """A review as evalscope 1.14 leaves it, with every attempt of the judge."""
    attempts = [
        {
            "status": "success",
            "case_id": f"rubric_{at}",
            "judge_id": "judge-1",
            "repeat_id": 0,
            "parsed_value": {"explanation": f"because {at}", "criteria_met": word},
        }
        for at, word in enumerate(words or MET[name])
    ]
    return {
        "index": index,
        "target": None,
        "messages": [*question(name), {"role": "assistant", "content": "Rest."}],
        "sample_score": {
            "score": {
                "value": {"overall_score": {"a": 1.0, "b": 0.4}[name]},
                "prediction": "Rest.",
                "metadata": {"judge_attempts": attempts, "judge_observation_metadata": []},
            },
            "sample_id": index,
            "group_id": index,
            "sample_metadata": {
                "prompt_id": name,
                "prompt": question(name),
                "rubrics": rubric(),
                "example_tags": ["theme:hedging"],
            },
        },
    }


def evalscope_folder(folder: Path) -> Path:
    """An output folder with the two questions in two subsets."""
    run = folder / "20260102_030405"
    write(run / "reports" / "m1" / "health_bench.json", {"name": "m1@health_bench"})
    for at, (name, subset) in enumerate((("a", "hedging"), ("b", "global_health"))):
        path = run / "reviews" / "m1" / f"health_bench_{subset}.jsonl"
        write(path, evalscope_review(name, index=at))
    return folder


# promptfoo


def promptfoo_result(
    name: str, words: tuple[Any, Any] | None = None, *, provider: str = "openai:m1", **more: Any
) -> dict[str, Any]:
    """A result with two llm-rubric assertions, worth 5 and 3: promptfoo knows no penalties."""
    assertions = [
        {"type": "llm-rubric", "value": "Names rest", "weight": 5},
        {"type": "not-llm-rubric", "value": "Invents a drug", "weight": 3},
    ]
    met = words or (True, name == "a")
    return {
        "promptIdx": 0,
        "testIdx": 0 if name == "a" else 1,
        "testCase": {"vars": {"question": f"Sore leg {name}"}, "assert": assertions},
        "vars": {"question": f"Sore leg {name}"},
        "provider": {"id": provider, "label": ""},
        "prompt": {"raw": f"Sore leg {name}", "label": "{{question}}"},
        "response": {"output": "Rest."},
        "success": all(met),
        "score": 1,
        "gradingResult": {
            "pass": all(met),
            "score": 1,
            "reason": "All assertions passed",
            "componentResults": [
                {"pass": word, "score": 1, "reason": f"because {at}", "assertion": assertion}
                for at, (word, assertion) in enumerate(zip(met, assertions, strict=True))
            ],
        },
        **more,
    }


def promptfoo(path: Path, results: list[Any]) -> Path:
    whole = {
        "evalId": "eval-abc-2026-01-02T03:04:05",
        "results": {"version": 3, "timestamp": "2026-01-02T03:04:05Z", "results": results},
        "config": {"defaultTest": {"options": {"provider": "openai:judge"}}},
    }
    return write(path, whole)


# verifiers


def verifiers_row(name: str, words: tuple[Any, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A rollout of an environment that keeps its verdicts in a column beside `info`."""
    return {
        "example_id": 0 if name == "a" else 1,
        "prompt": question(name),
        "completion": [{"role": "assistant", "content": "Rest."}],
        "info": {
            "prompt_id": name,
            "criteria": [text for text, _ in CRITERIA],
            "points_list": [points for _, points in CRITERIA],
            "axes": ["accuracy", "accuracy"],
        },
        "reward": {"a": 1.0, "b": 0.4}[name],
        "reward_healthbench": {"a": 1.0, "b": 0.4}[name],
        "metrics": {"reward_healthbench": 1.0},
        "performance_by_rubric": [
            [
                {"criteria_met": word, "judge_explanation": f"because {at}"}
                for at, word in enumerate(words or MET[name])
            ]
        ],
        **more,
    }


def verifiers_folder(folder: Path, rows: list[Any]) -> Path:
    run = folder / "evals" / "healthbench--m1" / "1a2b3c4d"
    write(run / "metadata.json", {"env_id": "healthbench", "model": "m1", "date": "2026-01-02"})
    return write(run / "results.jsonl", *rows)


def verifiers_trace(
    name: str, words: tuple[str, str], score: float | None = None, **more: Any
) -> dict[str, Any]:
    """An episode of verifiers v1 with a rubric judge of two criteria."""
    asked = (
        "Task:\n```\nSore leg\n```\n\nCriteria:\n"
        "- rest: Names rest (answer one of, worst to best: no, yes)\n"
        "- doctor: Says when to see\na doctor (answer one of, worst to best: no, yes)\n\n"
        "For each criterion, answer under its exact name."
    )
    verdicts = [
        {"name": criterion, "reason": f"because {criterion}", "verdict": word}
        for criterion, word in zip(("rest", "doctor"), words, strict=True)
    ]
    mean = sum(word == "yes" for word in words) / 2
    trace = {
        "task": {"type": "T", "data": {"id": name, "prompt": f"Sore leg {name}"}},
        "agent": {"config": {"model": "m1"}, "name": "agent"},
        "nodes": [
            {"message": {"role": "user", "content": f"Sore leg {name}"}},
            {"message": {"role": "assistant", "content": "Rest."}, "sampled": True},
        ],
        "rewards": {"rubric": {"score": mean if score is None else score, "weight": 1.0}},
        "metrics": {"rubric/rest": 1.0},
        "info": {
            "judge_calls": [
                {
                    "name": "rubric",
                    "request": {"model": "j", "messages": [{"role": "user", "content": asked}]},
                    "response": {
                        "message": {
                            "role": "assistant",
                            "content": "Here: " + json.dumps({"verdicts": verdicts}),
                        }
                    },
                }
            ]
        },
        "ok": True,
        **more,
    }
    return {"id": "e", "env": {"id": "heart"}, "task": trace["task"], "traces": [trace], "ok": True}
