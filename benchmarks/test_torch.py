"""One step of a converted policy, observation in and outputs out, beside the module it came from.

``pytest benchmarks/test_torch.py``; a group's number in brackets is the ratio to the faster one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastmlp.torch import from_torch

from .checks import assert_close

torch = pytest.importorskip("torch")
Array = np.ndarray[Any, Any]

# A pole on a cart and a running figure with six joints, in stable-baselines3's default widths.
POLICIES = {"4-64-64-2": (4, 64, 64, 2), "17-64-64-6": (17, 64, 64, 6)}


def actor(widths: tuple[int, ...]) -> Any:
    """Tanh units and a linear head, with orthogonal weights as the library begins with."""
    nn = torch.nn
    torch.manual_seed(0)
    layers: list[Any] = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
        nn.init.orthogonal_(layers[-2].weight, 2**0.5)
    return nn.Sequential(*layers[:-1]).eval()


def eager(module: Any) -> Callable[[Array], Array]:
    def act(observation: Array) -> Array:
        with torch.no_grad():
            return module(torch.from_numpy(observation)).numpy()

    return act


def script(module: Any) -> Callable[[Array], Array]:
    with torch.no_grad():
        example = torch.zeros(module[0].in_features)
        act = eager(torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, example))))
    for _ in range(3):  # the profiling executor settles in its first calls
        act(example.numpy())
    return act


WAYS = {
    "fastmlp": lambda module: from_torch(module).predict,
    "torch, eager": eager,
    "torch, script": script,
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("way", WAYS)
def test_policy_step(benchmark: Any, name: str, way: str) -> None:
    torch.set_num_threads(1)
    module = actor(POLICIES[name])
    observation = np.random.default_rng(0).standard_normal(POLICIES[name][0]).astype(np.float32)
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(observation).double()).numpy()
    act = WAYS[way](module.float())
    # At most 64 products a sum, three layers deep, outputs of a few units.
    assert_close(act(observation), expected, 3 * 64 * np.finfo(np.float32).eps)
    benchmark.group = f"policy step {name}, float32"
    benchmark(act, observation)
