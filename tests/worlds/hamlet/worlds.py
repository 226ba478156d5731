"""Small Hamlet worlds, and short episodes in them."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp

from elsinore.worlds.hamlet.env import hamlet

CABIN = Path(__file__).resolve().parents[3] / "configs" / "hamlet" / "worlds" / "cabin.yaml"


def base6(**kwargs):
    return hamlet("base6", **kwargs)


def at(env, x, y, **meters):
    """The state at a cell, with some meters changed from the start's."""
    initial = {meter.name: meter.initial for meter in env.profile.meters}
    return env.state_at((x, y), jnp.array(list((initial | meters).values()), jnp.float32))


@cache
def compiled(env):
    return jax.jit(env.step_env)


def act(env, state, *actions, params=None):
    """(obs, state, reward, terminated, info) of each of some actions in a row."""
    outs = []
    for action in actions:
        out = compiled(env)(
            jax.random.key(0), state, jnp.int32(action), params or env.default_params
        )
        state = out[1]
        outs.append(out)
    return outs


def meters(env, state):
    """Meters by name, in their own units, without the noise of float32."""
    return {
        name: round(x, 4)
        for name, x in zip(env.profile.meter_names, env.meters(state).tolist(), strict=True)
    }
