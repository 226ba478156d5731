"""Small envs that also say what their observations are like."""

import jax
import jax.numpy as jnp
from gymnax.environments import spaces

from tests.small_envs import MaskedBandit, Scripted
from tests.training.test_independent_learners import Crowd


def _space_like(shape):
    if isinstance(shape, dict):
        return spaces.Dict({name: _space_like(part) for name, part in shape.items()})
    flag = shape.dtype == jnp.bool_
    return spaces.Box(
        False if flag else -jnp.inf, True if flag else jnp.inf, shape.shape, shape.dtype
    )


class Described:
    def observation_space(self, params):
        return _space_like(jax.eval_shape(self.reset_env, jax.random.key(0), params)[0])


class DescribedScripted(Described, Scripted):
    pass


class DescribedCrowd(Described, Crowd):
    pass


class DescribedBandit(Described, MaskedBandit):
    pass
