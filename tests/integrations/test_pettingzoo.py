"""The agents of an env, by name."""

import numpy as np
import pytest

pytest.importorskip("pettingzoo")

from pettingzoo.test import parallel_api_test

from elsinore.config.agents import AgentConfig, AgentsConfig
from elsinore.integrations.pettingzoo import parallel_env
from tests.integrations.worlds import DescribedCrowd, DescribedScripted


def test_it_is_what_pettingzoo_takes_it_for():
    parallel_api_test(parallel_env("Catch-bsuite", agents=3), num_cycles=50)


def test_agents_act_in_one_env():
    env = parallel_env(DescribedCrowd(), agents=3)
    env.reset(seed=0)
    _, rewards, _, truncations, _ = env.step({"agent_0": 1, "agent_1": 0, "agent_2": 1})
    assert rewards == {"agent_0": 2.0, "agent_1": 1.0, "agent_2": 2.0}
    assert not any(truncations.values())
    with pytest.raises(ValueError, match="the action of agent_1=7 is no action of Discrete"):
        env.step({"agent_0": 1, "agent_1": 7, "agent_2": 1})


def test_agents_have_their_names():
    named = tuple(AgentConfig(id=name, algo=None) for name in ("ann", "bob"))
    env = parallel_env(DescribedCrowd(), agents=AgentsConfig(number=2, each=named))
    seen, _ = env.reset(seed=0)
    assert env.possible_agents == env.agents == list(seen) == ["ann", "bob"]
    _, rewards, *_ = env.step({"ann": 1, "bob": 0})
    assert list(rewards) == ["ann", "bob"]


def test_one_whose_life_has_ended_leaves_and_the_others_go_on():
    env = parallel_env(DescribedScripted(), agents=2)  # action 1 dies
    first, _ = env.reset(seed=3)
    seen, rewards, terminations, truncations, infos = env.step({"agent_0": 1, "agent_1": 0})
    assert terminations == {"agent_0": True, "agent_1": False} and truncations == {
        "agent_0": False,
        "agent_1": False,
    }
    assert set(seen) == {"agent_0", "agent_1"} and env.agents == ["agent_1"]
    seen, rewards, *_ = env.step({"agent_1": 0})
    assert rewards == {"agent_1": 2.0} and list(seen) == ["agent_1"]
    with pytest.raises(
        ValueError, match="actions are of agent_0, and the agents alive are agent_1"
    ):
        env.step({"agent_0": 0})
    again, _ = env.reset(seed=3)
    np.testing.assert_array_equal(again["agent_1"], first["agent_1"])


@pytest.mark.parametrize(("name", "together"), [("Hamlet-base6", True), ("Catch-bsuite", False)])
def test_a_frame_shows_all_agents_or_the_first_that_lives(name, together):
    env = parallel_env(name, agents=2, render_mode="rgb_array")
    with pytest.raises(ValueError, match="call reset"):
        env.render()
    env.reset(seed=1)
    first = env.render()
    assert first.dtype == np.uint8 and first.shape[2] == 3
    env.step({"agent_0": 0, "agent_1": 2})
    stepped = env.render()
    assert stepped.shape == first.shape and (stepped != first).any()
    assert (env.metadata["render_fps"] > 0) and parallel_env(name).render() is None
    with pytest.raises(ValueError, match="render_mode='ansi' is not known"):
        parallel_env(name, render_mode="ansi")
    other = parallel_env(name, agents=2, render_mode="rgb_array")
    other.reset(seed=1)
    other.step({"agent_0": 0, "agent_1": 0})
    assert (other.render() != stepped).any() == together


def test_a_step_before_the_first_reset_is_refused():
    """Even one of no agents, which is what `env.agents` has before it."""
    env = parallel_env(DescribedScripted(), agents=2)
    with pytest.raises(ValueError, match=r"before the first reset\(\); call reset\(\) first"):
        env.step({agent: 0 for agent in env.agents})


def test_time_that_runs_out_is_no_death():
    env = parallel_env(DescribedScripted(), agents=2, params={"max_steps_in_episode": 1})
    env.reset()
    _, _, terminations, truncations, _ = env.step({"agent_0": 0, "agent_1": 0})
    assert not any(terminations.values()) and all(truncations.values()) and env.agents == []


@pytest.mark.parametrize("agents", [0, 101])
def test_a_number_of_agents_that_cannot_be_is_refused(agents):
    with pytest.raises(ValueError, match=f"number={agents} must be from 1 to 100"):
        parallel_env("Catch-bsuite", agents=agents)
