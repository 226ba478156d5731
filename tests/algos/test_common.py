"""The update that is made of `UpdateParts`."""

import jax
import jax.numpy as jnp

from elsinore.algos.common import update_of
from elsinore.algos.ppo import ppo
from elsinore.types import Mean
from tests.algos.trainees import KEY, PARAMS, PPO
from tests.small_envs import Wait


def test_an_update_learns_by_its_parts():
    env = Wait(3)
    algo = ppo(PPO(num_envs=2, rollout_length=4), env, PARAMS, 5)

    def learn(key, before, actor, experience, context):
        state, metrics = algo.parts.learn(key, before, actor, experience, context)
        return state, metrics | {"own": Mean.of(jnp.float32(1))}

    update = update_of(env, algo.parts._replace(learn=learn))
    state = jax.eval_shape(algo.init, KEY, PARAMS, algo.hyper)
    after, metrics = jax.eval_shape(update, state)
    assert metrics.pop("own").total.shape == ()
    assert (after, metrics) == jax.eval_shape(algo.update, state)
