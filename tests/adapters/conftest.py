"""Engines that tests of the adapters start themselves, once for all of them."""

import pytest


@pytest.fixture(scope="session")
def dask_client():
    """A local cluster of two processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client
