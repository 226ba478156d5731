"""One blind: dealt, played and discarded from until it is beaten or lost."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from elsinore.envs.balatro.rules import bosses, rack, stages
from elsinore.envs.balatro.rules.chance import below
from elsinore.envs.balatro.rules.deck import Cards, count, dealt, draw, held, slots_of
from elsinore.envs.balatro.rules.discards import discard as discarded
from elsinore.envs.balatro.rules.game import (
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
from elsinore.envs.balatro.rules.hands import NUM_HANDS
from elsinore.envs.balatro.rules.jokers import joker_id
from elsinore.envs.balatro.rules.play import Play, Scored
from elsinore.envs.balatro.rules.scoring import score
from elsinore.ops.once import once
from elsinore.ops.randomness import for_use

PLAYED_SLOTS = 5
_HOOKED = 2  # cards that The Hook takes
_DRUNKARD, _BURGLAR = joker_id("Drunkard"), joker_id("Burglar")
_BURGLARS_HANDS = 3
_NO_LIMIT = 99
_SLOTS = np.arange(JOKER_SLOTS)


def _boss_limits(name: str) -> np.ndarray:
    """What each boss sets a number of the round to, `_NO_LIMIT` where it leaves it."""
    limits = [getattr(boss, name) for boss in bosses.BOSSES]
    return np.array([_NO_LIMIT if limit is None else limit for limit in limits], np.int32)


_HANDS, _DISCARDS, _HAND_SIZE = (_boss_limits(name) for name in ("hands", "discards", "hand_size"))


def begin(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """A blind is taken on: its hands and discards are counted out. No card is dealt yet."""
    game = game._replace(phase=jnp.int32(PLAY))
    hands, discards = jnp.int32(BASE_HANDS), jnp.int32(BASE_DISCARDS)
    hand_size = jnp.int32(BASE_HAND_SIZE)
    if rules.stage >= stages.CHANCE:
        hands, discards = hands + game.vouchers[GRABBER], discards + game.vouchers[WASTEFUL]
    if rules.stage >= stages.JOKERS:
        burglars = rack.owned(game.jokers, _BURGLAR)
        hands = hands + _BURGLARS_HANDS * burglars
        discards = jnp.where(burglars > 0, 0, discards + rack.owned(game.jokers, _DRUNKARD))
        suit = (game.ancient_suit + 1 + below(jax.random.bits(for_use(key, "suit")), jnp.int32(3))) & 3
        game = game._replace(ancient_suit=suit)
    if rules.stage >= stages.BOSSES:
        boss = game.active_boss
        hands, discards, hand_size = (
            jnp.minimum(usual, jnp.asarray(limit)[boss])
            for usual, limit in ((hands, _HANDS), (discards, _DISCARDS), (hand_size, _HAND_SIZE))
        )
    now = game.round._replace(hands_left=hands, discards_left=discards, hand_size=hand_size)
    return disabling(key, game._replace(round=now), rules)


def play(key: Key[Array, ""], game: Game, cards: Cards, rules: Rules) -> Game:
    """Some cards of the hand score, and leave it."""
    game = _without(game, cards)
    if rules.stage >= stages.BOSSES:
        wanted = jnp.where(game.active_boss == bosses.HOOK, _HOOKED, 0)
        hooked = draw(for_use(key, "hook"), game.round.hand, wanted, most=_HOOKED)
        game = game._replace(round=game.round._replace(hand=game.round.hand - hooked))
    asked = as_play(game, cards, rules)
    if rules.stage >= stages.CHANCE:
        asked = asked._replace(key=for_use(key, "luck"))
    scored = once(score(asked, rules.stage))
    return disabling(key, _after_scoring(game, cards, scored, rules), rules)


def preview(game: Game, cards: Cards, rules: Rules) -> Scored:
    """What some cards of the hand would score if they were played now, without chance."""
    return score(as_play(_without(game, cards), cards, rules), rules.stage)


def as_play(game: Game, cards: Cards, rules: Rules) -> Play:
    """What scoring asks of a game when the played cards have left the hand."""
    now = game.round
    asked = Play(played=slots_of(cards, PLAYED_SLOTS), levels=game.levels)
    if rules.stage >= stages.JOKERS:
        asked = asked._replace(
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
    if rules.stage >= stages.BOSSES:
        asked = asked._replace(
            boss_id=game.active_boss,
            played_this_ante=held(game.played_this_ante),
            eye_used=now.eye_used,
            mouth_type=now.mouth_type,
            ox_type=jnp.where(game.active_boss == bosses.OX, game.ox_type, -1),
            disabled_joker=now.disabled,
        )
    return asked


def discard(game: Game, cards: Cards, rules: Rules) -> Game:
    """Some cards of the hand leave it unplayed."""
    now = game.round
    left = now._replace(
        hand=now.hand - cards,
        forced=now.forced - cards,
        discards_left=now.discards_left - 1,
        discards_used=now.discards_used + 1,
    )
    if rules.stage < stages.JOKERS:
        return game._replace(round=left)
    slots, debuffed = slots_of(cards, PLAYED_SLOTS), jnp.zeros(PLAYED_SLOTS, bool)
    if rules.stage >= stages.BOSSES:
        debuffed = bosses.debuffed(slots, game.active_boss, held(game.played_this_ante))
    idle = now.disabled == _SLOTS
    acting = jnp.where(idle, 0, game.jokers.ids)
    out = discarded(slots, debuffed, now.discards_used, game.money, game.levels, acting, game.jokers.state)
    jokers = game.jokers._replace(state=jnp.where(idle, game.jokers.state, out.joker_state))
    jokers = rack.kept(jokers, out.joker_alive | idle & (jokers.ids != 0))
    return game._replace(round=left, money=out.money, levels=out.levels, jokers=jokers)


def refill(key: Key[Array, ""], game: Game, rules: Rules, decks: Int[Array, "blind 52"] | None) -> Game:
    """Cards are drawn until the hand is full again, or the pile empty."""
    now = game.round
    wanted = jnp.where(game.phase == PLAY, now.hand_size - count(now.hand), 0)
    if rules.stacked:
        drawn = dealt(jnp.asarray(decks)[game.number - 1], now.pile, wanted)
    else:
        drawn = draw(for_use(key, "deal"), now.pile, wanted)
    now = now._replace(pile=now.pile - drawn, hand=now.hand | drawn)
    if rules.stage >= stages.BOSSES:
        rings = (game.active_boss == bosses.CERULEAN_BELL) & (count(now.forced) == 0)
        now = now._replace(forced=now.forced | draw(for_use(key, "bell"), now.hand, rings.astype(jnp.int32), most=1))
    return game._replace(round=now)


def disabling(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """Crimson Heart disables another joker before each hand, never the same slot twice running."""
    if rules.stage < stages.BOSSES:
        return game
    last, num = game.round.disabled, JOKER_SLOTS - rack.free(game.jokers)
    last_is_there = (last >= 0) & (last < num)
    slot = below(jax.random.bits(for_use(key, "heart")), jnp.maximum(num - last_is_there, 1))
    slot = slot + (last_is_there & (num > 1) & (slot >= last))
    disables = (game.active_boss == bosses.CRIMSON_HEART) & (num > 0)
    return game._replace(round=game.round._replace(disabled=jnp.where(disables, slot, -1)))


def _without(game: Game, cards: Cards) -> Game:
    """The played cards have left the hand."""
    now = game.round
    now = now._replace(hand=now.hand - cards, forced=now.forced - cards, hands_left=now.hands_left - 1)
    return game._replace(round=now)


def _after_scoring(game: Game, cards: Cards, scored: Scored, rules: Rules) -> Game:
    """The points are counted, and what the hand did to the rest of the game is done."""
    now = game.round
    once = jnp.arange(NUM_HANDS) == scored.type
    now = now._replace(score=now.score + scored.score, plays=now.plays + once)
    game = game._replace(total_score=game.total_score + scored.score, plays=game.plays + once)
    if rules.stage >= stages.JOKERS:
        jokers = rack.kept(game.jokers._replace(state=scored.joker_state), scored.joker_alive)
        game = game._replace(jokers=jokers, money=scored.money, levels=scored.levels)
    if rules.stage >= stages.BOSSES:
        seen, only = bosses.remembered(scored.type, scored.blocked, now.eye_used, now.mouth_type)
        now = now._replace(eye_used=seen, mouth_type=only)
        game = game._replace(played_this_ante=game.played_this_ante | cards)
    return game._replace(round=now)
