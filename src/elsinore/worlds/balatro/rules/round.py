"""One blind: starting it, playing, discarding and refilling the hand."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from elsinore.jaxtools.barrier import barrier
from elsinore.jaxtools.prng import for_use
from elsinore.worlds.balatro.rules import bosses, joker_slots
from elsinore.worlds.balatro.rules.deck import CardSet, count, dealt, draw_from, held, slots_of
from elsinore.worlds.balatro.rules.discards import discard_effects
from elsinore.worlds.balatro.rules.game import (
    BASE_DISCARDS,
    BASE_HAND_SIZE,
    BASE_HANDS,
    GRABBER,
    JOKER_SLOTS,
    PLAY,
    WASTEFUL,
    Game,
    Rules,
)
from elsinore.worlds.balatro.rules.hands import NUM_HANDS
from elsinore.worlds.balatro.rules.jokers import joker_id
from elsinore.worlds.balatro.rules.play import Play, ScoredHand
from elsinore.worlds.balatro.rules.sampling import below
from elsinore.worlds.balatro.rules.scoring import score
from elsinore.worlds.balatro.rules.stages import Stage

PLAYED_SLOTS = 5
_HOOKED = 2  # cards discarded by The Hook
_DRUNKARD, _BURGLAR = joker_id("Drunkard"), joker_id("Burglar")
_BURGLARS_HANDS = 3
_NO_LIMIT = 99
_SLOTS = np.arange(JOKER_SLOTS)


def _boss_limits(name: str) -> np.ndarray:
    """Each boss's limit of a number of the round, `_NO_LIMIT` if none."""
    limits = [getattr(boss, name) for boss in bosses.BOSSES]
    return np.array([_NO_LIMIT if limit is None else limit for limit in limits], np.int32)


_HANDS, _DISCARDS, _HAND_SIZE = (_boss_limits(name) for name in ("hands", "discards", "hand_size"))


