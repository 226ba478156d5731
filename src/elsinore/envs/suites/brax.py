"""Brax (Freeman 2021, arXiv:2106.13281): `brax/inverted_pendulum` and others.

`env_kwargs.backend` chooses the physics (`spring`, `positional`, `generalized`, `mjx`). A fall is
`done`, also where Brax's `info` names it a time-out, as in `inverted_pendulum`.
"""

from typing import Any

import brax.envs  # pyright: ignore[reportMissingImports]

from elsinore.envs.suites.body import LIMIT, Body

# It calls jax.numpy.clip by arguments that jax 0.11 no longer has.
DOES_NOT_RUN = {"swimmer"}


class Brax(Body):
    """A body of Brax, without its wrappers."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        return tuple(sorted(set(brax.envs._envs) - DOES_NOT_RUN))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> "Brax":
        return cls(brax.envs.get_environment(env_id, **kwargs), f"brax/{env_id}", LIMIT)

    @classmethod
    def of(cls, native: Any) -> "Brax":
        """The adapter of a `brax.envs.Env`, with the episode length of its wrappers."""
        bare = native.unwrapped
        return cls(bare, cls.named("brax", bare), getattr(native, "episode_length", LIMIT))

    def bodies(self, world):
        return world.pipeline_state.x.pos, list(self.native.sys.link_parents)
