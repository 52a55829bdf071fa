"""Starts Ray on this machine, or joins a cluster that is there; the only way in and out of it.

Ray Core, not Ray Data: our unit is a call that waits for an endpoint, not a block of rows; Ray Data
would run a whole block again where one answer is missing.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import ModuleType

from ...judges.errors import ConfigError

OBJECT_STORE_BYTES = 100 * 2**20
"""Rubrics and chunks are small; Ray would take a third of the memory."""
START_TRIES = 3
"""Of Ray on this machine; a cluster that is there is joined at once or not at all."""
MISSING = "--engine ray needs Ray, which is not installed: pip install 'rubricbeat[ray]'"


@contextlib.contextmanager
def ray_session(address: str | None, n_workers: int) -> Iterator[ModuleType]:
    """Give the `ray` module, connected.

    Args:
        address: Of a cluster; None starts one on this machine, which ends with the block.
        n_workers: Workers that a cluster started here must have room for.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached.
    """
    if find_spec("ray") is None:
        raise ConfigError(MISSING)
    # nothing is reported to anybody; and Ray must not hide GPUs from workers that ask for none
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # an error of a worker that is given up is told by us, once
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    ray = importlib.import_module("ray")
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    # an address of "local": without it, whatever cluster runs here or RAY_ADDRESS names
    own = {
        "num_cpus": max(n_workers, os.cpu_count() or 1),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    try:
        if address is not None:
            ray.init(address=address, **quiet)
        else:
            _start(ray, {"address": "local", **quiet, **own})
    except Exception as error:
        where = address or "this machine"
        said = " ".join(str(error).split())[:300]
        if address is not None and "RAY_AUTH" not in said:
            said += "; is it there, and is RAY_AUTH_MODE here as it is there? (docs/scale.md)"
        raise ConfigError(f"cannot use Ray at {where}: {said}") from error
    # Ray prints what happens to nodes on stdout, which is for results
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield ray
        finally:
            ray.shutdown()


def _start(ray: ModuleType, options: Mapping[str, object]) -> None:
    """Start Ray here; a busy machine may take longer than the 30 s that Ray gives its programs.

    Raises:
        Exception: Of whatever kind Ray raises, at the last try.
    """
    for n_left in reversed(range(START_TRIES)):
        try:
            ray.init(**options)
            return
        except Exception:
            ray.shutdown()  # forget the failed one; the programs that it started end with ours
            if not n_left:
                raise
