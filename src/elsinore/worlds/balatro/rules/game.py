"""The state of a game, moves, and rule settings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.jaxtools.barrier import barrier
from elsinore.jaxtools.integers import quotient, remainder
from elsinore.worlds.balatro.rules import blinds
from elsinore.worlds.balatro.rules.bosses import NO_BOSS, NUM_BOSSES
from elsinore.worlds.balatro.rules.deck import CardSet, all_cards, no_cards
from elsinore.worlds.balatro.rules.hands import NUM_HANDS

JOKER_SLOTS = 5
NUM_OFFERS = 4  # slots of the shop, of which two are used, or three with Overstock

BASE_HANDS, BASE_DISCARDS, BASE_HAND_SIZE = 4, 3, 8  # of a round
STARTING_MONEY = 4

SELECT, PLAY, SHOP, DONE = range(4)  # phases
PHASES = ("blind select", "play", "shop", "done")


class Jokers(NamedTuple):
    """The jokers owned, from left to right without gaps."""

    ids: Int[Array, "5"]  # 0: empty slot
    state: Float[Array, "5"]  # each joker's counter, 0 if it has none
    sell: Int[Array, "5"]  # dollars


class Shop(NamedTuple):
    """The offers of a shop."""

    kind: Int[Array, "4"]  # index of OFFER_KINDS; 0: empty slot
    item: Int[Array, "4"]  # index within its kind
    reroll_price: Int[Array, ""]
    moves_left: Int[Array, ""]  # sales and rerolls still allowed, so that every shop ends


class Round(NamedTuple):
    """The state of one blind."""

    pile: CardSet  # left to draw
    hand: CardSet
    forced: CardSet  # card of the hand that must be played or discarded (Cerulean Bell)
    score: Float[Array, ""]  # chips, an integer
    target: Int[Array, ""]
    hands_left: Int[Array, ""]
    discards_left: Int[Array, ""]
    discards_used: Int[Array, ""]
    hand_size: Int[Array, ""]
    plays: Int[Array, "12"]  # of each hand type
    eye_used: Bool[Array, "12"]  # types that The Eye has seen
    mouth_type: Int[Array, ""]  # the type that The Mouth allows, -1 before the first play
    disabled: Int[Array, ""]  # slot of the joker that Crimson Heart disables, -1: none


class Game(NamedTuple):
    """A whole run."""

    phase: Int[Array, ""]
    max_ante: Int[Array, ""]  # beating its boss wins
    number: Int[Array, ""]  # of the blind, 1 .. 3 * max_ante
    boss: Int[Array, ""]  # of this ante; an index of `bosses.BOSSES`
    boss_uses: Int[Array, "boss"]  # times drawn in this run
    money: Int[Array, ""]
    levels: Int[Array, "12"]
    plays: Int[Array, "12"]  # of each hand type, in the whole run
    ox_type: Int[Array, ""]  # the type played most when the last round ended
    planets_used: Bool[Array, "12"]
    ancient_suit: Int[Array, ""]  # the suit of Ancient Joker in this round
    gros_michel_died: Bool[Array, ""]  # then Cavendish may be sold
    vouchers: Bool[Array, "voucher"]
    played_this_ante: CardSet
    jokers: Jokers
    shop: Shop
    round: Round
    beaten: Int[Array, ""]  # blinds
    won: Bool[Array, ""]
    total_score: Float[Array, ""]  # chips of all rounds

    @property
    def ante(self) -> Int[Array, ""]:
        """The ante of the latest blind, 1 .. max_ante."""
        return quotient(self.number + 2, 3)

    @property
    def blind(self) -> Int[Array, ""]:
        """SMALL_BLIND, BIG_BLIND or BOSS_BLIND."""
        return remainder(self.number + 2, 3)

    @property
    def active_boss(self) -> Int[Array, ""]:
        """The boss of the blind in play, 0 if none."""
        return jnp.where(
            (self.blind == blinds.BOSS_BLIND) & (self.phase == PLAY), self.boss, NO_BOSS
        )


class Move(NamedTuple):
    """A move of the player."""

    kind: Int[Array, ""]  # one of the constants below
    cards: CardSet  # to play or discard
    slot: Int[Array, ""]  # of the shop or the jokers


NO_OP, PLAY_CARDS, DISCARD_CARDS, BUY, SELL, REROLL, LEAVE, BEGIN = range(8)


class Rules(NamedTuple):
    """Static settings of the rules, part of the compiled program."""

    stage: int  # see `stages`
    auto_select: bool  # False: the next blind begins by an action
    stacked: bool  # decks are in a given order instead of random
    shop_moves: int  # sales and rerolls in one shop, at most
    jokers: tuple[bool, ...]  # by id: True if shops may sell it
    bosses: tuple[bool, ...]  # by id: True if it may appear


VOUCHERS = ("Overstock", "Clearance Sale", "Grabber", "Wasteful", "Seed Money")
OVERSTOCK, CLEARANCE_SALE, GRABBER, WASTEFUL, SEED_MONEY = range(5)


def when(condition: Bool[Array, ""], then: Any, otherwise: Any) -> Any:
    """Select one of two pytrees of the same structure, leaf by leaf."""
    return case({True: then}, condition, otherwise)


def case(outcomes: Mapping[int, Any], kind: Array, otherwise: Any) -> Any:
    """Select the pytree of this `kind`, or `otherwise`, leaf by leaf, each computed once.

    Without `once` XLA recomputes the rules for each number that depends on them: a step of stage 2
    took four times as long, and five times as long to compile.
    """
    kind = barrier(kind)

    def field(before: Array, *after: Array) -> Array:
        value = before
        for name, other in zip(outcomes, after, strict=True):
            value = value if other is before else jnp.where(kind == name, other, value)
        return value

    return barrier(jax.tree.map(field, otherwise, *outcomes.values()))


def new_run(max_ante: Int[Array, ""] | int) -> Game:
    """A game before its first blind, without a boss yet."""
    none = jnp.zeros(NUM_HANDS, jnp.int32)
    return Game(
        phase=jnp.int32(SELECT),
        max_ante=jnp.asarray(max_ante, jnp.int32),
        number=jnp.int32(0),
        boss=jnp.int32(NO_BOSS),
        boss_uses=jnp.zeros(NUM_BOSSES, jnp.int32),
        money=jnp.int32(STARTING_MONEY),
        levels=none + 1,
        plays=none,
        ox_type=jnp.int32(NUM_HANDS - 1),
        planets_used=none > 0,
        ancient_suit=jnp.int32(0),
        gros_michel_died=jnp.bool_(False),
        vouchers=jnp.zeros(len(VOUCHERS), bool),
        played_this_ante=no_cards(),
        jokers=Jokers(
            *(jnp.zeros(JOKER_SLOTS, dtype) for dtype in (jnp.int32, jnp.float32, jnp.int32))
        ),
        shop=no_shop(),
        round=new_round(jnp.int32(0)),
        beaten=jnp.int32(0),
        won=jnp.bool_(False),
        total_score=jnp.float32(0.0),
    )


def no_shop() -> Shop:
    nothing = jnp.zeros(NUM_OFFERS, jnp.int32)
    return Shop(kind=nothing, item=nothing, reroll_price=jnp.int32(0), moves_left=jnp.int32(0))


def new_round(target: Int[Array, ""]) -> Round:
    """A round with all 52 cards in the pile."""
    return Round(
        pile=all_cards(),
        hand=no_cards(),
        forced=no_cards(),
        score=jnp.float32(0.0),
        target=target,
        hands_left=jnp.int32(BASE_HANDS),
        discards_left=jnp.int32(BASE_DISCARDS),
        discards_used=jnp.int32(0),
        hand_size=jnp.int32(BASE_HAND_SIZE),
        plays=jnp.zeros(NUM_HANDS, jnp.int32),
        eye_used=jnp.zeros(NUM_HANDS, bool),
        mouth_type=jnp.int32(-1),
        disabled=jnp.int32(-1),
    )
