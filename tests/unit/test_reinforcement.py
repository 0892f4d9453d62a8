"""The examples of reinforcement learning: formulas against plain loops and differences, and that they run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastmlp
from helpers import assert_same_bits

gymnasium = pytest.importorskip("gymnasium")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str) -> ModuleType:
    """A module of its own, whose constants may be changed."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def short_ppo():
    ppo = example("ppo")
    ppo.STEPS, ppo.EPOCHS = 128, 2
    return ppo


def short_sac():
    sac = example("sac")
    sac.CAPACITY, sac.BATCH, sac.RANDOM_STEPS = 64, 16, 20
    return sac


# ---- PPO ----


def test_generalized_advantages_are_sums_of_what_follows_in_an_episode():
    rng = np.random.default_rng(0)
    rewards, values = rng.standard_normal(40), rng.standard_normal(41)
    ends = (rng.random(40) < 0.15).astype(float)
    assert 2 < ends.sum() < 20
    gamma, lam = 0.9, 0.8
    expected = np.zeros(40)
    for t in range(40):
        factor = 1.0
        for i in range(t, 40):
            following = 0.0 if ends[i] else values[i + 1]
            expected[t] += factor * (rewards[i] + gamma * following - values[i])
            if ends[i]:
                break
            factor *= gamma * lam
    advantages = example("ppo").generalized_advantages(rewards, values, ends, gamma, lam)
    np.testing.assert_allclose(advantages, expected, rtol=1e-12)


@pytest.mark.parametrize("entropy_weight", [0.0, 0.3])
def test_policy_gradient_is_that_of_the_clipped_objective(entropy_weight):
    ppo = example("ppo")
    ppo.ENTROPY = entropy_weight
    rng = np.random.default_rng(1)
    logits, advantages = rng.standard_normal((30, 3)), rng.standard_normal(30)
    actions = rng.integers(3, size=30)

    def log_probs(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    old = log_probs(logits)[np.arange(30), actions] + 0.4 * rng.standard_normal(30)

    def loss(logits):
        log_p = log_probs(logits)
        ratio = np.exp(log_p[np.arange(30), actions] - old)
        assert (ratio > 1.2).any() and (ratio < 0.8).any()
        clipped = np.minimum(ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages)
        return -clipped.mean() + entropy_weight * (np.exp(log_p) * log_p).sum(axis=1).mean()

    expected = np.empty_like(logits)
    for place in np.ndindex(logits.shape):
        h = np.zeros_like(logits)
        h[place] = 1e-6
        expected[place] = (loss(logits + h) - loss(logits - h)) / 2e-6
    gradient = ppo.policy_gradient(logits, actions, old, advantages)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-9)


def test_ppo_learns_to_balance(capsys):
    ppo = example("ppo")
    agent = ppo.PPO(gymnasium.make("CartPole-v1"), seed=0)
    agent.learn(8192)
    assert len(agent.returns) > 100
    assert np.mean(agent.returns[-21:-1]) > 1.5 * np.mean(agent.returns[:50])


def test_a_rollout_goes_on_where_the_last_one_ended_and_values_what_was_cut():
    ppo = short_ppo()
    env = gymnasium.make("CartPole-v1", max_episode_steps=10)
    agent = ppo.PPO(env, seed=1)
    first, second = agent.collect(30), agent.collect(30)
    assert_same_bits(first.observations[-1], second.observations[0])
    cut = np.flatnonzero(np.concatenate([first.rewards, second.rewards]) != 1)
    ends = np.flatnonzero(np.concatenate([first.ends, second.ends]))
    assert len(ends) >= 6 and len(cut) > 0
    assert set(cut) <= set(ends)


@pytest.mark.parametrize("task", ["CartPole-v1", "Acrobot-v1"])
def test_ppo_runs_and_follows_from_the_seed(task, capsys):
    ppo = short_ppo()
    ppo.main(["--env", task, "--steps", "256"])
    assert capsys.readouterr().out.count("mean return") == 2
    agents = [ppo.PPO(gymnasium.make(task), seed) for seed in (3, 3, 4)]
    begin = agents[0].actor.get_weights()
    for agent in agents:
        agent.learn(256)
        assert agent.actor.plan.step == agent.critic.plan.step == 8
    weights = [agent.actor.get_weights() for agent in agents]
    assert_same_bits(weights[0], weights[1])
    assert (weights[0][0] != weights[2][0]).any() and (weights[0][0] != begin[0]).any()


# ---- SAC ----


def test_squashed_gaussian_gradient_is_that_of_its_numbers():
    sac = example("sac")
    sac.LOG_STD = (-1.0, 1.0)
    rng = np.random.default_rng(2)
    outputs, noise, d_actions = rng.standard_normal((20, 4)), *rng.standard_normal((2, 20, 2))
    outputs[:, 2:] *= 2
    assert (abs(outputs[:, 2:]) > 1).any()

    def loss(outputs):
        actions, log_probs = sac.squashed_gaussian(outputs, noise)
        return (actions * d_actions).sum() + 0.7 * log_probs.sum()

    expected = np.empty_like(outputs)
    for place in np.ndindex(outputs.shape):
        h = np.zeros_like(outputs)
        h[place] = 1e-6
        expected[place] = (loss(outputs + h) - loss(outputs - h)) / 2e-6
    actions, _ = sac.squashed_gaussian(outputs, noise)
    gradient = sac.squashed_gaussian_gradient(outputs, noise, actions, d_actions, 0.7)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


def test_the_memory_forgets_the_oldest_steps():
    sac = short_sac()
    memory = sac.Memory(2, 1)
    for i in range(100):
        memory.add([i, i + 0.25], [-i], 10 * i, i % 2 == 1, [i + 1, i + 1.25])
    inputs, rewards, ends, following = memory.sample(np.random.default_rng(0))
    i = inputs[:, :1]
    assert 36 <= i.min() < i.max() < 100
    np.testing.assert_array_equal(inputs, np.hstack([i, i + 0.25, -i]))
    np.testing.assert_array_equal(rewards, 10 * i)
    np.testing.assert_array_equal(ends, i % 2)
    np.testing.assert_array_equal(following, np.hstack([i + 1, i + 1.25]))


@pytest.mark.parametrize("task", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_sac_runs_and_follows_from_the_seed(task):
    sac = short_sac()
    agents = [sac.SAC(gymnasium.make(task), seed) for seed in (3, 3, 4)]
    begin = agents[0].targets[0].get_weights()
    for agent in agents:
        agent.learn(30)
        assert agent.actor.plan.step == agent.critics[1].plan.step == 10
    weights = [agent.actor.get_weights() for agent in agents]
    assert_same_bits(weights[0], weights[1])
    assert (weights[0][0] != weights[2][0]).any()
    target, critic = (net.get_weights()[0] for net in (agents[0].targets[0], agents[0].critics[0]))
    assert 0 < abs(target - begin[0]).max() < 0.1 * abs(critic - begin[0]).max()


def test_sac_speaks_every_thousand_steps(capsys):
    sac = short_sac()
    sac.RANDOM_STEPS = 1000
    sac.main(["--steps", "1000"])
    assert "1000 steps" in capsys.readouterr().out


def test_sac_by_products_of_another_precision(monkeypatch):
    sac, made = short_sac(), []
    monkeypatch.setattr(sac.SAC, "learn", lambda agent, *arguments, **options: made.append(agent))
    try:
        sac.main(["--precision", "medium"])
    finally:
        fastmlp.set_matmul_precision("highest")
    assert {net.matmul_precision for net in (made[0].actor, *made[0].critics, *made[0].targets)} == {"medium"}
