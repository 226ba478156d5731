"""The shop between two blinds: what it offers, and what trading does."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from elsinore.envs.balatro.rules import rack, stages
from elsinore.envs.balatro.rules.chance import one_of
from elsinore.envs.balatro.rules.game import (
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
from elsinore.envs.balatro.rules.hands import NUM_HANDS
from elsinore.envs.balatro.rules.jokers import COST, joker_id
from elsinore.envs.balatro.rules.stock import (
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
from elsinore.ops.randomness import for_use

FIRST_REROLL = 5  # dollars; each further one in the same shop costs one more

KIND_PRICE = np.array([0, 0, 3, 3, 10], np.int32)  # of jokers each has its own
_CREDIT_CARD, _CONSTELLATION, _FLASH_CARD, _CAMPFIRE = (
    joker_id(name) for name in ("Credit Card", "Constellation", "Flash Card", "Campfire")
)
_CREDIT = 20  # dollars
_HERMIT_CAP, _TEMPERANCE_CAP = 20, 50


def prices(game: Game, rules: Rules) -> Int[Array, "4"]:
    """Dollars for what lies in each slot, 0 where it is empty."""
    kind, item = game.shop.kind, game.shop.item
    price = jnp.where(kind == JOKER, jnp.asarray(COST)[item], jnp.asarray(KIND_PRICE)[kind])
    if rules.stage < stages.CHANCE:
        return price
    reduced = jnp.maximum(((2 * price + 1) * 3) >> 3, 1)  # floor((price + 1/2) * 3/4)
    on_sale = game.vouchers[CLEARANCE_SALE] & (kind != NOTHING_OFFERED)
    return jnp.where(on_sale, reduced, price)


def legal_trades(game: Game, rules: Rules) -> Bool[Array, "12"]:
    """Which trades are legal: buy slot 0..3, sell joker 0..4, reroll, leave the shop, begin the blind.

    In a game that is done there is nothing to do but leave, which changes nothing.
    """
    buys, sales, reroll = jnp.zeros(NUM_OFFERS, bool), jnp.zeros(JOKER_SLOTS, bool), jnp.bool_(False)
    open_ = game.phase == SHOP
    if rules.stage >= stages.SHOP:
        room = (game.shop.kind != JOKER) | (rack.free(game.jokers) > 0)
        purse, active = _purse(game), open_ & (game.shop.moves_left > 0)
        buys = open_ & (game.shop.kind != NOTHING_OFFERED) & (prices(game, rules) <= purse) & room
        sales = active & (game.jokers.ids > 0)
        reroll = active & (game.shop.reroll_price <= purse)
    ends = jnp.stack([reroll, open_ | (game.phase == DONE), game.phase == SELECT])
    return jnp.concatenate([buys, sales, ends])


def opened(game: Game, rules: Rules) -> Game:
    """The shop opens; it is not stocked yet."""
    shop = game.shop._replace(reroll_price=jnp.int32(FIRST_REROLL), moves_left=jnp.int32(rules.shop_moves))
    return game._replace(phase=jnp.int32(SHOP), shop=shop)


def trade(key: Key[Array, ""], game: Game, move: Move, rules: Rules) -> Game:
    """A legal trade is made; what a reroll offers is yet to be stocked."""
    trades = {BUY: buy(key, game, move.slot, rules), REROLL: reroll(game)}
    if rules.stage >= stages.JOKERS:
        trades[SELL] = sell(game, move.slot)
    return case(trades, move.kind, game)


def buy(key: Key[Array, ""], game: Game, slot: Int[Array, ""], rules: Rules) -> Game:
    """What lies in a slot is paid for, and works at once; a joker goes to the right end of the row."""
    kind, item = game.shop.kind[slot], game.shop.item[slot]
    here = jnp.arange(NUM_OFFERS) == slot
    game = game._replace(
        money=game.money - prices(game, rules)[slot],
        shop=game.shop._replace(kind=jnp.where(here, NOTHING_OFFERED, game.shop.kind)),
    )
    used = (kind == PLANET) & (jnp.arange(NUM_HANDS) == item)
    if rules.stage >= stages.JOKERS:
        game = game._replace(jokers=when(kind == JOKER, rack.bought(game.jokers, item), game.jokers))
    if rules.stage >= stages.CHANCE:
        game, found = _use_tarot(key, game, jnp.where(kind == TAROT, item, -1))
        game = game._replace(vouchers=game.vouchers | (kind == VOUCHER) & (jnp.arange(game.vouchers.size) == item))
        used = used + found
    return _use_planets(game, used)


def reroll(game: Game) -> Game:
    """A new stock is paid for."""
    shop = game.shop
    shop = shop._replace(reroll_price=shop.reroll_price + 1, moves_left=shop.moves_left - 1)
    jokers = rack.grown(game.jokers, _FLASH_CARD, 2)
    return game._replace(money=game.money - game.shop.reroll_price, shop=shop, jokers=jokers)


def sell(game: Game, slot: Int[Array, ""]) -> Game:
    """A joker goes, and pays what it is worth."""
    stays = (game.jokers.ids > 0) & (jnp.arange(JOKER_SLOTS) != slot)
    jokers = rack.grown(rack.kept(game.jokers, stays), _CAMPFIRE, 0.25)
    shop = game.shop._replace(moves_left=game.shop.moves_left - 1)
    return game._replace(money=game.money + game.jokers.sell[slot], jokers=jokers, shop=shop)


def _purse(game: Game) -> Int[Array, ""]:
    """What can be spent."""
    return game.money + _CREDIT * (rack.owned(game.jokers, _CREDIT_CARD) > 0)


def _use_planets(game: Game, used: Int[Array, "12"]) -> Game:
    """Planets raise the level of their hand types, `used` times each."""
    jokers = rack.grown(game.jokers, _CONSTELLATION, 0.1 * jnp.sum(used))
    return game._replace(levels=game.levels + used, planets_used=game.planets_used | (used > 0), jokers=jokers)


def _use_tarot(key: Key[Array, ""], game: Game, tarot: Int[Array, ""]) -> tuple[Game, Int[Array, "12"]]:
    """What a tarot (-1: none) does at once, and the planets it brings."""
    doubled = jnp.clip(game.money, 0, _HERMIT_CAP)
    worth = jnp.minimum(jnp.sum(game.jokers.sell), _TEMPERANCE_CAP)
    gain = jnp.where(tarot == HERMIT, doubled, jnp.where(tarot == TEMPERANCE, worth, 0))
    first, second = (one_of(bits, planets(game)) for bits in jax.random.bits(for_use(key, "priestess"), (2,)))
    types = jnp.arange(NUM_HANDS)
    found = jnp.where(tarot == HIGH_PRIESTESS, (types == first).astype(jnp.int32) + (types == second), 0)
    return game._replace(money=game.money + gain), found
