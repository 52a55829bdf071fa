"""One Ray cluster for all tests of workers: it takes longer to start than they take to run."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def cluster():
    """Two nodes of one CPU each, in processes of their own; workers find our tests' environment."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
    # a node that is gone is given up after seconds; one that is slow, after a minute, as usual
    soon = {"health_check_period_ms": 500}
    for _ in range(3):  # Ray gives its helpers 15 s to start, too few on a machine that is busy
        try:
            started = Cluster(initialize_head=True, head_node_args={**head, "_system_config": soon})
            break
        except Exception as error:
            failed = error
    else:
        raise failed
    started.add_node(num_cpus=1, object_store_memory=10**8)
    yield started
    started.shutdown()
