"""Games of Balatro in given states, and random walks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.experience.autoreset import autoreset_step, reset
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules.deck import set_of
from elsinore.worlds.balatro.rules.game import PLAY, Game, Jokers, new_run
from elsinore.worlds.balatro.rules.jokers import START, joker_id
from elsinore.worlds.balatro.rules.money import SELL_PRICE
from elsinore.worlds.balatro.rules.sampling import choose_one
from tests.worlds.balatro.plays import cards

KEY = jax.random.key(0)


def a_game(hand="", jokers=(), boss=0, number=3, **changes) -> Game:
    """A game in the boss blind of ante 1; `changes` set fields of the game or round."""
    game = new_run(jnp.int32(8))._replace(
        number=jnp.int32(number), phase=jnp.int32(PLAY), boss=jnp.int32(boss)
    )
    ids = [joker_id(name) for name in jokers] + [0] * (5 - len(jokers))
    held = set_of(jnp.asarray(cards(hand, 8)))
    now = game.round._replace(hand=held, pile=game.round.pile - held, target=jnp.int32(600))
    owned = Jokers(jnp.int32(ids), jnp.float32(START[ids]), jnp.int32(SELL_PRICE[ids]))
    like = lambda old, new: jnp.asarray(new, old.dtype)  # noqa: E731
    now = now._replace(
        **{k: like(getattr(now, k), v) for k, v in changes.items() if k in now._fields}
    )
    mine = {k: v for k, v in changes.items() if k not in now._fields}
    mine = {
        k: like(getattr(game, k), v) if hasattr(v, "__len__") is False else v
        for k, v in mine.items()
    }
    return game._replace(jokers=owned, round=now)._replace(**mine)


@partial(jax.jit, static_argnums=(0, 2, 3))
def random_games(env: Balatro, params, num_envs: int, num_steps: int, key=KEY):
    """Random legal steps in many envs with auto-reset, each leaf [step, env, ...]."""

    def step(carry, keys):
        obs, state = carry
        act_key, step_key, reset_key = keys
        action = choose_one(jax.random.bits(act_key), obs["action_mask"])
        out = autoreset_step(env, step_key, reset_key, state, action, params)
        seen = {
            "obs": out.final_obs,
            "reward": out.reward,
            "terminated": out.terminated,
            "truncated": out.truncated,
            "info": out.info,
            "before": state.game,
        }
        return (out.obs, out.state), seen

    def walk(key):
        keys = jax.random.split(key, (num_steps, 3))
        return jax.lax.scan(step, reset(env, key, params), keys)[1]

    return jax.vmap(walk, out_axes=1)(jax.random.split(key, num_envs))


def names_of(ids, names) -> list[str]:
    return [names[int(i)] for i in np.asarray(ids) if i]
