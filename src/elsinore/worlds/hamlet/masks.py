"""Action mask of Hamlet. A masked action that is sent anyway is executed all the same."""

import jax.numpy as jnp
from jaxtyping import Array, Bool

from elsinore.worlds.hamlet.profile import Profile
from elsinore.worlds.hamlet.rules import HamletParams, HamletState, affordance_here, is_open
from elsinore.worlds.hamlet.tables import profile_tables


def legal_actions(
    profile: Profile, state: HamletState, params: HamletParams
) -> Bool[Array, "action"]:
    """Action mask: moves that stay on the grid, interaction where an affordance is open (affordable
    or not), other actions unless disabled; all false for a dead agent."""
    world = profile_tables(profile)
    (x, y), there = state.position, affordance_here(world, state)
    dead = jnp.any(jnp.asarray(params.fatal).astype(bool) & (state.meters <= world.low))
    can_use = (there >= 0) & is_open(profile, there, state.time)
    moves = [y > 0, y < world.height - 1, x > 0, x < world.width - 1]
    others = [jnp.bool_(True)] * len(profile.actions)
    enabled = jnp.array([name not in profile.disabled for name in profile.action_names])
    return jnp.stack([*moves, can_use, *others]) & enabled & ~dead
