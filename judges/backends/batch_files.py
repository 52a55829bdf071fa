"""What a Batch API job needs on disk: the requests sent, the batch they went into, what came back.

A batch lives up to a day on the provider's side, far longer than a process. Its id is written down
before anybody waits for it, so that a killed run finds its batch again instead of paying for
another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import ConfigError, StorePathError
from ..files import write_file


@dataclass(frozen=True, slots=True)
class Job:
    """One batch, as it is remembered."""

    batch_id: str
    input_file_id: str
    custom_ids: tuple[str, ...]
    """Every request in it."""


class JobFolder:
    """Remembers jobs in a folder, one file each, for their owner alone."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when the first job is kept."""
        self.folder = folder

    def jobs(self) -> list[Job]:
        """Read every job that is not over.

        Raises:
            StorePathError: A file is there and cannot be read.
        """
        if not self.folder.is_dir():
            return []
        found = []
        for path in sorted(self.folder.glob("*.job.json")):
            try:
                plain = json.loads(path.read_text(encoding="utf-8"))
                ids = tuple(map(str, plain["custom_ids"]))
                found.append(Job(str(plain["batch_id"]), str(plain["input_file_id"]), ids))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StorePathError(
                    f"{path}: cannot be read as a batch job ({error}); move it away, and its "
                    "requests are sent again"
                ) from error
        return found

    def keep(self, job: Job) -> None:
        """Write a job down.

        Raises:
            ConfigError: The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(self._path(job), json.dumps(asdict(job)))
        except OSError as error:
            raise ConfigError(f"batch folder {self.folder} cannot be written: {error}") from error

    def forget(self, job: Job) -> None:
        """Drop a job whose results have all been read; its file is renamed, not deleted."""
        path = self._path(job)
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(path.name.replace(".job.json", ".done.json")))

    def _path(self, job: Job) -> Path:
        name = hashlib.sha256(job.batch_id.encode()).hexdigest()[:16]
        return self.folder / f"{name}.job.json"


def custom_id(digest: str, body: Mapping[str, object], replicate: int) -> str:
    """Name a request by its content, so that it is known again after a restart."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    content = f"{digest}\n{replicate}\n{text}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:40]


def result_of(line: Mapping[str, object]) -> tuple[object, object]:
    """Give the status and the body of a result line; None where it holds none."""
    response = line.get("response")
    if not isinstance(response, Mapping):
        return None, None
    return response.get("status_code"), response.get("body")
