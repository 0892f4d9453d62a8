"""PPO and SAC of examples/ beside stable-baselines3: ``python -m benchmarks.reinforcement``.

The same tasks, networks and hyperparameters, one thread each.  First the speed, both in turn: the time of an
update alone, that is stable-baselines3's `train` and the examples' `update`, and steps of the environment a
second with all that belongs to them.  Then the returns: for every seed both learn, and are measured on the
same episodes, without noise in their actions.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch

import fastmlp

from .peers.clock import CLOCKS

EXAMPLES = Path(__file__).parents[1] / "examples"
EPISODES = range(1000, 1020)  # the seeds of those that are measured
# task, steps of the environment that are learned from, and those of a turn of the speed's
TASKS = {"PPO": ("CartPole-v1", 50_000, 2048), "SAC": ("Pendulum-v1", 5_000, 100)}
ASKED = {"PPO": 8, "SAC": 3}
SPEED = """\
|  | fastmlp, us an update | stable-baselines3 | ratio | asked for | fastmlp, steps a second | stable-baselines3 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""  # noqa: E501
RETURNS = """\
|  | fastmlp, mean return (lowest and highest seed) | stable-baselines3 |
| --- | ---: | ---: |"""

Clock = Callable[[], float]


def example(name: str) -> Any:
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Timed:
    """A function, and the seconds that its calls took."""

    def __init__(self, function: Callable[..., None], now: Clock) -> None:
        self.function, self.now = function, now
        self.seconds: list[float] = []

    def __call__(self, *arguments: Any, **options: Any) -> None:
        start = self.now()
        self.function(*arguments, **options)
        self.seconds.append(self.now() - start)


class Example:
    """fastmlp's side."""

    def __init__(self, name: str, env: Any, seed: int, now: Clock) -> None:
        self.agent = getattr(example(name.lower()), name)(env, seed)
        self.agent.update = self.update = Timed(self.agent.update, now)
        self.learn = self.agent.learn
        self.action_space = env.action_space

    def act(self, observation: Any) -> Any:
        outputs = self.agent.actor.predict(np.float32(observation))
        if hasattr(self.action_space, "n"):
            return int(outputs.argmax())
        high = self.action_space.high
        return np.tanh(outputs[: len(high)]) * high


class StableBaselines:
    """The other side."""

    def __init__(self, name: str, env: Any, seed: int, now: Clock) -> None:
        options = {} if name == "PPO" else {"learning_rate": example("sac").LEARNING_RATE}
        kind = getattr(stable_baselines3, name)
        self.model = kind("MlpPolicy", env, seed=seed, device="cpu", **options)
        self.model.train = self.update = Timed(self.model.train, now)

    def learn(self, steps: int) -> None:
        self.model.learn(steps, reset_num_timesteps=False)

    def act(self, observation: Any) -> Any:
        return self.model.predict(observation, deterministic=True)[0]


SIDES = (Example, StableBaselines)


def sides(name: str, seed: int, now: Clock) -> list[Example | StableBaselines]:
    return [side(name, gymnasium.make(TASKS[name][0]), seed, now) for side in SIDES]


def speed(name: str, rounds: int, now: Clock) -> list[tuple[float, float]]:
    """Seconds of an update and steps a second of both, medians; the first two turns are not counted."""
    both, turn = sides(name, 0, now), TASKS[name][2]
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 2):
        if number == 2:
            for side in both:
                side.update.seconds.clear()
        for side, rate in zip(both, rates, strict=True):
            start = now()
            side.learn(turn)
            rate.append(turn / (now() - start))
    updates = [statistics.median(side.update.seconds) for side in both]
    return list(zip(updates, [statistics.median(rate[2:]) for rate in rates], strict=True))


def speed_row(name: str, figures: list[tuple[float, float]]) -> str:
    (ours, our_steps), (theirs, their_steps) = figures
    ratio, asked = theirs / ours, ASKED[name]
    return (
        f"| {name}, {TASKS[name][0]} | {ours * 1e6:,.0f} | {theirs * 1e6:,.0f} | **{ratio:.1f}** | "
        f"{asked} {'yes' if ratio >= asked else 'no'} | {our_steps:,.0f} | {their_steps:,.0f} |"
    )


def mean_return(task: str, act: Callable[[Any], Any]) -> float:
    """Of the episodes that begin by `EPISODES`."""
    env = gymnasium.make(task)
    total = 0.0
    for seed in EPISODES:
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            total += float(reward)
            over = terminated or truncated
    return total / len(EPISODES)


def returns(name: str, seeds: int, now: Clock) -> list[list[float]]:
    """Of every seed after learning, for both."""
    task, steps, _ = TASKS[name]
    found: list[list[float]] = [[] for _ in SIDES]
    for seed in range(seeds):
        for side, each in zip(sides(name, seed, now), found, strict=True):
            side.learn(steps)
            each.append(mean_return(task, side.act))
        print(f"{name}, seed {seed}: {[each[-1] for each in found]}", file=sys.stderr, flush=True)
    return found


def return_row(name: str, figures: list[list[float]]) -> str:
    cells = [f"{statistics.mean(each):.1f} ({min(each):.1f} to {max(each):.1f})" for each in figures]
    return f"| {name}, {TASKS[name][0]}, {TASKS[name][1]:,} steps | {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> None:
    summary = (__doc__ or "").split(":")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reinforcement", description=summary)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each for the speed, 0: none")
    parser.add_argument("--seeds", type=int, default=5, help="that the returns are of, 0: none")
    parser.add_argument("--only", choices=list(TASKS), help="one of the two")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--precision", default="highest", help="of fastmlp's products")
    options = parser.parse_args(arguments)
    now = CLOCKS[options.clock]
    torch.set_num_threads(1)
    fastmlp.set_num_threads(1)
    fastmlp.set_matmul_precision(options.precision)
    names = [options.only] if options.only else list(TASKS)
    if options.rounds:
        print(SPEED)
        for name in names:
            print(speed_row(name, speed(name, options.rounds, now)), flush=True)
    if options.seeds:
        print("\n" + RETURNS)
        for name in names:
            print(return_row(name, returns(name, options.seeds, now)), flush=True)


if __name__ == "__main__":
    main()
