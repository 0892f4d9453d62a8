"""Soft actor-critic (SAC): learn actions that are numbers, on Gymnasium's tasks.

T. Haarnoja et al., "Soft actor-critic algorithms and applications", 2018, arXiv:1812.05905.  Networks and
hyperparameters are the defaults of stable-baselines3, and the learning rate its zoo's for Pendulum-v1.

python examples/sac.py [--env Pendulum-v1] [--steps 10000] [--seed 0] [--precision medium]
needs: pip install gymnasium
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import gymnasium
import numpy as np

import fastmlp
from fastmlp import Network, functional, optimizers

Array = np.ndarray

LEARNING_RATE = 1e-3
CAPACITY = 1_000_000  # steps that are remembered
BATCH = 256
RANDOM_STEPS = 100  # before the first update
GAMMA = 0.99  # what a reward is worth a step later
TAU = 0.005  # the share of the way that target networks go in a step
LOG_STD = (-20.0, 2.0)  # the range of the logarithm of the policy's standard deviation


def squashed_gaussian(outputs: Array, noise: Array) -> tuple[Array, Array]:
    """Actions a = tanh(u), u = mean + std noise, and the logarithms of their densities, (rows, 1).

    `outputs` (rows, 2 n) are the means and the logarithms of the standard deviations, `noise` (rows, n) is
    standard normal.  log p(a) = sum over n of log N(u; mean, std) - log(1 - tanh(u)^2).
    """
    n = noise.shape[1]
    mean, log_std = outputs[:, :n], outputs[:, n:].clip(*LOG_STD)
    u = mean + np.exp(log_std) * noise
    log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2) - u - functional.softplus(-2 * u))  # log(1 - tanh(u)^2), for great u too
    return np.tanh(u), (log_normal - log_slope).sum(axis=1, keepdims=True)


def squashed_gaussian_gradient(
    outputs: Array, noise: Array, actions: Array, d_actions: Array, d_log_probs: float
) -> Array:
    """The gradient with respect to `outputs`, from those with respect to actions and to each log p(a)."""
    log_std = outputs[:, noise.shape[1] :]
    clipped = log_std.clip(*LOG_STD)
    du = d_actions * (1 - actions**2) + 2 * d_log_probs * actions
    d_log_std = (du * noise * np.exp(clipped) - d_log_probs) * (clipped == log_std)
    return np.concatenate([du, d_log_std], axis=1)


class Memory:
    """Steps of the environment, the oldest of which are forgotten.

    Each is a row: observation, action, reward, 1 where an episode ended with it, observation after it.
    """

    def __init__(self, n_observations: int, n_actions: int) -> None:
        self.n_inputs = n_observations + n_actions  # of the critics
        self.steps = np.empty((CAPACITY, self.n_inputs + 2 + n_observations), np.float32)
        self.count = 0

    def add(self, *step: Any) -> None:
        self.steps[self.count % CAPACITY] = np.hstack(step)
        self.count += 1

    def sample(self, rng: np.random.Generator) -> tuple[Array, ...]:
        """Inputs of the critics, rewards, ends, and observations after them, of steps chosen at random."""
        steps, n = self.steps[rng.integers(min(self.count, CAPACITY), size=BATCH)], self.n_inputs
        return steps[:, :n], steps[:, n : n + 1], steps[:, n + 1 : n + 2], steps[:, n + 2 :]


class SAC:
    """An actor, two critics of its actions, slow copies of these, and the temperature of the entropy."""

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        self.env = gymnasium.wrappers.RescaleAction(env, np.float32(-1), np.float32(1))
        self.rng = np.random.default_rng(seed)
        self.n_observations, self.n_actions = env.observation_space.shape[0], env.action_space.shape[0]
        self.memory = Memory(self.n_observations, self.n_actions)
        self.actor = self._network(self.n_observations, 2 * self.n_actions, seed)
        inputs = self.n_observations + self.n_actions
        self.critics = [self._network(inputs, 1, seed + i) for i in (1, 2)]
        self.targets = [self._network(inputs, 1, seed + i) for i in (1, 2)]  # begin as copies
        self.log_alpha = np.zeros(1, np.float32)
        self.temperature = optimizers.Adam(LEARNING_RATE).on(self.log_alpha)
        self.observation, _ = self.env.reset(seed=seed)
        self.returns = [0.0]  # of the episodes, the last one under way

    def _network(self, inputs: int, outputs: int, seed: int) -> Network:
        net = Network([inputs, 256, 256, outputs], activation="relu", seed=seed)
        net.compile(optimizers.Adam(LEARNING_RATE))
        return net

    def _noise(self, rows: int) -> Array:
        return self.rng.standard_normal((rows, self.n_actions), np.float32)

    def act(self, observation: Array) -> Array:
        """A random action of the policy, each number from -1 to 1."""
        outputs = self.actor.predict(np.float32(observation)[None])
        return squashed_gaussian(outputs, self._noise(1))[0][0]

    def collect(self) -> None:
        """One step of the environment, which is remembered."""
        random = self.memory.count < RANDOM_STEPS
        action = self.rng.uniform(-1, 1, self.n_actions) if random else self.act(self.observation)
        following, reward, terminated, truncated, _ = self.env.step(action)
        self.memory.add(self.observation, action, reward, terminated, following)
        self.returns[-1] += float(reward)
        self.observation = following
        if terminated or truncated:
            self.observation, _ = self.env.reset()
            self.returns.append(0.0)

    def update(self) -> None:
        """A step of every network on steps of the environment chosen at random."""
        inputs, rewards, ends, following = self.memory.sample(self.rng)
        observations = inputs[:, : self.n_observations]
        alpha = math.exp(self.log_alpha[0])

        noise = self._noise(BATCH)
        outputs = self.actor(observations, training=True)
        actions, log_probs = squashed_gaussian(outputs, noise)
        entropy_gap = log_probs.mean(axis=0) - self.n_actions  # of the target entropy -n_actions
        self.temperature.step(-entropy_gap)

        y = rewards + GAMMA * (1 - ends) * self._soft_values(following, alpha)
        self._step_critics(inputs, y)

        d_actions = self._value_gradient(np.concatenate([observations, actions], axis=1))
        self.actor.zero_gradient()
        self.actor.backward(squashed_gaussian_gradient(outputs, noise, actions, d_actions, alpha / BATCH))
        self.actor.step()

        for target, critic in zip(self.targets, self.critics, strict=True):
            target.blend(critic, TAU)

    def _soft_values(self, observations: Array, alpha: float) -> Array:
        """min Q(s, a) - alpha log p(a) of the target networks, for an action a of the policy in each row."""
        actions, log_probs = squashed_gaussian(self.actor.predict(observations), self._noise(BATCH))
        X = np.concatenate([observations, actions], axis=1)
        first, second = (target.predict(X) for target in self.targets)
        return np.minimum(first, second) - alpha * log_probs

    def _step_critics(self, X: Array, y: Array) -> None:
        """Each critic's step by mean((Q - y)^2) / 2."""
        for critic in self.critics:
            Q = critic(X, training=True)
            critic.zero_gradient()
            critic.backward((Q - y) / BATCH)
            critic.step()

    def _value_gradient(self, X: Array) -> Array:
        """The gradient of -mean(min Q) with respect to the actions."""
        first, second = (critic(X, training=True) for critic in self.critics)
        smaller = first <= second
        share = np.float32(-1 / BATCH)
        dX, other_dX = (
            critic.backward(share * rows, inputs=True, parameters=False)
            for critic, rows in zip(self.critics, (smaller, ~smaller), strict=True)
        )
        return (dX + other_dX)[:, self.n_observations :]

    def learn(self, steps: int, verbose: bool = False) -> None:
        """So many steps of the environment, and an update after each of them but the first ones."""
        start = time.perf_counter()
        for done in range(1, steps + 1):
            self.collect()
            if self.memory.count > RANDOM_STEPS:
                self.update()
            if verbose and done % 1000 == 0:
                last = np.mean(self.returns[-6:-1]) if len(self.returns) > 1 else math.nan
                speed = done / (time.perf_counter() - start)
                print(f"{done} steps, {speed:.0f} a second: mean return of the last 5 episodes {last:.1f}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="Pendulum-v1", help="such as MountainCarContinuous-v0")
    parser.add_argument("--steps", type=int, default=10_000, help="of the environment (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of networks, actions and the task (default: 0)")
    parser.add_argument("--precision", default="highest", help="of matrix products: highest, high or medium")
    options = parser.parse_args(arguments)
    fastmlp.set_matmul_precision(options.precision)
    SAC(gymnasium.make(options.env), options.seed).learn(options.steps, verbose=True)


if __name__ == "__main__":
    main()
