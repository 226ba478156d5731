"""Runs on environments that are stepped on the host: the settings that fit, and their state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Key, PyTree

from elsinore.algos.registry import ALGORITHMS
from elsinore.envs.suites import is_on_host
from elsinore.errors import ConfigError
from elsinore.training.chunk import Program
from elsinore.types import RunState

LONGEST_TAPE = 2**22  # bytes of a row's tape; an episode that does not fit cannot be repeated

LONGEST_EPISODE = 2**31 - 1  # steps, in 32 bits


def refuse_for_host(experiment: Any, env: Any, env_params: PyTree, curriculum: Any = None) -> None:
    """Refuse settings that an environment on the host does not have, and one without a time limit;
    `curriculum` is an object in place of `experiment.curriculum`.

    Raises:
        ConfigError: naming the setting, with a remedy.
    """
    if not is_on_host(env):
        if experiment.host.overlap:
            raise ConfigError(
                f"host.overlap=true is of environments on the host, and env={experiment.env!r} is"
                " compiled with its policy; leave it out."
            )
        return
    limit = int(np.max(env_params.max_steps_in_episode))
    if limit > LONGEST_EPISODE:
        raise ConfigError(
            f"env={experiment.env!r} has a time limit of {limit} steps, and at most"
            f" {LONGEST_EPISODE} are counted; set env_params.max_steps_in_episode."
        )
    if limit < 1:
        raise ConfigError(
            f"env={experiment.env!r} has no time limit, so an episode may never end; give one in"
            " steps: env_params.max_steps_in_episode=1000."
        )
    absent = {
        "agents.number": experiment.agents.number > 1 and experiment.agents.number,
        "curriculum": (experiment.curriculum or curriculum) and "...",
        "imitation": experiment.imitation and "...",
        "population.pbt": experiment.population.pbt and "...",
        "rows": experiment.rows == "episode" and "episode",
        "convergence.counts": experiment.convergence.counts_episodes and "episodes",
    }
    for name, value in absent.items():
        if value:
            raise ConfigError(
                f"{name}={value} needs an environment in JAX, and env={experiment.env!r} is stepped"
                " on the host; leave it out."
            )


def refuse_without_parts(algo: Any, name: str, env: str) -> None:
    """Refuse an algorithm whose rollout cannot be taken out of its update.

    Raises:
        ConfigError: with a remedy.
    """
    if algo.parts is None:
        *most, last = ALGORITHMS
        raise ConfigError(
            f"algo={name!r} collects its rollouts inside its compiled update, and env={env!r} is"
            f" stepped on the host; use {', '.join(most)} or {last}, or give its Algorithm"
            " parts (elsinore.types.UpdateParts)."
        )


def tape_steps(env: Any, env_params: PyTree) -> int:
    """The steps of a row's tape: those of a whole episode, or none where they would be too many."""
    from elsinore.envs.host import blank_tape

    limit, one = int(np.max(env_params.max_steps_in_episode)), blank_tape(env, 1).actions
    return limit if limit * one.nbytes <= LONGEST_TAPE else 0


def after_a_break(env: Any, env_params: PyTree) -> str:
    """The episodes of a resumed run: those that ran at its checkpoint, or fresh ones; "" for an
    environment in JAX, whose state is in the checkpoint."""
    if not is_on_host(env):
        return ""
    if env.seeded and tape_steps(env, env_params):
        return "episodes are repeated from seeds and actions"
    return "fresh episodes"


def without_tapes(state: RunState) -> RunState:
    """The state, or its shapes, as the compiled functions of a program have it."""
    actor = state.train.actor
    if not hasattr(actor.env_state, "tape"):
        return state
    actor = actor._replace(env_state=actor.env_state.replace(tape=()))
    return state._replace(train=state.train._replace(actor=actor))


def with_tapes(program: Program, env: Any, env_params: PyTree) -> Program:
    """The program whose initial state has the tapes of its environments."""
    from elsinore.envs.host import blank_tape

    tape, begin = blank_tape(env, tape_steps(env, env_params)), program.init

    def init(key: Key, hyper: Any = None) -> RunState:
        state = begin(key, hyper)
        actor = state.train.actor
        num = actor.episode_length.size
        tapes = jax.tree.map(lambda x: jnp.broadcast_to(x, (num, *np.shape(x))), tape)
        actor = actor._replace(env_state=actor.env_state.replace(tape=tapes))
        return state._replace(train=state.train._replace(actor=actor))

    return program._replace(init=init)
