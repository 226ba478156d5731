"""Cash-out of a beaten blind, and sell prices of jokers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from elsinore.jaxtools.integers import quotient
from elsinore.worlds.balatro.rules import blinds
from elsinore.worlds.balatro.rules.jokers import COST, joker_id
from elsinore.worlds.balatro.rules.stages import Stage

# dollars of each joker when bought; 0 for none
SELL_PRICE = np.where(COST > 0, np.maximum(COST // 2, 1), 0)
INTEREST_CAP = 5  # steps of $5 that earn interest
_NINES = 4  # in the deck
_ROCKET_GROWTH, _EGG_GROWTH, _POPCORN_TOLL = 2, 3, 4

(
    _POPCORN, _HIT_THE_ROAD, _CAMPFIRE, _GOLDEN, _DELAYED, _ROCKET, _CLOUD, _MOON, _EGG,
    _SATELLITE, _GROS_MICHEL, _CAVENDISH,
) = map(joker_id, (
    "Popcorn", "Hit the Road", "Campfire", "Golden Joker", "Delayed Gratification", "Rocket",
    "Cloud 9", "To the Moon", "Egg", "Satellite", "Gros Michel", "Cavendish",
))  # fmt: skip


class WonRound(NamedTuple):
    """A beaten blind after its last hand."""

    blind_kind: Int[Array, ""]  # 0 small, 1 big, 2 boss
    boss_id: Int[Array, ""]  # used only if the blind is a boss
    hands_left: Int[Array, ""]
    discards_left: Int[Array, ""]
    discards_used: Int[Array, ""]  # in this round
    money: Int[Array, ""]
    joker_ids: Int[Array, "5"]
    joker_state: Float[Array, "5"]
    joker_sell: Int[Array, "5"]
    planets_used: Bool[Array, "12"]  # in this run, by hand type
    interest_cap: Int[Array, ""] | int = INTEREST_CAP
    key: Key[Array, ""] | None = None  # for stage 4's jokers that may be destroyed


class CashOut(NamedTuple):
    """The dollars of a cash-out, and the jokers after it."""

    blind_reward: Int[Array, ""]
    joker_dollars: Int[Array, ""]
    interest: Int[Array, ""]
    total: Int[Array, ""]  # includes a dollar for each hand left
    money: Int[Array, ""]
    joker_state: Float[Array, "5"]
    joker_sell: Int[Array, "5"]
    joker_alive: Bool[Array, "5"]  # by their slots before


def cash_out(won: WonRound, stage: int) -> CashOut:
    """Cash out a beaten blind, at stages 1 and above; below stage 2 jokers are unchanged."""
    reward = blinds.reward(won.blind_kind, won.boss_id)
    interest = jnp.clip(quotient(won.money, 5), 0, won.interest_cap)
    after = _Jokers(jnp.int32(0), won.joker_state, won.joker_sell, won.joker_ids != 0)
    if stage >= Stage.JOKERS:
        after = _jokers_end_round(won, won.blind_kind == blinds.BOSS_BLIND)
        interest = interest * (1 + (won.joker_ids == _MOON).any())
    if stage >= Stage.CHANCE:
        after = after._replace(alive=after.alive & ~_killed(won.key, won.joker_ids))
    total = reward + won.hands_left + after.dollars + interest
    state = jnp.where(after.alive, after.state, 0.0)
    return CashOut(
        reward, after.dollars, interest, total, won.money + total, state, after.sell, after.alive
    )


class _Jokers(NamedTuple):
    dollars: Int[Array, ""]
    state: Float[Array, "5"]
    sell: Int[Array, "5"]
    alive: Bool[Array, "5"]


def _jokers_end_round(won: WonRound, boss: Bool[Array, ""]) -> _Jokers:
    """Dollars paid by jokers, and their counters, sell prices and survival."""
    ids, state = won.joker_ids, won.joker_state
    state = (
        state
        + jnp.where((ids == _ROCKET) & boss, _ROCKET_GROWTH, 0)
        - jnp.where(ids == _POPCORN, _POPCORN_TOLL, 0)
    )
    state = jnp.where((ids == _HIT_THE_ROAD) | (ids == _CAMPFIRE) & boss, 1.0, state)
    pays = {
        _GOLDEN: 4,
        _DELAYED: 2 * won.discards_left * (won.discards_used == 0),
        _ROCKET: state.astype(jnp.int32),
        _CLOUD: _NINES,
        _SATELLITE: won.planets_used.sum(),
    }
    return _Jokers(
        dollars=sum(
            (jnp.where(ids == joker, dollars, 0).sum() for joker, dollars in pays.items()),
            jnp.int32(0),
        ),
        state=state,
        sell=won.joker_sell + jnp.where(ids == _EGG, _EGG_GROWTH, 0),
        alive=(ids != 0) & ~((ids == _POPCORN) & (state <= 0)),
    )


def _killed(key: Key[Array, ""], ids: Int[Array, "5"]) -> Bool[Array, "5"]:
    """True for jokers that are destroyed at random."""
    chance = jnp.where(ids == _GROS_MICHEL, 1 / 6, jnp.where(ids == _CAVENDISH, 1 / 1000, 0.0))
    return jax.random.uniform(key, ids.shape) < chance
