"""The actor of a reinforcement-learning library, converted: the same actions, ten times the steps a second.

The policy is built in PyTorch as stable-baselines3 builds its MlpPolicy: two layers of 64 tanh units
(`mlp_extractor.policy_net`) and a head (`action_net`) whose strongest output is the action.  It balances a
pole on a cart; here it learns that by imitating a linear controller, which takes a second.

python examples/reinforcement_learning_policy.py [--steps 5000]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import fastmlp

Array = np.ndarray
Actor = Callable[[Array], int]  # an observation to the number of an action

OBSERVATIONS, ACTIONS = 4, 2


# ---- the policy, as the library has it ----


class Extractor(nn.Module):
    """Hidden layers of the actor and of the critic."""

    def __init__(self) -> None:
        super().__init__()
        self.policy_net = nn.Sequential(nn.Linear(OBSERVATIONS, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.value_net = nn.Sequential(nn.Linear(OBSERVATIONS, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())


class Policy(nn.Module):
    """Actor and critic; the actor's head gives one logit for each action."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp_extractor = Extractor()
        self.action_net = nn.Linear(64, ACTIONS)
        self.value_net = nn.Linear(64, 1)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.action_net(self.mlp_extractor.policy_net(observations))


def taught_policy(steps: int = 300) -> Policy:
    """A policy that does what a linear controller does in random states."""
    torch.manual_seed(0)
    policy = Policy()
    states = torch.randn(1024, OBSERVATIONS) * torch.tensor([1.0, 1.0, 0.15, 0.8])
    actions = (states @ torch.tensor([0.3, 0.5, 6.0, 1.2]) > 0).long()
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(policy(states), actions).backward()
        optimizer.step()
    return policy.eval()


def converted(policy: Policy) -> fastmlp.Network:
    """The actor alone: its hidden layers and its head in the order that forward() has them."""
    actor = nn.Sequential(policy.mlp_extractor.policy_net, policy.action_net)
    return fastmlp.torch.from_torch(actor)


# ---- one step of each ----


def torch_actor(policy: Policy) -> Actor:
    actor = nn.Sequential(*policy.mlp_extractor.policy_net, policy.action_net)

    def act(observation: Array) -> int:
        with torch.no_grad():
            return int(actor(torch.from_numpy(observation)).argmax())

    return act


def fastmlp_actor(net: fastmlp.Network) -> Actor:
    logits = np.empty(ACTIONS, np.float32)
    predict = net.predict

    def act(observation: Array) -> int:
        predict(observation, logits)
        return int(logits[1] > logits[0])

    return act


# ---- the loop ----


def push(state: tuple[float, float, float, float], action: int) -> tuple[float, float, float, float]:
    """A fiftieth of a second of cart and pole under a force of 10 N to the left (0) or to the right (1).

    Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning control
    problems", 1983, without friction: a cart of 1 kg, a pole of 0.1 kg and 1 m.
    """
    x, speed, angle, turning = state
    sine, cosine = math.sin(angle), math.cos(angle)
    pushed = ((10.0 if action else -10.0) + 0.05 * turning * turning * sine) / 1.1
    turned = (9.8 * sine - cosine * pushed) / (0.5 * (4 / 3 - 0.1 * cosine * cosine / 1.1))
    moved = pushed - 0.05 * turned * cosine / 1.1
    return x + 0.02 * speed, speed + 0.02 * moved, angle + 0.02 * turning, turning + 0.02 * turned


def loop(act: Actor, steps: int) -> tuple[Array, Array]:
    """What was observed (steps, 4) and done (steps,); it begins anew whenever the pole has fallen."""
    observed = np.empty((steps, OBSERVATIONS), np.float32)
    done = np.empty(steps, np.int64)
    state = start = (0.0, 0.0, 0.05, 0.0)
    for i in range(steps):
        observation = observed[i]
        observation[:] = state
        done[i] = action = act(observation)
        state = push(state, action)
        if abs(state[2]) > 0.4 or abs(state[0]) > 2.4:
            state = start
    return observed, done


def compare(what: str, run: Callable[[Actor], object], actors: dict[str, Actor], steps: int) -> None:
    """Prints the microseconds of a step: in turn, the best of five, as a busy machine is slow for both."""
    best = dict.fromkeys(actors, math.inf)
    for _ in range(5):
        for name, act in actors.items():
            start = time.perf_counter()
            run(act)
            best[name] = min(best[name], (time.perf_counter() - start) / steps * 1e6)
    ratio = best["PyTorch"] / best["fastmlp"]
    print(
        f"{what}: "
        + ", ".join(f"{name} {figure:.2f} us" for name, figure in best.items())
        + f", {ratio:.0f} times"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5000, help="steps of a loop (default: 5000)")
    steps = parser.parse_args(arguments).steps
    torch.set_num_threads(1)  # more threads only slow a network of this size down

    policy = taught_policy()
    net = converted(policy)
    net.summary()

    actors = {"PyTorch": torch_actor(policy), "fastmlp": fastmlp_actor(net)}
    observed, done = loop(actors["PyTorch"], steps)
    again = np.array([actors["fastmlp"](observation) for observation in observed])
    if (again != done).any():
        raise SystemExit(f"{(again != done).sum()} of {steps} actions differ")
    print(f"\n{steps} observations, the same actions; greatest angle {np.abs(observed[:, 2]).max():.2f} rad")

    compare("one action", lambda act: [act(observation) for observation in observed], actors, steps)
    compare("a step of the loop", lambda act: loop(act, steps), actors, steps)


if __name__ == "__main__":
    main()