def start_blind(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """Start a blind with its hands and discards; no card is dealt yet."""
    game = game._replace(phase=jnp.int32(PLAY))
    hands, discards = jnp.int32(BASE_HANDS), jnp.int32(BASE_DISCARDS)
    hand_size = jnp.int32(BASE_HAND_SIZE)
    if rules.stage >= Stage.CHANCE:
        hands, discards = hands + game.vouchers[GRABBER], discards + game.vouchers[WASTEFUL]
    if rules.stage >= Stage.JOKERS:
        burglars = joker_slots.num_owned(game.jokers, _BURGLAR)
        hands = hands + _BURGLARS_HANDS * burglars
        discards = jnp.where(
            burglars > 0, 0, discards + joker_slots.num_owned(game.jokers, _DRUNKARD)
        )
        suit = (
            game.ancient_suit + 1 + below(jax.random.bits(for_use(key, "suit")), jnp.int32(3))
        ) & 3
        game = game._replace(ancient_suit=suit)
    if rules.stage >= Stage.BOSSES:
        boss = game.active_boss
        hands, discards, hand_size = (
            jnp.minimum(usual, jnp.asarray(limit)[boss])
            for usual, limit in ((hands, _HANDS), (discards, _DISCARDS), (hand_size, _HAND_SIZE))
        )
    now = game.round._replace(hands_left=hands, discards_left=discards, hand_size=hand_size)
    return disable_joker(key, game._replace(round=now), rules)


def play_cards(key: Key[Array, ""], game: Game, cards: CardSet, rules: Rules) -> Game:
    """Play cards of the hand."""
    game = _without(game, cards)
    if rules.stage >= Stage.BOSSES:
        wanted = jnp.where(game.active_boss == bosses.THE_HOOK, _HOOKED, 0)
        hooked = draw_from(for_use(key, "hook"), game.round.hand, wanted, most=_HOOKED)
        game = game._replace(round=game.round._replace(hand=game.round.hand - hooked))
    inputs = scoring_inputs(game, cards, rules)
    if rules.stage >= Stage.CHANCE:
        inputs = inputs._replace(key=for_use(key, "luck"))
    return _after_scoring(game, cards, barrier(score(inputs, rules.stage)), rules)


def preview(game: Game, cards: CardSet, rules: Rules) -> ScoredHand:
    """The result of playing cards of the hand now, without random effects."""
    return score(scoring_inputs(_without(game, cards), cards, rules), rules.stage)


def scoring_inputs(game: Game, cards: CardSet, rules: Rules) -> Play:
    """The inputs of scoring, once the played cards have left the hand."""
    now = game.round
    inputs = Play(played=slots_of(cards, PLAYED_SLOTS), levels=game.levels)
    if rules.stage >= Stage.JOKERS:
        inputs = inputs._replace(
            held=slots_of(now.hand),
            joker_ids=game.jokers.ids,
            joker_state=game.jokers.state,
            joker_sell=game.jokers.sell,
            money=game.money,
            hands_left=now.hands_left,
            discards_left=now.discards_left,
            deck_left=count(now.pile),
            ancient_suit=game.ancient_suit,
            plays_run=game.plays,
            plays_round=now.plays,
        )
    if rules.stage >= Stage.BOSSES:
        inputs = inputs._replace(
            boss_id=game.active_boss,
            played_this_ante=held(game.played_this_ante),
            eye_used=now.eye_used,
            mouth_type=now.mouth_type,
            ox_type=jnp.where(game.active_boss == bosses.THE_OX, game.ox_type, -1),
            disabled_joker=now.disabled,
        )
    return inputs


def discard_cards(game: Game, cards: CardSet, rules: Rules) -> Game:
    """Discard cards of the hand."""
    now = game.round
    left = now._replace(
        hand=now.hand - cards,
        forced=now.forced - cards,
        discards_left=now.discards_left - 1,
        discards_used=now.discards_used + 1,
    )
    if rules.stage < Stage.JOKERS:
        return game._replace(round=left)
    slots, debuffed = slots_of(cards, PLAYED_SLOTS), jnp.zeros(PLAYED_SLOTS, bool)
    if rules.stage >= Stage.BOSSES:
        debuffed = bosses.debuffed(slots, game.active_boss, held(game.played_this_ante))
    idle = now.disabled == _SLOTS
    active = jnp.where(idle, 0, game.jokers.ids)
    out = discard_effects(
        slots, debuffed, now.discards_used, game.money, game.levels, active, game.jokers.state
    )
    jokers = game.jokers._replace(state=jnp.where(idle, game.jokers.state, out.joker_state))
    stays = out.joker_alive | idle & (jokers.ids != 0)
    if rules.stage >= Stage.BOSSES:
        left = left._replace(disabled=joker_slots.place_of(now.disabled, stays))
    jokers = joker_slots.keep_jokers(jokers, stays)
    return game._replace(round=left, money=out.money, levels=out.levels, jokers=jokers)


def refill(
    key: Key[Array, ""], game: Game, rules: Rules, decks: Int[Array, "blind 52"] | None
) -> Game:
    """Draw until the hand is full or the pile empty."""
    now = game.round
    wanted = jnp.where(game.phase == PLAY, now.hand_size - count(now.hand), 0)
    if rules.stacked:
        drawn = dealt(jnp.asarray(decks)[game.number - 1], now.pile, wanted)
    else:
        drawn = draw_from(for_use(key, "deal"), now.pile, wanted)
    now = now._replace(pile=now.pile - drawn, hand=now.hand | drawn)
    if rules.stage >= Stage.BOSSES:
        rings = (game.active_boss == bosses.CERULEAN_BELL) & (count(now.forced) == 0)
        now = now._replace(
            forced=now.forced
            | draw_from(for_use(key, "bell"), now.hand, rings.astype(jnp.int32), most=1)
        )
    return game._replace(round=now)


def disable_joker(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """Crimson Heart disables a random joker before each hand, never one slot twice in a row."""
    if rules.stage < Stage.BOSSES:
        return game
    last, num = game.round.disabled, JOKER_SLOTS - joker_slots.num_free(game.jokers)
    last_is_there = (last >= 0) & (last < num)
    slot = below(jax.random.bits(for_use(key, "heart")), jnp.maximum(num - last_is_there, 1))
    slot = slot + (last_is_there & (num > 1) & (slot >= last))
    disables = (game.active_boss == bosses.CRIMSON_HEART) & (num > 0)
    return game._replace(round=game.round._replace(disabled=jnp.where(disables, slot, -1)))


def _without(game: Game, cards: CardSet) -> Game:
    """Remove the played cards from the hand, and count the hand."""
    now = game.round
    now = now._replace(
        hand=now.hand - cards, forced=now.forced - cards, hands_left=now.hands_left - 1
    )
    return game._replace(round=now)


def _after_scoring(game: Game, cards: CardSet, scored: ScoredHand, rules: Rules) -> Game:
    """Apply the results of scoring to the game."""
    now = game.round
    played_type = jnp.arange(NUM_HANDS) == scored.type
    now = now._replace(score=now.score + scored.score, plays=now.plays + played_type)
    game = game._replace(
        total_score=game.total_score + scored.score, plays=game.plays + played_type
    )
    if rules.stage >= Stage.JOKERS:
        jokers = joker_slots.keep_jokers(
            game.jokers._replace(state=scored.joker_state), scored.joker_alive
        )
        game = game._replace(jokers=jokers, money=scored.money, levels=scored.levels)
    if rules.stage >= Stage.BOSSES:
        seen, only = bosses.record_hand_type(
            scored.type, scored.blocked, now.eye_used, now.mouth_type
        )
        disabled = joker_slots.place_of(now.disabled, scored.joker_alive)
        now = now._replace(eye_used=seen, mouth_type=only, disabled=disabled)
        game = game._replace(played_this_ante=game.played_this_ante | cards)
    return game._replace(round=now)
