"""Engines that tests of the adapters start themselves, once for all of them."""

import pytest

# Workers live as long as the session, and would spend processor time on statistics of themselves.
SELDOM = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}


@pytest.fixture(scope="session")
def dask_client():
    """A local cluster of two processes of one thread each, which look at themselves seldom."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        dask.config.set(SELDOM),
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
