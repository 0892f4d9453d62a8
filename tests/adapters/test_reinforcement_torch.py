"""The steps of PPO and SAC in the examples, beside the same losses in PyTorch."""

from __future__ import annotations

import functools
import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

import fastmlp

torch = pytest.importorskip("torch")
gymnasium = pytest.importorskip("gymnasium")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROWS, STEPS = 32, 3


def example(name):
    """A module of its own, with networks in float64."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Network = functools.partial(fastmlp.Network, dtype="float64")
    return module


def modules(*nets):
    return [fastmlp.torch.to_torch(net) for net in nets]


def assert_changed_alike(nets, theirs, before):
    """Within 1e-4 of the change."""
    for net, module, old in zip(nets, theirs, before, strict=True):
        ours = [p.detach().numpy() for p in fastmlp.torch.to_torch(net).parameters()]
        for a, b, start in zip(ours, module.parameters(), old.parameters(), strict=True):
            expected, start = b.detach().numpy(), start.detach().numpy()
            change = abs(expected - start).max()
            assert change > 0
            assert abs(a - expected).max() < 1e-4 * change


def test_log_probabilities_are_those_of_torch_distributions():
    sac = example("sac")
    rng = np.random.default_rng(0)
    outputs, noise = 2 * rng.standard_normal((50, 6)), rng.standard_normal((50, 3))
    mean, log_std = torch.from_numpy(outputs).split(3, dim=1)
    normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
    squashed = torch.distributions.TransformedDistribution(
        normal, torch.distributions.TanhTransform(cache_size=1)
    )
    u = normal.loc + normal.scale * torch.from_numpy(noise)
    expected = squashed.log_prob(squashed.transforms[0](u)).sum(dim=1, keepdim=True)
    actions, log_probs = sac.squashed_gaussian(outputs, noise)
    assert expected.abs().min() > 1e-3 and abs(u).max() > 5
    np.testing.assert_allclose(actions, torch.tanh(u).numpy(), rtol=1e-12)
    np.testing.assert_allclose(log_probs, expected.numpy(), rtol=1e-10)


def test_a_step_of_ppo():
    ppo = example("ppo")
    ppo.ENTROPY = 0.02
    agent = ppo.PPO(gymnasium.make("Acrobot-v1"), seed=0)
    nets = [agent.actor, agent.critic]
    actor, critic = theirs = modules(*nets)
    before = modules(*nets)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, ppo.LEARNING_RATE, eps=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        X, actions = rng.standard_normal((ROWS, 6)), rng.integers(3, size=ROWS)
        old = np.log(1 / 3) + 0.3 * rng.standard_normal(ROWS)
        advantages, returns = rng.standard_normal((2, ROWS)) * 3 + 1
        agent._step(X, actions, old, advantages, returns)

        policy = torch.distributions.Categorical(logits=actor(torch.from_numpy(X)))
        ratio = (policy.log_prob(torch.from_numpy(actions)) - torch.from_numpy(old)).exp()
        A = torch.from_numpy(advantages)
        A = (A - A.mean()) / A.std(unbiased=False)
        loss = -torch.min(ratio * A, ratio.clamp(0.8, 1.2) * A).mean() - 0.02 * policy.entropy().mean()
        values = critic(torch.from_numpy(X))[:, 0]
        loss = loss + 0.5 * torch.nn.functional.mse_loss(values, torch.from_numpy(returns))
        optimizer.zero_grad()
        loss.backward()
        assert torch.nn.utils.clip_grad_norm_(parameters, 0.5) > 0.5
        optimizer.step()
    assert_changed_alike(nets, theirs, before)


def sac_actions(actor, X, noise):
    """Of a policy, and their log probabilities."""
    mean, log_std = actor(torch.from_numpy(X)).chunk(2, dim=1)
    normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
    u = mean + normal.scale * torch.from_numpy(noise)
    log_probs = normal.log_prob(u) - torch.log1p(-(torch.tanh(u) ** 2))
    return torch.tanh(u), log_probs.sum(dim=1, keepdim=True)


def smaller_value(critics, X, actions):
    both = [critic(torch.cat([torch.from_numpy(X), actions], dim=1)) for critic in critics]
    return torch.min(*both)


def test_updates_of_sac(monkeypatch):
    sac = example("sac")
    sac.BATCH = ROWS
    agent = sac.SAC(gymnasium.make("Pendulum-v1"), seed=0)
    nets = [agent.actor, *agent.critics, *agent.targets]
    actor, *others = theirs = modules(*nets)
    critics, targets = others[:2], others[2:]
    before = modules(*nets)
    log_alpha = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    rates = {"lr": sac.LEARNING_RATE}
    optimizers = [torch.optim.Adam(module.parameters(), **rates) for module in (actor, *critics)]
    temperature = torch.optim.Adam([log_alpha], **rates)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        X, following = rng.standard_normal((2, ROWS, 3))
        actions, rewards = rng.uniform(-1, 1, (2, ROWS, 1))
        ends = (rng.random((ROWS, 1)) < 0.3).astype(float)
        noises = rng.standard_normal((2, ROWS, 1))
        given = itertools.chain(noises)
        monkeypatch.setattr(agent, "_noise", lambda rows, given=given: next(given))
        batch = (np.hstack([X, actions]), rewards, ends, following)
        monkeypatch.setattr(agent.memory, "sample", lambda rng, batch=batch: batch)
        agent.update()

        alpha = log_alpha.detach().exp()
        chosen, log_probs = sac_actions(actor, X, noises[0])
        temperature.zero_grad()
        (-log_alpha * (log_probs.detach() - 1)).mean().backward()
        temperature.step()
        with torch.no_grad():
            next_actions, next_log_probs = sac_actions(actor, following, noises[1])
            soft = smaller_value(targets, following, next_actions) - alpha * next_log_probs
            y = torch.from_numpy(rewards) + 0.99 * (1 - torch.from_numpy(ends)) * soft
        loss = sum(((critic(torch.from_numpy(batch[0])) - y) ** 2).mean() / 2 for critic in critics)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers[1:]:
            optimizer.step()
        (alpha * log_probs - smaller_value(critics, X, chosen)).mean().backward()
        optimizers[0].step()
        with torch.no_grad():
            for target, critic in zip(targets, critics, strict=True):
                for mine, new in zip(target.parameters(), critic.parameters(), strict=True):
                    mine.lerp_(new, 0.005)
    assert_changed_alike(nets, theirs, before)
    assert abs(agent.log_alpha[0] - log_alpha.item()) < 1e-6 < abs(log_alpha.item())
