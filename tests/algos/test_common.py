"""The update that is made of `UpdateParts`."""

import jax
import jax.numpy as jnp

from elsinore.algos.common import update_of
from elsinore.algos.ppo import ppo
from elsinore.types import Mean
from tests.algos.trainees import KEY, PARAMS, PPO
from tests.small_envs import Wait


def test_an_update_learns_from_the_rewards_of_its_parts():
    env, rewards = Wait(3), []
    algo = ppo(PPO(num_envs=2, rollout_length=4), env, PARAMS, 5)

    def reward(state, actor, experience):
        state, experience, metrics = algo.parts.reward(state, actor, experience)
        return state, experience._replace(reward=None), metrics | {"own": Mean.of(jnp.float32(1))}

    def learn(key, before, state, experience, context):
        rewards.append(experience.reward)
        return state, {}

    update = update_of(env, algo.parts._replace(reward=reward, learn=learn))
    state = jax.eval_shape(algo.init, KEY, PARAMS, algo.hyper)
    _, metrics = jax.eval_shape(update, state)
    assert "own" in metrics and rewards == [None]
