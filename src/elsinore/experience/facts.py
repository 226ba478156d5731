"""What a world wants told of an episode beside its return and length.

Where a world has `episode_facts`, a mapping such as `{"won": "win rate"}`, these numbers of `info` are remembered as
they stand when an episode ends: while training as `episode/won`, of evaluations as `eval/won`, in `summary.json`, and
in reports under the words that it gives.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float


def facts_of(env: Any) -> Mapping[str, str]:
    """What people call each of them, by its name in `info`; none of a world that names none."""
    return getattr(env, "episode_facts", {})


def told(env: Any, info: Mapping[str, Any]) -> dict[str, Float[Array, "*row"]]:
    """The facts in what a step tells, as numbers."""
    return {name: jnp.asarray(info[name], jnp.float32) for name in facts_of(env)}
