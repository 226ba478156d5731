"""Scoring of a played hand, with its effects on jokers, money and levels."""

from functools import partial

import jax
import jax.numpy as jnp

from elsinore.jaxtools.barrier import barrier
from elsinore.worlds.balatro.rules import card_flags, jokers, scoring_passes
from elsinore.worlds.balatro.rules.boss_effects import (
    ScoringTerms,
    terms_with_boss,
    terms_without_boss,
)
from elsinore.worlds.balatro.rules.cards import EMPTY, chips_of, rank_of
from elsinore.worlds.balatro.rules.counting import effect_counts, money_counts, shared_counts
from elsinore.worlds.balatro.rules.hands import NUM_HANDS, Hand, classify, hand_value
from elsinore.worlds.balatro.rules.joker_rng import JokerDraws, draw_for_jokers
from elsinore.worlds.balatro.rules.jokers.columns import Effects, look_up
from elsinore.worlds.balatro.rules.play import Play, ScoredHand
from elsinore.worlds.balatro.rules.stages import Stage

__all__ = ["Play", "ScoredHand", "score"]

_SPACE, _SPLASH = jokers.joker_id("Space Joker"), jokers.joker_id("Splash")


def score(play: Play, stage: int) -> ScoredHand:
    """Score one hand by the rules of a stage (static, see `stages`)."""
    hand = barrier(classify(play.played))
    if stage < Stage.JOKERS:
        return _score_cards(play, hand)
    terms = terms_with_boss(play, hand) if stage >= Stage.BOSSES else terms_without_boss(play, hand)
    draws = (
        draw_for_jokers(play.key)
        if stage >= Stage.CHANCE and play.key is not None
        else JokerDraws()
    )
    return _score_jokers(play, hand, terms, draws)


def _score_cards(play: Play, hand: Hand) -> ScoredHand:
    """The value of the type at its level, plus the chips of the scoring cards."""
    chips, mult = hand_value(hand.type, play.levels[hand.type])
    chips = jnp.float32(chips + (hand.scoring * chips_of(rank_of(play.played))).sum())
    mult = jnp.float32(mult)
    return ScoredHand(
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


def _score_jokers(play: Play, hand: Hand, terms: ScoringTerms, draws: JokerDraws) -> ScoredHand:
    """Score with jokers; a blocked hand gets only the last pass."""
    effects = look_up(terms.jokers)
    scoring = hand.scoring | (play.played != EMPTY) & (terms.jokers == _SPLASH).any()
    level = terms.level + ((terms.jokers == _SPACE) & draws.level_up & ~terms.blocked).sum()
    nothing = scoring_passes.Totals(jnp.float32(0), jnp.float32(0), terms.money, play.joker_state)
    unblocked = _totals(
        play, hand._replace(scoring=scoring), terms._replace(level=level), draws, effects
    )
    totals = jax.tree.map(partial(jnp.where, terms.blocked), nothing, unblocked)
    counters, alive = scoring_passes.after_scoring(totals.counters, effects, play.joker_ids)
    return ScoredHand(
        type=hand.type,
        scoring=scoring,
        blocked=terms.blocked,
        played_debuffed=terms.played_debuffed,
        held_debuffed=terms.held_debuffed,
        chips=totals.chips,
        mult=totals.mult,
        score=jnp.floor(totals.chips * totals.mult),
        joker_state=counters,
        joker_alive=alive,
        money=totals.money,
        levels=jnp.where(jnp.arange(NUM_HANDS) == hand.type, level, play.levels),
    )


def _totals(
    play: Play, hand: Hand, terms: ScoringTerms, draws: JokerDraws, effects: Effects
) -> scoring_passes.Totals:
    """The passes in order: before scoring, played cards, held cards, each joker."""
    acts = hand.scoring & ~terms.played_debuffed
    played = card_flags.of_scored(
        play.played, hand.scoring, acts, play.ancient_suit, play.hands_left == 0
    )
    played, held = barrier((played, card_flags.of_held(play.held, terms.held_debuffed)))
    known = shared_counts(play, hand, played)
    totals = scoring_passes.before_scoring(play, hand, terms, effects, known)
    totals = scoring_passes.played_cards(totals, play.played, played, effects, draws)
    totals = scoring_passes.held_cards(totals, play.held, held, effects)
    number = effect_counts(
        effects.hand.per,
        known | money_counts(totals.money),
        totals.counters,
        play.joker_sell,
        draws.to_23,
    )
    return scoring_passes.jokers_in_turn(totals, effects, number, play, terms)
