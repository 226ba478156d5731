"""What came of the last episodes: what a curriculum is decided by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

OWN = ("return", "length")  # what a rollout knows of an episode; any other name is of the world's `info`
MANY = 2**30  # outcomes, after which they are counted no further


@partial(jax.tree_util.register_dataclass, data_fields=["recent", "num", "fresh"], meta_fields=["names"])
@dataclass(frozen=True)
class Outcomes:
    """The episodes that ended last, of those that began after the last `forget`."""

    names: tuple[str, ...]
    recent: Float[Array, "name window"]  # a ring: outcome i stands in slot i % window
    num: Int[Array, ""]  # outcomes since the last `forget`
    fresh: Bool[Array, "env"]  # whether the running episode began after it

    @property
    def window(self) -> int:
        return self.recent.shape[1]

    @property
    def age(self) -> Int[Array, "window"]:
        """How many outcomes each slot is behind the newest; of a slot that is still empty, at least `num`."""
        return (self.num - 1 - jnp.arange(self.window)) % self.window

    @property
    def info_names(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in OWN)


def no_outcomes(names: tuple[str, ...], window: int, num_envs: int) -> Outcomes:
    """None yet; every env is at the beginning of an episode that will count."""
    return Outcomes(names, jnp.zeros((len(names), window)), jnp.int32(0), jnp.ones(num_envs, bool))


def forget(outcomes: Outcomes) -> Outcomes:
    """None yet; what is running now will not count."""
    return replace(outcomes, num=jnp.zeros_like(outcomes.num), fresh=jnp.zeros_like(outcomes.fresh))


def record(outcomes: Outcomes, done: Bool[Array, "time env"], values: Mapping[str, Array]) -> Outcomes:
    """Take in a rollout: the episodes that ended where `done`, and what is then known of each, [time, env] by name.

    They count in the order of time, and of envs within a step.
    """
    ended = jax.lax.cummax(done.astype(jnp.int32)).astype(bool)  # at this step or before, in this rollout
    began_after = jnp.concatenate([outcomes.fresh[None], outcomes.fresh | ended[:-1]])
    counts = (done & began_after).reshape(-1)
    number = outcomes.num + jnp.cumsum(counts, dtype=jnp.int32) - 1
    num = number[-1] + 1
    kept = counts & (number >= num - outcomes.window)
    slot = jnp.where(kept, number % outcomes.window, outcomes.window)  # out of the ring: dropped
    rows = jnp.stack([values[name].reshape(-1).astype(jnp.float32) for name in outcomes.names])
    return replace(
        outcomes,
        recent=outcomes.recent.at[:, slot].set(rows, mode="drop"),
        num=jnp.where(num < MANY, num, num - MANY // 2 // outcomes.window * outcomes.window),  # the slots stay
        fresh=outcomes.fresh | ended[-1],
    )
