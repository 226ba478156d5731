"""Self-play set up for one experiment: the game against the learner's own policy, and the pool."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.envs.rivals import Rival, TwoPlayerEnv
from elsinore.envs.suites import is_on_host
from elsinore.envs.wrapped import is_wrapper, unwrapped
from elsinore.errors import ConfigError
from elsinore.training.curriculum.stages import Curriculum
from elsinore.training.self_play import first_policy, rival_move, self_play
from elsinore.types import Algorithm

ALGORITHMS = ("ppo", "a2c", "dqn", "pqn")  # those of which `first_policy` plays at random
OFF = "or set self_play: null."


def refuse_for_self_play(experiment: Any, env: Any, env_params: PyTree, curriculum: Any) -> None:
    """Refuse settings that self-play does not have, and environments without a rival; `curriculum`
    is an object in place of `experiment.curriculum`.

    Raises:
        ConfigError: naming the setting, its value and a remedy.
    """
    if experiment.self_play is None:
        return
    for name, remedy in _refused(experiment, env, curriculum):
        raise ConfigError(f"self_play cannot be used with {name}; {remedy}, {OFF}")
    named = {f.name for f in fields(env_params)} if is_dataclass(env_params) else set()
    if not isinstance(env, TwoPlayerEnv) or "rival" not in named:
        raise ConfigError(
            f"self_play needs a game of two players, and env={experiment.env!r} has no rival (an"
            " attribute `rival`, a method `with_rival` and a parameter `rival`); use Nim or a game"
            f" of Pgx such as pgx/connect_four, {OFF}"
        )


def _refused(experiment: Any, env: Any, curriculum: Any) -> Iterator[tuple[str, str]]:
    """(setting, remedy) of each that self-play does not have."""
    if experiment.algo.name not in ALGORITHMS:
        *most, last = ALGORITHMS
        yield f"algo={experiment.algo.name!r}", f"use {', '.join(most)} or {last}"
    if experiment.agents.number > 1:
        yield f"agents.number={experiment.agents.number}", "train one agent"
    if experiment.curriculum is not None or curriculum is not None:
        yield "a curriculum beside it", "set curriculum: null"
    if experiment.imitation is not None:
        yield f"imitation of {experiment.imitation.teacher!r}", "set imitation: null"
    if experiment.population.pbt is not None:
        yield "population.pbt, which copies policies and no pools", "set population.pbt: null"
    if experiment.convergence.counts_episodes:
        yield "convergence.counts='episodes', of games against copies", "count evaluations"
    if is_on_host(unwrapped(env)[0]):
        yield f"env={experiment.env!r}, which is stepped on the host", "use a game in JAX"
    elif is_wrapper(env):
        yield "wrappers, through which only the learner would see the game", "leave them out"


def with_self_play(
    experiment: Any, make_learner: Callable[[Any, PyTree], Algorithm], env: Any, env_params: PyTree
) -> tuple[Any, PyTree, Curriculum | None]:
    """The environment and its parameters in training, in which the rival is the learner's own
    policy, and the curriculum of its rivals; all as they are, and None, without `self_play`.

    `make_learner(env, env_params)` is the algorithm in that environment.

    Raises:
        ConfigError: for a recurrent policy, whose carry a game has no place for.
    """
    if experiment.self_play is None:
        return env, env_params, None
    learner = make_learner(env, env_params)
    if jax.tree.leaves(learner.policy.initial_carry):
        raise ConfigError(
            "self_play cannot be used with a recurrent network (algo.network.gru, lstm or lru, or"
            " one of your own), whose carry a game has no place for; set it to null,"
            f" {OFF}"
        )
    params = jax.tree.map(jnp.asarray, env_params)
    first = first_policy(learner, params)
    game = env.with_rival(Rival(partial(rival_move, learner.policy), first))
    return game, env_params.replace(rival=first), self_play(experiment.self_play, first)
