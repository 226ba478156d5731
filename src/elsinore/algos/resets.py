"""Learning from few episodes: many gradient steps on each transition, a network that is reset now
and then while its replay buffer stays, and n-step targets that shorten during learning.

Sources: resets against the primacy bias, Nikishin 2022, arXiv:2205.07802; part of the old weights
kept, D'Oro 2023 (SR-SPR); n-step targets that shorten after each reset, Schwarzer 2023,
arXiv:2305.19452 (BBF).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.replay import first_training, updates_per
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_use
from elsinore.types import TrainState

L = TypeVar("L", bound=Any)


def check_resets(config: Any) -> None:
    """Check `reset_period`, `reset_share`, `reset_until`, `n_step_final` and `n_step_anneal`.

    Raises:
        ValueError: naming the setting, its value and a remedy.
    """
    validation.in_unit_interval(config, "reset_share", "reset_until")
    validation.counts(config, 1, "n_step_anneal")
    if config.reset_period is not None:
        validation.counts(config, config.steps_per_update, "reset_period")
    if config.n_step_final is not None:
        validation.counts(config, 1, "n_step_final")
        if config.n_step_final > config.n_step:
            raise ValueError(
                f"n_step_final={config.n_step_final} is above n_step={config.n_step}, from which it"
                " falls; lower it, or raise n_step."
            )
    check_memory(config, config.network.memory is not None)


def check_memory(config: Any, recurrent: bool) -> None:
    """Check that a network with memory is not reset, and that its targets do not shorten.

    Raises:
        ValueError: naming the setting, its value and a remedy.
    """
    reasons = {
        "reset_period": "since the replay buffer holds what the network before a reset remembered",
        "n_step_final": "whose sequences have n_step",
    }
    for name, why in reasons.items():
        if recurrent and getattr(config, name) is not None:
            raise ValueError(
                f"{name}={getattr(config, name)} cannot be used with a memory, {why}; set {name} to"
                " null."
            )


def updates_between(config: Any) -> int | None:
    """Updates from one reset to the next; None where there are none."""
    period = config.reset_period
    return None if period is None else updates_per(period, config)


def n_step_at(
    config: Any, update: Int[Array, ""], num_updates: Float[Array, ""]
) -> Int[Array, ""] | None:
    """Rewards in a target of this update: from `n_step` geometrically to `n_step_final`, over
    `n_step_anneal` env steps after learning starts and after each reset; None where it stays."""
    if config.n_step_final is None:
        return None
    since, period = update - first_training(config), updates_between(config)
    if period is not None:
        reset = jnp.minimum(update // period, last_reset(config, period, num_updates)) * period
        since = jnp.where(reset == 0, since, update - reset)
    steps = shards.number() * config.steps_per_update  # of the seed, as `n_step_anneal` is
    # bounded first: the env steps of a long run pass 2^31
    since = jnp.clip(since, 0, -(-config.n_step_anneal // steps))
    progress = jnp.minimum(since * steps / config.n_step_anneal, 1.0)
    ratio = config.n_step_final / config.n_step
    return jnp.round(config.n_step * ratio**progress).astype(jnp.int32)


def last_reset(config: Any, period: int, num_updates: Float[Array, ""]) -> Int[Array, ""]:
    """The number of resets in a run: none after `reset_until` of it, nor in its last period."""
    until = jnp.minimum(jnp.floor(config.reset_until * num_updates), num_updates - period)
    return jnp.maximum(until, 0.0).astype(jnp.int32) // period


def reset_is_due(
    config: Any, period: int, update: Int[Array, ""], num_updates: Float[Array, ""]
) -> Bool[Array, ""]:
    """True after an update that ends a period and the network with it."""
    return (update % period == 0) & (update // period <= last_reset(config, period, num_updates))


def with_resets(
    config: Any,
    init: Callable[[Key[Array, ""], PyTree], PyTree],
    optimiser: optax.GradientTransformation,
    learner: L,
    before: TrainState,
    key: Key[Array, ""],
) -> L:
    """The learner after the update that began at `before`: where a reset is due, `reset_share` of
    each weight is drawn anew, the target network equals the online one, and the optimiser begins
    again; the replay buffer stays. The state of `optimiser` is of the parameters as one vector,
    as `init_learner` makes it."""
    if (period := updates_between(config)) is None:
        return learner

    def reset() -> tuple[PyTree, PyTree, PyTree]:
        obs = jax.tree.map(lambda x: x[0], before.actor.obs)
        fresh = init(for_use(key, "reset"), obs)
        params = optax.incremental_update(fresh, learner.params, config.reset_share)
        return params, optimiser.init(ravel_pytree(params)[0]), params

    kept = learner.params, learner.opt_state, learner.target_params
    due = reset_is_due(config, period, before.update + 1, before.hyper.num_updates)
    params, opt_state, target = jax.lax.cond(due, reset, lambda: kept)
    return learner._replace(params=params, opt_state=opt_state, target_params=target)
