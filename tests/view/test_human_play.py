"""A person plays: typed actions are taken, invalid ones explained, and the outcome printed."""

import io
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import jax.numpy as jnp
import pytest
from gymnax.environments.classic_control.pendulum import Pendulum
from rich.console import Console

from elsinore.envs import make
from elsinore.errors import ConfigError
from elsinore.view import human_play
from elsinore.worlds.hamlet.env import hamlet
from tests.envs.broken_envs import Pair
from tests.small_envs import Clocked, Corridor


@dataclass(frozen=True)
class Hall(Corridor):
    """A corridor with an action mask, action names and a scene."""

    episode_facts: ClassVar = MappingProxyType({"cell": "cell reached"})

    def reset_env(self, key, params):
        _, state = super().reset_env(key, params)
        return self.sight(state), state

    def step_env(self, key, state, action, params):
        _, state, reward, arrived, _ = super().step_env(key, state, action, params)
        return self.sight(state), state, reward, arrived, {"cell": state.cell}

    def sight(self, state):
        return {
            "cell": state.cell,
            "action_mask": jnp.array([True, True]).at[0].set(state.cell > 0),
        }

    def scene(self, params, state):
        from elsinore.envs.scene import Facts, Scene

        return Scene("hall", (Facts("where", (("cell", str(int(state.cell))),)),))

    def action_names(self, params):
        return "go back", "go on"


def played(env, *lines, params=None, seed=0):
    """The output for these input lines, and whether the episode ended."""
    console, given = Console(width=110, record=True, file=io.StringIO()), iter(lines)

    def ask(prompt):
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    ended = human_play.play_episode(
        human_play.playable(env, params or env.default_params), seed, console, ask
    )
    return console.export_text(), ended


def test_an_episode_is_played_to_its_end():
    shown, ended = played(Hall(length=3), "1", "go on")
    assert ended and all(f"  cell  {cell}" in shown for cell in range(3))
    assert shown.splitlines()[-2:] == ["return 1 after 2 steps: terminated", "cell 2"]


def test_valid_inputs_are_printed_once():
    shown, _ = played(Hall(), "1", "1", "q")
    assert shown.count("0 go back, 1 go on; q quits") == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("go", "'go' matches several actions: 0 go back, 1 go on"),
        ("fly", "'fly' is not an action: 0 go back, 1 go on"),
        ("2", "'2' is not an action"),
        ("", "0 go back, 1 go on; q quits."),
        ("go back", "go back is not possible now; possible are 1 go on."),
    ],
)
def test_an_invalid_line_is_explained_and_asked_again(line, why):
    shown, ended = played(Hall(length=2), line, "go on")
    assert why in shown and ended


@pytest.mark.parametrize("lines", [(), ("q",), ("fly", "QUIT")], ids=["no line", "q", "later"])
def test_a_player_may_quit(lines):
    shown, ended = played(Hall(), *lines)
    assert not ended and shown.splitlines()[-1] == "left after 0 steps; return 0"


def test_a_time_limit_truncates_the_episode():
    shown, _ = played(Hall(), "1", params=Clocked(max_steps_in_episode=1))
    assert "return 0 after 1 step: truncated" in shown


def test_each_seed_is_a_different_and_reproducible_episode():
    env, params = make("CartPole-v1")
    first, again, other = (
        played(env, "left", "push r", "q", params=params, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert first == again != other and "left after 2 steps; return 2" in first


def test_hamlet_is_played_by_the_names_of_its_actions():
    env = hamlet("L0_0")
    shown, _ = played(env, "up", "interact", "q")
    assert "left after 2 steps" in shown


def test_an_environment_on_the_host_is_refused():
    with pytest.raises(ConfigError, match=r"is stepped on the host; leave out --human to watch\."):
        human_play.playable(*make("gym/CartPole-v1"))


def test_an_environment_of_several_agents_is_refused():
    with pytest.raises(ConfigError, match="plays a single agent, and .* has 2; leave out --human"):
        human_play.playable(Pair(), Pair().default_params)


def test_continuous_actions_are_refused():
    with pytest.raises(
        ConfigError, match="--human needs a discrete action space, and that of Pendulum-v1 is not"
    ):
        human_play.playable(Pendulum(), Pendulum().default_params)
