"""The shop: trades and their effects, and random offers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules import shop
from elsinore.worlds.balatro.rules.deck import no_cards
from elsinore.worlds.balatro.rules.game import BUY, REROLL, SELL, SHOP, VOUCHERS, Move, Shop
from elsinore.worlds.balatro.rules.hands import FLUSH_FIVE, PAIR
from elsinore.worlds.balatro.rules.jokers import COST, JOKER_NAMES, RARITY, joker_id
from elsinore.worlds.balatro.rules.offers import (
    HERMIT,
    HIGH_PRIESTESS,
    JOKER,
    NOTHING_OFFERED,
    PLANET,
    TAROT,
    TEMPERANCE,
    VOUCHER,
    restock,
)
from tests.worlds.balatro.games import KEY, a_game

RULES = Balatro(stage=4).rules
step = jax.jit(lambda game, kind, slot: shop.trade(KEY, game, Move(kind, no_cards(), slot), RULES))
legal = jax.jit(lambda game: shop.legal_trades(game, RULES))


def shopping(*offers, jokers=(), money=10, **changes):
    """A game in a shop with some offers (kind, item) and some money."""
    kinds, items = zip(*offers, *[(NOTHING_OFFERED, 0)] * (4 - len(offers)), strict=True)
    open_ = Shop(
        jnp.int32(kinds), jnp.int32(items), reroll_price=jnp.int32(5), moves_left=jnp.int32(8)
    )
    return a_game(phase=SHOP, money=money, jokers=jokers, shop=open_, **changes)


def names(game):
    return [JOKER_NAMES[i] for i in game.jokers.ids.tolist() if i]


def after(game, kind, slot=0):
    return step(game, jnp.int32(kind), jnp.int32(slot))


def test_a_bought_joker_goes_to_the_right_end_with_its_counter_and_sell_price():
    ice_cream = joker_id("Ice Cream")
    game = after(shopping((JOKER, ice_cream), jokers=["Joker", "Egg"]), BUY)
    assert names(game) == ["Joker", "Egg", "Ice Cream"]
    assert (game.money, game.jokers.state[2], game.jokers.sell[2]) == (
        10 - COST[ice_cream],
        100,
        COST[ice_cream] // 2,
    )
    assert game.shop.kind[0] == NOTHING_OFFERED and game.phase == SHOP


def test_a_planet_raises_its_hand_and_constellation_grows():
    game = after(shopping((PLANET, PAIR), jokers=["Constellation"]), BUY)
    assert game.levels.tolist() == [1, 2] + [1] * 10
    assert game.planets_used.tolist() == [False, True] + [False] * 10
    assert (game.money, game.jokers.state[0]) == (7, pytest.approx(1.1))


@pytest.mark.parametrize(("money", "after_it"), [(3, 0), (10, 14), (23, 40), (50, 67)])
def test_the_hermit_doubles_the_money_by_twenty_at_most(money, after_it):
    assert after(shopping((TAROT, HERMIT), money=money), BUY).money == after_it


def test_temperance_pays_what_the_jokers_would_sell_for():
    game = after(shopping((TAROT, TEMPERANCE), jokers=["Baron", "Egg"]), BUY)
    assert game.money == 10 - 3 + COST[joker_id("Baron")] // 2 + COST[joker_id("Egg")] // 2


def test_the_high_priestess_brings_two_planets():
    game = after(shopping((TAROT, HIGH_PRIESTESS)), BUY)
    assert game.levels.sum() == 12 + 2 and game.planets_used.any()


@pytest.mark.parametrize("voucher", range(len(VOUCHERS)), ids=VOUCHERS)
def test_a_voucher_is_kept(voucher):
    game = after(shopping((VOUCHER, voucher)), BUY)
    assert game.money == 0 and np.flatnonzero(game.vouchers).tolist() == [voucher]


@pytest.mark.parametrize(
    ("kind", "item", "full", "reduced"), [(PLANET, 0, 3, 2), (JOKER, joker_id("Baron"), 8, 6)]
)
def test_in_a_clearance_sale_a_quarter_is_taken_off(kind, item, full, reduced):
    game = shopping((kind, item))
    assert shop.prices(game, RULES).tolist() == [full, 0, 0, 0]
    sale = game._replace(vouchers=game.vouchers.at[VOUCHERS.index("Clearance Sale")].set(True))
    assert shop.prices(sale, RULES).tolist() == [reduced, 0, 0, 0]


def test_selling_pays_closes_the_gap_and_grows_campfire():
    game = after(shopping(jokers=["Joker", "Baron", "Campfire"]), SELL, 1)
    assert names(game) == ["Joker", "Campfire"] and game.jokers.state[1] == 1.25
    assert (game.money, game.shop.moves_left) == (14, 7)


def test_a_reroll_costs_a_dollar_more_each_time_and_flash_card_grows():
    first = after(shopping(money=20, jokers=["Flash Card"]), REROLL)
    assert (first.money, first.shop.reroll_price, first.shop.moves_left, first.jokers.state[0]) == (
        15,
        6,
        7,
        2,
    )
    again = after(first, REROLL)
    assert (again.money, again.shop.reroll_price, again.jokers.state[0]) == (9, 7, 4)


def test_an_offer_without_money_or_room_is_illegal():
    baron, five = (JOKER, joker_id("Baron")), ["Joker"] * 5
    assert legal(shopping(baron, money=8))[0] and not legal(shopping(baron, money=7))[0]
    assert legal(shopping(baron, money=-12, jokers=["Credit Card"]))[0]
    assert not legal(shopping(baron, money=-13, jokers=["Credit Card"]))[0]
    assert (
        not legal(shopping(baron, (PLANET, 0), jokers=five))[0]
        and legal(shopping((PLANET, 0), jokers=five))[0]
    )


def test_without_moves_left_only_buying_and_leaving_are_legal():
    game = shopping((PLANET, 0), jokers=["Joker"], money=50)
    assert np.flatnonzero(legal(game)).tolist() == [0, 4, 9, 10]
    tired = game._replace(shop=game.shop._replace(moves_left=jnp.int32(0)))
    assert np.flatnonzero(legal(tired)).tolist() == [0, 10]


@pytest.fixture(scope="module")
def offers():
    """The offers of 20,000 shops to an owner of The Duo."""
    game = shopping(jokers=["The Duo"])
    keys = jax.random.split(KEY, 20_000)
    return jax.jit(
        jax.vmap(lambda key: restock(key, game, jnp.bool_(True), Balatro(stage=2).rules))
    )(keys)


def test_of_six_offers_five_are_jokers_and_the_sixth_a_planet(offers):
    assert offers.kind[:, :2].size == (offers.kind == JOKER).sum() + (offers.kind == PLANET).sum()
    assert (offers.kind == JOKER).sum() / 40_000 == pytest.approx(5 / 6, abs=0.01)


def test_rarities_have_their_probabilities_and_jokers_are_uniform_within_one(offers):
    items = np.asarray(offers.item)[np.asarray(offers.kind) == JOKER]
    share = np.bincount(RARITY[items], minlength=3) / items.size
    np.testing.assert_allclose(share, [0.70, 0.25, 0.05], atol=0.01)
    common = np.bincount(items, minlength=len(JOKER_NAMES))[(RARITY == 0) & (COST > 0)]
    sold = common[common > 0]
    assert abs(sold - sold.mean()).max() < 5 * np.sqrt(sold.mean())


def test_owned_offered_and_later_jokers_are_not_offered(offers):
    kind, item = np.asarray(offers.kind), np.asarray(offers.item)
    offered = {JOKER_NAMES[i] for i in item[kind == JOKER]}
    assert "The Duo" not in offered and "Misprint" not in offered and "The Trio" in offered
    both = (kind[:, :2] == JOKER).all(axis=1)
    assert (item[both, 0] != item[both, 1]).all()


def test_secret_planets_are_offered_only_after_their_type_was_played(offers):
    kind, item = np.asarray(offers.kind), np.asarray(offers.item)
    assert set(item[kind == PLANET]) == set(range(9))
    played = shopping()._replace(plays=jnp.zeros(12, jnp.int32).at[FLUSH_FIVE].set(1))
    keys = jax.random.split(KEY, 500)
    found = jax.jit(
        jax.vmap(lambda key: restock(key, played, jnp.bool_(True), Balatro(stage=1).rules))
    )(keys)
    assert set(np.asarray(found.item)[:, :2].ravel()) == {*range(9), FLUSH_FIVE}


def test_when_all_of_a_rarity_are_owned_the_plain_joker_is_offered():
    rules = Balatro(stage=2, jokers=["The Duo"]).rules
    keys = jax.random.split(KEY, 200)
    found = jax.jit(
        jax.vmap(lambda key: restock(key, shopping(jokers=["The Duo"]), jnp.bool_(True), rules))
    )(keys)
    assert set(np.asarray(found.item)[np.asarray(found.kind) == JOKER]) == {joker_id("Joker")}
