"""The random offers of a shop."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key, UInt32

from elsinore.jaxtools.barrier import barrier
from elsinore.jaxtools.prng import for_use
from elsinore.worlds.balatro.rules.game import NUM_OFFERS, OVERSTOCK, Game, Rules, Shop
from elsinore.worlds.balatro.rules.hands import FIVE, FLUSH_FIVE, FLUSH_HOUSE, NUM_HANDS
from elsinore.worlds.balatro.rules.jokers import NUM_JOKERS, RARITY, joker_id
from elsinore.worlds.balatro.rules.sampling import below, choose_one
from elsinore.worlds.balatro.rules.stages import Stage

NOTHING_OFFERED, JOKER, PLANET, TAROT, VOUCHER = range(5)
OFFER_KINDS = ("nothing", "joker", "planet", "tarot", "voucher")
TAROTS = ("The Hermit", "Temperance", "The High Priestess")
HERMIT, TEMPERANCE, HIGH_PRIESTESS = range(3)
VOUCHER_SLOT = NUM_OFFERS - 1  # the others are for jokers, planets and tarots

_WEIGHTS = np.array([20, 4, 4])  # of a joker, a planet and a tarot
_RARITY_BELOW = np.array([70, 95])  # of 100: common, uncommon, and rare above
_SECRET = np.isin(np.arange(NUM_HANDS), [FIVE, FLUSH_HOUSE, FLUSH_FIVE])
_JOKER, _CAVENDISH = joker_id("Joker"), joker_id("Cavendish")
_IS_GROS_MICHEL = np.arange(NUM_JOKERS) == joker_id("Gros Michel")
_IS_CAVENDISH = np.arange(NUM_JOKERS) == _CAVENDISH


def planets(game: Game) -> Bool[Array, "12"]:
    """Planets that may be offered, by hand type: secret ones only after their type was played."""
    return ~_SECRET | (game.plays > 0)


def restock(key: Key[Array, ""], game: Game, opens: Bool[Array, ""], rules: Rules) -> Shop:
    """Fill all slots of the shop in order; the voucher only when the shop `opens`."""
    num_slots = 3 if rules.stage >= Stage.CHANCE else 2
    taken = (game.jokers.ids[:, None] == np.arange(NUM_JOKERS)).any(axis=0)
    shop = game.shop
    for slot, bits in enumerate(jax.random.bits(for_use(key, "stock"), (num_slots, 3))):
        kind, item = _offer(bits, game, taken, rules)
        taken = taken | (kind == JOKER) & (np.arange(NUM_JOKERS) == item)
        if slot == 2:
            kind = jnp.where(game.vouchers[OVERSTOCK], kind, NOTHING_OFFERED)
        shop = _with_offer(shop, slot, kind, item)
    if rules.stage >= Stage.CHANCE:
        voucher = choose_one(jax.random.bits(for_use(key, "voucher")), ~game.vouchers)
        kind = jnp.where(game.vouchers.all(), NOTHING_OFFERED, VOUCHER)
        offered = _with_offer(shop, VOUCHER_SLOT, kind, voucher)
        shop = jax.tree.map(lambda new, old: jnp.where(opens, new, old), offered, shop)
    return shop


def _with_offer(shop: Shop, slot: int, kind: Int[Array, ""], item: Int[Array, ""]) -> Shop:
    return shop._replace(kind=shop.kind.at[slot].set(kind), item=shop.item.at[slot].set(item))


def _offer(
    bits: UInt32[Array, "3"], game: Game, taken: Bool[Array, "joker"], rules: Rules
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """A random kind by weight, and a random item of it."""
    planet = choose_one(bits[1], planets(game))
    if rules.stage < Stage.JOKERS:
        return jnp.int32(PLANET), planet
    weights = _WEIGHTS if rules.stage >= Stage.CHANCE else _WEIGHTS[: TAROT - 1]
    weight = below(bits[0], jnp.int32(weights.sum()))
    kind = JOKER + jnp.sum(weight >= np.cumsum(weights)[:-1])
    tarot = below(bits[1], jnp.int32(len(TAROTS)))
    item = jnp.where(
        kind == JOKER,
        _joker(bits[1:], game, taken, rules),
        jnp.where(kind == PLANET, planet, tarot),
    )
    return barrier((kind, item))


def _joker(
    bits: UInt32[Array, "2"], game: Game, taken: Bool[Array, "joker"], rules: Rules
) -> Int[Array, ""]:
    """A random joker of a random rarity, not `taken`; the plain Joker if none is left."""
    rarity = jnp.sum(below(bits[0], jnp.int32(100)) >= _RARITY_BELOW)
    extinct = jnp.where(game.gros_michel_died, _IS_GROS_MICHEL, _IS_CAVENDISH)
    on_sale = np.array(rules.jokers) & ~extinct
    left = on_sale & (rarity == RARITY) & ~taken
    return jnp.where(left.any(), choose_one(bits[1], left), _JOKER)
