"""The shop between two blinds: prices, legal trades, and their effects."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from elsinore.jaxtools.prng import for_use
from elsinore.worlds.balatro.rules import joker_slots
from elsinore.worlds.balatro.rules.game import (
    BUY,
    CLEARANCE_SALE,
    DONE,
    JOKER_SLOTS,
    NUM_OFFERS,
    REROLL,
    SELECT,
    SELL,
    SHOP,
    Game,
    Move,
    Rules,
    case,
    when,
)
from elsinore.worlds.balatro.rules.hands import NUM_HANDS
from elsinore.worlds.balatro.rules.jokers import COST, joker_id
from elsinore.worlds.balatro.rules.offers import (
    HERMIT,
    HIGH_PRIESTESS,
    JOKER,
    NOTHING_OFFERED,
    PLANET,
    TAROT,
    TEMPERANCE,
    VOUCHER,
    planets,
)
from elsinore.worlds.balatro.rules.sampling import choose_one
from elsinore.worlds.balatro.rules.stages import Stage

FIRST_REROLL = 5  # dollars; each further one in the same shop costs one more

KIND_PRICE = np.array([0, 0, 3, 3, 10], np.int32)  # by kind; jokers have their own prices
_CREDIT_CARD, _CONSTELLATION, _FLASH_CARD, _CAMPFIRE = (
    joker_id(name) for name in ("Credit Card", "Constellation", "Flash Card", "Campfire")
)
_CREDIT = 20  # dollars
_HERMIT_CAP, _TEMPERANCE_CAP = 20, 50


def prices(game: Game, rules: Rules) -> Int[Array, "4"]:
    """The price of each slot in dollars, 0 if empty."""
    kind, item = game.shop.kind, game.shop.item
    price = jnp.where(kind == JOKER, jnp.asarray(COST)[item], jnp.asarray(KIND_PRICE)[kind])
    if rules.stage < Stage.CHANCE:
        return price
    reduced = jnp.maximum(((2 * price + 1) * 3) >> 3, 1)  # floor((price + 1/2) * 3/4)
    on_sale = game.vouchers[CLEARANCE_SALE] & (kind != NOTHING_OFFERED)
    return jnp.where(on_sale, reduced, price)


def legal_trades(game: Game, rules: Rules) -> Bool[Array, "12"]:
    """Legal trades: buy slot 0..3, sell joker 0..4, reroll, leave the shop, begin the blind.

    In a finished game only leaving is legal, without effect.
    """
    buys = jnp.zeros(NUM_OFFERS, bool)
    sales = jnp.zeros(JOKER_SLOTS, bool)
    reroll = jnp.bool_(False)
    open_ = game.phase == SHOP
    if rules.stage >= Stage.SHOP:
        room = (game.shop.kind != JOKER) | (joker_slots.num_free(game.jokers) > 0)
        spendable, active = _spendable(game), open_ & (game.shop.moves_left > 0)
        buys = (
            open_ & (game.shop.kind != NOTHING_OFFERED) & (prices(game, rules) <= spendable) & room
        )
        sales = active & (game.jokers.ids > 0)
        reroll = active & (game.shop.reroll_price <= spendable)
    ends = jnp.stack([reroll, open_ | (game.phase == DONE), game.phase == SELECT])
    return jnp.concatenate([buys, sales, ends])


def open_shop(game: Game, rules: Rules) -> Game:
    """Open the shop, without offers yet."""
    shop = game.shop._replace(
        reroll_price=jnp.int32(FIRST_REROLL), moves_left=jnp.int32(rules.shop_moves)
    )
    return game._replace(phase=jnp.int32(SHOP), shop=shop)


def trade(key: Key[Array, ""], game: Game, move: Move, rules: Rules) -> Game:
    """Apply a legal trade; the offers of a reroll are drawn later."""
    trades = {BUY: buy(key, game, move.slot, rules), REROLL: reroll(game)}
    if rules.stage >= Stage.JOKERS:
        trades[SELL] = sell(game, move.slot)
    return case(trades, move.kind, game)


def buy(key: Key[Array, ""], game: Game, slot: Int[Array, ""], rules: Rules) -> Game:
    """Buy the offer of a slot, with immediate effect; a joker goes to the right end."""
    kind, item = game.shop.kind[slot], game.shop.item[slot]
    here = jnp.arange(NUM_OFFERS) == slot
    game = game._replace(
        money=game.money - prices(game, rules)[slot],
        shop=game.shop._replace(kind=jnp.where(here, NOTHING_OFFERED, game.shop.kind)),
    )
    used = (kind == PLANET) & (jnp.arange(NUM_HANDS) == item)
    if rules.stage >= Stage.JOKERS:
        game = game._replace(
            jokers=when(kind == JOKER, joker_slots.add_joker(game.jokers, item), game.jokers)
        )
    if rules.stage >= Stage.CHANCE:
        game, found = _use_tarot(key, game, jnp.where(kind == TAROT, item, -1))
        game = game._replace(
            vouchers=game.vouchers | (kind == VOUCHER) & (jnp.arange(game.vouchers.size) == item)
        )
        used = used + found
    return _use_planets(game, used)


def reroll(game: Game) -> Game:
    """Pay for a reroll."""
    shop = game.shop
    shop = shop._replace(reroll_price=shop.reroll_price + 1, moves_left=shop.moves_left - 1)
    jokers = joker_slots.add_to_counter(game.jokers, _FLASH_CARD, 2.0)
    return game._replace(money=game.money - game.shop.reroll_price, shop=shop, jokers=jokers)


def sell(game: Game, slot: Int[Array, ""]) -> Game:
    """Sell the joker of a slot."""
    stays = (game.jokers.ids > 0) & (jnp.arange(JOKER_SLOTS) != slot)
    jokers = joker_slots.add_to_counter(
        joker_slots.keep_jokers(game.jokers, stays), _CAMPFIRE, 0.25
    )
    shop = game.shop._replace(moves_left=game.shop.moves_left - 1)
    return game._replace(money=game.money + game.jokers.sell[slot], jokers=jokers, shop=shop)


def _spendable(game: Game) -> Int[Array, ""]:
    """The dollars that can be spent."""
    return game.money + _CREDIT * (joker_slots.num_owned(game.jokers, _CREDIT_CARD) > 0)


def _use_planets(game: Game, used: Bool[Array, "12"] | Int[Array, "12"]) -> Game:
    """Raise the level of each hand type `used` times."""
    jokers = joker_slots.add_to_counter(game.jokers, _CONSTELLATION, 0.1 * jnp.sum(used))
    return game._replace(
        levels=game.levels + used, planets_used=game.planets_used | (used > 0), jokers=jokers
    )


def _use_tarot(
    key: Key[Array, ""], game: Game, tarot: Int[Array, ""]
) -> tuple[Game, Int[Array, "12"]]:
    """Apply a tarot (-1: none); also returns the number of planets of each type that it gives."""
    doubled = jnp.clip(game.money, 0, _HERMIT_CAP)
    worth = jnp.minimum(jnp.sum(game.jokers.sell), _TEMPERANCE_CAP)
    gain = jnp.where(tarot == HERMIT, doubled, jnp.where(tarot == TEMPERANCE, worth, 0))
    first, second = (
        choose_one(bits, planets(game)) for bits in jax.random.bits(for_use(key, "priestess"), (2,))
    )
    types = jnp.arange(NUM_HANDS)
    found = jnp.where(
        tarot == HIGH_PRIESTESS, (types == first).astype(jnp.int32) + (types == second), 0
    )
    return game._replace(money=game.money + gain), found
