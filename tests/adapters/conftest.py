"""Engines that tests of the adapters start themselves, once for all of them, and a setting of Keras."""

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


@pytest.fixture
def float64_is_float64(monkeypatch):
    """On most backends Keras rounds float64 to float32 after every operation, whatever a layer's dtype is."""
    pytest.importorskip("keras")
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
