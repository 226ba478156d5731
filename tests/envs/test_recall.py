"""`RepeatPrevious` pays for the suit that was seen some cards ago, and for nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.recall import Params, RepeatPrevious
from elsinore.checks.env import check_env

KEY = jax.random.key(0)


def played(answer, env=None, **params):
    """Suits seen before each step, rewards, and whether the time limit ended the episode, of one
    episode played by `answer(suits seen so far)`."""
    env = env or RepeatPrevious()
    params = env.default_params.replace(**params)
    step = jax.jit(env.step_env)
    obs, state = env.reset_env(KEY, params)
    seen, rewards = [], []
    for _ in range(params.max_steps_in_episode):
        seen.append(int(jnp.argmax(obs)))
        obs, state, reward, terminated, _ = step(KEY, state, jnp.int32(answer(seen)), params)
        rewards.append(float(reward))
        assert not terminated
        ended = bool(env.is_truncated(state, params))
        assert ended == (len(rewards) == params.max_steps_in_episode)
    return np.array(seen), np.array(rewards)


def test_it_is_lawful():
    results = check_env(RepeatPrevious(), num_steps=120)
    assert [r.check for r in results if not r.passed] == []


@pytest.mark.parametrize("previous", [1, 4, 32])
def test_the_suit_of_so_many_cards_ago_is_right(previous):
    _, rewards = played(lambda seen: seen[-previous:][0], previous=previous)
    assert (rewards[: previous - 1] == 0).all()
    assert rewards[previous - 1 :] == pytest.approx(1 / (52 - previous))
    assert rewards.sum() == pytest.approx(1.0)


def test_the_suit_in_sight_is_right_as_often_as_suits_repeat():
    seen, rewards = played(lambda seen: seen[-1])
    repeats = np.mean(seen[3:] == seen[:-3])
    assert rewards.sum() == pytest.approx(2 * repeats - 1)


def test_a_deck_has_each_suit_equally_often_and_its_last_card_is_not_played_on():
    seen, _ = played(lambda seen: 0)
    assert len(seen) == 51
    assert sorted(np.bincount(seen, minlength=4)) == [12, 13, 13, 13]
    seen, _ = played(lambda seen: 0, RepeatPrevious(decks=2))
    assert sorted(np.bincount(seen, minlength=4)) == [25, 26, 26, 26]


def test_decks_differ_from_episode_to_episode():
    reset = jax.vmap(RepeatPrevious().reset_env, in_axes=(0, None))
    _, state = reset(jax.random.split(KEY, 8), Params())
    assert len(np.unique(np.asarray(state.suits), axis=0)) == 8


def test_a_constant_answer_is_worth_chance():
    """13 of 52 cards are of a suit: a quarter of the answers is right, on average over decks."""
    env, params = RepeatPrevious(), Params()

    def episode(key):
        _, state = env.reset_env(key, params)
        _, rewards = jax.lax.scan(
            lambda state, _: env.step_env(key, state, jnp.int32(2), params)[1:3],
            state,
            length=params.max_steps_in_episode,
        )
        return rewards.sum()

    returns = jax.jit(jax.vmap(episode))(jax.random.split(KEY, 2_000))
    assert float(returns.mean()) == pytest.approx(-0.5, abs=0.01)
