"""Where lm-eval's logs and progress bars go."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TextIO

from ..judges.errors import ConfigError


def quiet(verbosity: str) -> None:
    """Send logs to stderr, and progress bars to a terminal only.

    Args:
        verbosity: A level of `logging`, such as WARNING.

    Raises:
        ConfigError: It is none.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    level = logging.getLevelNamesMapping().get(verbosity)
    if level is None:
        raise ConfigError(f"--verbosity is {verbosity!r}; give INFO, WARNING or ERROR")
    import lm_eval.evaluator
    from lm_eval.utils import setup_logging

    # lm-eval asks git for the commit, and lets it complain where there is no repository (0.4.13)
    lm_eval.evaluator.get_git_commit_hash = _commit
    setup_logging(level)
    ours = logging.getLogger("rubricbeat")
    ours.setLevel(level)
    if not ours.handlers:
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("rubricbeat: %(message)s"))
        ours.addHandler(handler)


def _commit() -> str | None:
    """Name the commit of the working directory, None outside of a repository or without git."""
    try:
        asked = subprocess.run(
            ["git", "describe", "--always"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return asked.stdout.strip() or None


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is now, not to what it was when logging was set up."""

    @property
    def stream(self) -> TextIO:
        """Give stderr."""
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Keep to stderr."""
