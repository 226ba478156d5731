"""What one played hand scores, and what it does to jokers, money and levels."""

from functools import partial

import jax
import jax.numpy as jnp

from elsinore.envs.balatro.rules import jokers, marks, passes
from elsinore.envs.balatro.rules.cards import EMPTY, chips_of, rank_of
from elsinore.envs.balatro.rules.counting import counts, facts, purse
from elsinore.envs.balatro.rules.hands import NUM_HANDS, Hand, classify, hand_value
from elsinore.envs.balatro.rules.jokers.columns import Effects, look_up
from elsinore.envs.balatro.rules.luck import Luck, draw_luck
from elsinore.envs.balatro.rules.meddling import Terms, boss_terms, free_terms
from elsinore.envs.balatro.rules.play import Play, Scored
from elsinore.envs.balatro.rules.stages import BOSSES, CHANCE, JOKERS
from elsinore.ops.once import once

__all__ = ["Play", "Scored", "score"]

_SPACE, _SPLASH = jokers.joker_id("Space Joker"), jokers.joker_id("Splash")


def score(play: Play, stage: int) -> Scored:
    """Score one hand by the rules of a stage (static, see `stages`)."""
    hand = once(classify(play.played))
    if stage < JOKERS:
        return _score_cards(play, hand)
    terms = boss_terms(play, hand) if stage >= BOSSES else free_terms(play, hand)
    luck = draw_luck(play.key) if stage >= CHANCE and play.key is not None else Luck()
    return _score_jokers(play, hand, terms, luck)


def _score_cards(play: Play, hand: Hand) -> Scored:
    """The level's value and the chips of the scoring cards."""
    chips, mult = hand_value(hand.type, play.levels[hand.type])
    chips = jnp.float32(chips + (hand.scoring * chips_of(rank_of(play.played))).sum())
    mult = jnp.float32(mult)
    return Scored(
        type=hand.type,
        scoring=hand.scoring,
        blocked=jnp.bool_(False),
        played_debuffed=jnp.zeros(play.played.shape, bool),
        held_debuffed=None,
        chips=chips,
        mult=mult,
        score=chips * mult,
        joker_state=play.joker_state,
        joker_alive=None if play.joker_ids is None else play.joker_ids != 0,
        money=play.money,
        levels=play.levels,
    )


def _score_jokers(play: Play, hand: Hand, terms: Terms, luck: Luck) -> Scored:
    """With jokers; a hand that the boss blocks goes only through the pass after it."""
    effects = look_up(terms.jokers)
    scoring = hand.scoring | (play.played != EMPTY) & (terms.jokers == _SPLASH).any()
    level = terms.level + ((terms.jokers == _SPACE) & luck.level_up & ~terms.blocked).sum()
    nothing = passes.Tally(jnp.float32(0), jnp.float32(0), terms.money, play.joker_state)
    made = _tally(play, hand._replace(scoring=scoring), terms._replace(level=level), luck, effects)
    tally = jax.tree.map(partial(jnp.where, terms.blocked), nothing, made)
    counters, alive = passes.after(tally.counters, effects, play.joker_ids)
    return Scored(
        type=hand.type,
        scoring=scoring,
        blocked=terms.blocked,
        played_debuffed=terms.played_debuffed,
        held_debuffed=terms.held_debuffed,
        chips=tally.chips,
        mult=tally.mult,
        score=jnp.floor(tally.chips * tally.mult),
        joker_state=counters,
        joker_alive=alive,
        money=tally.money,
        levels=jnp.where(jnp.arange(NUM_HANDS) == hand.type, level, play.levels),
    )


def _tally(play: Play, hand: Hand, terms: Terms, luck: Luck, effects: Effects) -> passes.Tally:
    """The passes in their order: before, played cards, held cards, each joker."""
    acting = hand.scoring & ~terms.played_debuffed
    played = marks.of_scored(play.played, hand.scoring, acting, play.ancient_suit, play.hands_left == 0)
    played, held = once((played, marks.of_held(play.held, terms.held_debuffed)))
    known = facts(play, hand, played)
    tally = passes.before(play, hand, terms, effects, known)
    tally = passes.played_cards(tally, play.played, played, effects, luck)
    tally = passes.held_cards(tally, play.held, held, effects)
    number = counts(effects.hand.per, known | purse(tally.money), tally.counters, play.joker_sell, luck.to_23)
    return passes.jokers_in_turn(tally, effects, number, play, terms)
