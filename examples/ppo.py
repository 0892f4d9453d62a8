"""Proximal policy optimization (PPO): learn to choose actions, on Gymnasium's tasks with a few actions.

J. Schulman et al., "Proximal policy optimization algorithms", 2017, arXiv:1707.06347, with the advantages of
"High-dimensional continuous control using generalized advantage estimation", 2015, arXiv:1506.02438.
Networks and hyperparameters are the defaults of stable-baselines3.

python examples/ppo.py [--env CartPole-v1] [--steps 100000] [--seed 0]         needs: pip install gymnasium
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any, NamedTuple

import gymnasium
import numpy as np

import fastmlp
from fastmlp import Dense, Network, functional, optimizers

Array = np.ndarray

STEPS = 2048  # of the environment, between two updates
EPOCHS = 10  # of an update, over these steps
BATCH = 64
LEARNING_RATE = 3e-4
GAMMA = 0.99  # what a reward is worth a step later
LAMBDA = 0.95  # of the advantages: 0 trusts the critic, 1 the returns
CLIP = 0.2  # how far the ratio of probabilities may be from 1
ENTROPY = 0.0  # weights of the parts of the loss
VALUE = 0.5
MAX_NORM = 0.5  # of the gradients of both networks


class Rollout(NamedTuple):
    """What was seen, done and earned in some steps, one after the other."""

    observations: Array  # (steps + 1, n_observations) float32, with the one after the last step
    actions: Array  # (steps,) int
    rewards: Array  # (steps,) float32
    ends: Array  # (steps,) float32, 1 where an episode ended with the step


def generalized_advantages(rewards: Array, values: Array, ends: Array, gamma: float, lam: float) -> Array:
    """A[t] = delta[t] + gamma lam A[t + 1], delta[t] = r[t] + gamma V[t + 1] - V[t]; nothing follows an end.

    `values` has one more than `rewards`, that of the observation after the last step.
    """
    discounts = gamma * (1 - ends)
    deltas = rewards + discounts * values[1:] - values[:-1]
    advantages = np.empty_like(deltas)
    following = 0.0
    for t in reversed(range(len(deltas))):
        advantages[t] = following = deltas[t] + lam * discounts[t] * following
    return advantages


def policy_gradient(logits: Array, actions: Array, old_log_probs: Array, advantages: Array) -> Array:
    """The gradient of -mean(min(r A, clip(r, 1 - CLIP, 1 + CLIP) A)) - ENTROPY mean(H) by the logits.

    r is the ratio of an action's probability to what it was, H the entropy.  Where the clipped term is the
    smaller one it is constant.
    """
    rows = np.arange(len(actions))
    log_probs = functional.log_softmax(logits)
    probs = np.exp(log_probs)
    ratio = np.exp(log_probs[rows, actions] - old_log_probs)
    clipped = np.where(advantages > 0, ratio > 1 + CLIP, ratio < 1 - CLIP)
    towards = np.where(clipped, 0, ratio * advantages)  # d/d log p of the action
    gradient = probs * towards[:, None]  # d log p[a] / d logits = (1 at a) - p
    gradient[rows, actions] -= towards
    if ENTROPY:
        entropy = -(probs * log_probs).sum(axis=1, keepdims=True)
        gradient += ENTROPY * probs * (log_probs + entropy)
    return gradient / len(actions)


class PPO:
    """An actor, whose outputs are the logits of actions, and a critic that learns what follows them."""

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        self.env = env
        self.rng = np.random.default_rng(seed)
        self.actor = self._network(env.action_space.n, gain=0.01, seed=seed)
        self.critic = self._network(1, gain=1.0, seed=seed + 1)
        self.observation, _ = env.reset(seed=seed)
        self.returns = [0.0]  # of the episodes, the last one under way

    def _network(self, outputs: int, gain: float, seed: int) -> Network:
        hidden = Dense(64, "tanh", initializer=("orthogonal", math.sqrt(2)))
        head = Dense(outputs, initializer=("orthogonal", gain))
        net = Network([*self.env.observation_space.shape, hidden, hidden, head], seed=seed)
        net.compile(optimizers.Adam(LEARNING_RATE, epsilon=1e-5))
        return net

    def collect(self, steps: int) -> Rollout:
        """Steps of the environment by random actions of the policy, from where the last ones ended."""
        observations = np.empty((steps + 1, *self.env.observation_space.shape), np.float32)
        actions = np.empty(steps, np.int64)
        rewards, ends = np.zeros((2, steps), np.float32)
        noise = self.rng.gumbel(size=(steps, self.env.action_space.n))
        observations[0] = self.observation
        for t in range(steps):
            actions[t] = action = int((self.actor.predict(observations[t]) + noise[t]).argmax())
            observation, reward, terminated, truncated, _ = self.env.step(action)
            self.returns[-1] += reward
            if truncated and not terminated:  # the episode was cut, and would have gone on
                reward += GAMMA * float(self.critic.predict(np.float32(observation))[0])
            if terminated or truncated:
                observation, _ = self.env.reset()
                self.returns.append(0.0)
            rewards[t], ends[t], observations[t + 1] = reward, terminated or truncated, observation
        self.observation = observations[-1]
        return Rollout(observations, actions, rewards, ends)

    def update(self, rollout: Rollout) -> None:
        """Some epochs of steps of both networks on what was collected."""
        observations, actions = rollout.observations[:-1], rollout.actions
        log_probs = functional.log_softmax(self.actor.predict(observations))
        old_log_probs = log_probs[np.arange(len(actions)), actions]
        values = self.critic.predict(rollout.observations)[:, 0]
        advantages = generalized_advantages(rollout.rewards, values, rollout.ends, GAMMA, LAMBDA)
        returns = advantages + values[:-1]
        for _ in range(EPOCHS):
            order = self.rng.permutation(len(actions))
            shuffled = [array[order] for array in (observations, actions, old_log_probs, advantages, returns)]
            for first in range(0, len(order), BATCH):
                self._step(*[array[first : first + BATCH] for array in shuffled])

    def _step(
        self, X: Array, actions: Array, old_log_probs: Array, advantages: Array, returns: Array
    ) -> None:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        logits = self.actor(X, training=True)
        values = self.critic(X, training=True)
        self.actor.zero_gradient()
        self.critic.zero_gradient()
        self.actor.backward(policy_gradient(logits, actions, old_log_probs, advantages))
        self.critic.backward(2 * VALUE / len(X) * (values - returns[:, None]))  # VALUE mean((V - returns)^2)
        fastmlp.clip_gradients([self.actor, self.critic], MAX_NORM)
        self.actor.step()
        self.critic.step()

    def learn(self, steps: int, verbose: bool = False) -> None:
        """At least so many steps of the environment, and an update after every `STEPS`."""
        start = time.perf_counter()
        for done in range(STEPS, steps + STEPS, STEPS):
            self.update(self.collect(STEPS))
            if verbose:
                last = np.mean(self.returns[-21:-1]) if len(self.returns) > 1 else math.nan
                speed = done / (time.perf_counter() - start)
                print(f"{done} steps, {speed:.0f} a second: mean return of the last 20 episodes {last:.1f}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="CartPole-v1", help="a task with a few actions, such as Acrobot-v1")
    parser.add_argument("--steps", type=int, default=100_000, help="of the environment (default: 100000)")
    parser.add_argument("--seed", type=int, default=0, help="of networks, actions and the task (default: 0)")
    options = parser.parse_args(arguments)
    PPO(gymnasium.make(options.env), options.seed).learn(options.steps, verbose=True)


if __name__ == "__main__":
    main()
