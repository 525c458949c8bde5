"""The environments keep what their libraries promise, to the bit."""

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from tests.unit.fluid.builders import episode, members, templates, town

from edgewright.emulation import environments
from edgewright.emulation.environments.game import Game, VectorCity
from edgewright.emulation.environments.parallel import ParallelCity
from edgewright.emulation.environments.single import SingleCity


def toy() -> Game:
    """The town of the simulator's tests."""
    return Game(
        substrate=town(),
        agents=("west", "east"),
        members=tuple(members()),
        region=np.arange(len(templates()), dtype=np.int32) % 2,
        draw=lambda seed, periods: episode(seed=seed, periods=periods, instances=10, failures=True),
        example=episode(),
    )


def test_pettingzoo_s_own_tests_pass() -> None:
    parallel_api_test(ParallelCity(toy(), periods=30), num_cycles=100)
    parallel_seed_test(lambda: ParallelCity(toy(), periods=30), num_cycles=40)


def test_gymnasium_s_own_tests_pass() -> None:
    check_env(SingleCity(toy(), periods=20), skip_render_check=True)


def test_the_example_of_the_docs_plays_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs/reference/environments.md"
    (example,) = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    env = ParallelCity(toy(), periods=5)  # a metro takes a minute to survey
    monkeypatch.setattr(environments, "parallel_env", lambda name: env)
    exec(compile(example, str(page), "exec"), {})
    assert env.simulator.over
    assert not env.agents


def test_the_environment_is_registered() -> None:
    assert isinstance(gymnasium.make("edgewright/City-v0", of=toy()).unwrapped, SingleCity)


def play(env: ParallelCity, steps: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    seen: list[Any] = []
    for _ in range(steps):
        actions = {
            agent: rng.integers(0, 5, env.action_space(agent).shape[0], np.int32) for agent in env.agents
        }
        observations, rewards, _, truncations, _ = env.step(actions)
        seen.append((np.stack(list(observations.values())).tobytes(), tuple(rewards.values()), truncations))
    return seen


def test_a_restored_state_goes_on_to_the_bit() -> None:
    env = ParallelCity(toy(), periods=20)
    env.reset(seed=3)
    play(env, 7, 1)
    saved = env.save()
    first = play(env, 10, 2)
    env.restore(saved)
    assert play(env, 10, 2) == first
    other = ParallelCity(toy(), periods=20)
    other.reset(seed=3)
    other.restore(saved)
    assert play(other, 10, 2) == first


def test_the_end_of_an_episode_is_a_truncation() -> None:
    env = ParallelCity(toy(), periods=3)
    env.reset(seed=0)
    ends = [step[2] for step in play(env, 3, 0)]
    assert [any(end.values()) for end in ends] == [False, False, True]
    assert not env.agents


def test_a_batch_is_its_cities_one_by_one() -> None:
    together, alone = VectorCity(toy(), 3, periods=12), VectorCity(toy(), 1, periods=12)
    rng = np.random.default_rng(5)
    together.reset([7, 8, 9])
    shape = (12, 3, 2, together.simulator.slots)
    choices = rng.integers(0, 5, shape).astype(np.int32)
    rewards, seen = [], []
    for choice in choices:
        told = together.simulator.step(choice)
        rewards.append(told.reward.copy())
        seen.append(told.observation.copy())
    for city, seed in enumerate([7, 8, 9]):
        alone.reset([seed])
        for t, choice in enumerate(choices):
            told = alone.simulator.step(choice[city : city + 1].copy())
            assert (told.reward[0] == rewards[t][city]).all()
            assert (told.observation[0] == seen[t][city]).all()
