"""The record of a game: what the rules change from one move to the next."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.rules import blinds
from elsinore.envs.balatro.rules.bosses import NO_BOSS, NUM_BOSSES
from elsinore.envs.balatro.rules.deck import Cards, all_cards, no_cards
from elsinore.envs.balatro.rules.hands import NUM_HANDS
from elsinore.ops.once import once
from elsinore.ops.whole import quotient, remainder

JOKER_SLOTS = 5  # slots
NUM_OFFERS = 4  # slots of the shop, of which two are used, or three with Overstock

BASE_HANDS, BASE_DISCARDS, BASE_HAND_SIZE = 4, 3, 8  # of a round
STARTING_MONEY = 4

SELECT, PLAY, SHOP, DONE = range(4)  # phases
PHASES = ("blind select", "play", "shop", "done")


class Jokers(NamedTuple):
    """Those owned, from left to right without gaps."""

    ids: Int[Array, "5"]  # 0 where there is none
    state: Float[Array, "5"]  # the counter of each, 0 where it has none
    sell: Int[Array, "5"]  # dollars


class Shop(NamedTuple):
    """What is for sale."""

    kind: Int[Array, "4"]  # of what lies in each slot; 0: nothing
    item: Int[Array, "4"]  # which of its kind
    reroll_price: Int[Array, ""]
    moves_left: Int[Array, ""]  # sales and rerolls that are still allowed, so that every shop ends


class Round(NamedTuple):
    """What begins anew with every blind."""

    pile: Cards  # to be drawn from
    hand: Cards
    forced: Cards  # of the hand: must be among the cards chosen (Cerulean Bell)
    score: Float[Array, ""]  # chips, whole
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
    boss_uses: Int[Array, "boss"]  # how often each has come in this run
    money: Int[Array, ""]
    levels: Int[Array, "12"]
    plays: Int[Array, "12"]  # of each hand type, in the whole run
    ox_type: Int[Array, ""]  # the type played most when the last round ended
    planets_used: Bool[Array, "12"]
    ancient_suit: Int[Array, ""]  # that the Ancient Joker likes in this round
    gros_michel_died: Bool[Array, ""]  # so Cavendish may be sold
    vouchers: Bool[Array, "voucher"]
    played_this_ante: Cards
    jokers: Jokers
    shop: Shop
    round: Round
    beaten: Int[Array, ""]  # blinds
    won: Bool[Array, ""]
    total_score: Float[Array, ""]  # chips of all rounds

    @property
    def ante(self) -> Int[Array, ""]:
        """1 .. max_ante: that of the blind begun last."""
        return quotient(self.number + 2, 3)

    @property
    def blind(self) -> Int[Array, ""]:
        """SMALL, BIG or BOSS."""
        return remainder(self.number + 2, 3)

    @property
    def active_boss(self) -> Int[Array, ""]:
        """The boss of the blind that is played, 0 where none is."""
        return jnp.where((self.blind == blinds.BOSS) & (self.phase == PLAY), self.boss, NO_BOSS)


class Move(NamedTuple):
    """What a player does."""

    kind: Int[Array, ""]  # one of those below
    cards: Cards  # that are played or discarded
    slot: Int[Array, ""]  # of the shop, or of the joker


NOTHING, PLAY_CARDS, DISCARD_CARDS, BUY, SELL, REROLL, LEAVE, BEGIN = range(8)


class Rules(NamedTuple):
    """What does not change during a run: static, part of the compiled program."""

    stage: int  # see `stages`
    auto_select: bool  # the next blind begins by itself
    stacked: bool  # decks come in a given order instead of at random
    shop_moves: int  # sales and rerolls in one shop, at most
    jokers: tuple[bool, ...]  # which of them shops may sell, by id
    bosses: tuple[bool, ...]  # which of them may come, by id


VOUCHERS = ("Overstock", "Clearance Sale", "Grabber", "Wasteful", "Seed Money")
OVERSTOCK, CLEARANCE_SALE, GRABBER, WASTEFUL, SEED_MONEY = range(5)


def when(condition: Bool[Array, ""], then: Any, otherwise: Any) -> Any:
    """One record or another of the same kind, field by field."""
    return case({True: then}, condition, otherwise)


def case(outcomes: Mapping[int, Any], kind: Array, otherwise: Any) -> Any:
    """The record that this `kind` leads to, or another of the same kind; each field is worked out once.

    Otherwise one rule after another is worked out again for each number that depends on them: a step of stage 2 took
    four times as long, and five times as long to compile.
    """
    kind = once(kind)

    def field(before: Array, *after: Array) -> Array:
        value = before
        for name, other in zip(outcomes, after, strict=True):
            value = value if other is before else jnp.where(kind == name, other, value)
        return value

    return once(jax.tree.map(field, otherwise, *outcomes.values()))


def new_run(max_ante: Int[Array, ""]) -> Game:
    """Before the first blind; its boss is yet to be drawn."""
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
        jokers=Jokers(*(jnp.zeros(JOKER_SLOTS, dtype) for dtype in (jnp.int32, jnp.float32, jnp.int32))),
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
    """All 52 cards in the pile, nothing dealt yet."""
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
