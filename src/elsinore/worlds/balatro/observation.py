"""Observations: a dictionary of arrays, or one vector."""

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, Bool, Float

from elsinore.worlds.balatro.actions import LAST_SLOT, NUM_SUBSETS, SUBSET_BITS, ActionMode
from elsinore.worlds.balatro.rules import round as rounds
from elsinore.worlds.balatro.rules import shop
from elsinore.worlds.balatro.rules.blinds import BLINDS, LAST_ANTE
from elsinore.worlds.balatro.rules.bosses import NUM_BOSSES
from elsinore.worlds.balatro.rules.cards import NUM_CARDS, RANKS, SUITS, rank_of, suit_of
from elsinore.worlds.balatro.rules.deck import (
    HAND_SLOTS,
    all_cards,
    cards_in_slots,
    count,
    held,
    slots_of,
)
from elsinore.worlds.balatro.rules.game import JOKER_SLOTS, NUM_OFFERS, PHASES, Game, Rules
from elsinore.worlds.balatro.rules.hands import NUM_HANDS
from elsinore.worlds.balatro.rules.jokers import NUM_JOKERS
from elsinore.worlds.balatro.rules.offers import OFFER_KINDS
from elsinore.worlds.balatro.rules.play import ScoredHand
from elsinore.worlds.balatro.state import BalatroState

Observation = dict[str, Array]

_MANY = 1_000_000  # more than any money, level or count reaches


def build_observation(
    state: BalatroState, mode: ActionMode, rules: Rules, play_scores: bool
) -> Observation:
    """The observation of a state; `space` lists its parts."""
    game, now = state.game, state.game.round
    target = now.target.astype(jnp.float32)
    obs = {
        "hand": slots_of(now.hand),
        "joker_ids": game.jokers.ids.astype(jnp.int8),
        "chips_scored": now.score,
        "chips_needed": target,
        "progress_ratio": jnp.minimum(now.score / target, 2.0),
        "money": game.money,
        "ante": game.ante,
        "round": game.number,
        "hands_left": now.hands_left,
        "discards_left": now.discards_left,
        "hand_levels": game.levels,
        "phase": game.phase,
        "action_mask": mode.mask(game, state.selected, rules),
        "joker_state": game.jokers.state,
        "joker_sell": game.jokers.sell,
        "blind_kind": game.blind,
        "boss_id": game.boss,
        "deck_seen": held(all_cards() - now.pile),
        "hand_plays_round": now.plays,
        "shop_kind": game.shop.kind.astype(jnp.int8),
        "shop_item": game.shop.item.astype(jnp.int8),
        "shop_price": shop.prices(game, rules),
        "reroll_price": game.shop.reroll_price,
        "max_ante": game.max_ante,
    }
    if mode.selects:
        obs["selected"] = (state.selected >> jnp.arange(HAND_SLOTS)) & 1 == 1
    if play_scores:
        obs["play_scores"] = jnp.log1p(subset_scores(game, rules))
    return obs


def subset_scores(game: Game, rules: Rules) -> Float[Array, "218"]:
    """The score of playing each subset now, without random effects; 0 for one with an empty
    slot."""
    there, scored = preview_subsets(game, rules)
    return jnp.where(there, scored.score, 0.0)


def preview_subsets(game: Game, rules: Rules) -> tuple[Bool[Array, "218"], ScoredHand]:
    """For each subset: True if all its slots are filled, and its score without random effects."""
    there = jnp.asarray(LAST_SLOT) < count(game.round.hand)
    hand = game.round.hand
    return there, jax.vmap(lambda bits: rounds.preview(game, cards_in_slots(hand, bits), rules))(
        jnp.asarray(SUBSET_BITS)
    )


def space(mode: ActionMode, play_scores: bool) -> spaces.Dict:
    """Shapes, dtypes and bounds of `build_observation`.

    Jokers, cards and offers are in order from left to right, empty slots last.
    """
    whole, real, small, flag = jnp.int32, jnp.float32, jnp.int8, jnp.bool_
    boxes = {
        "hand": (-1, NUM_CARDS - 1, (HAND_SLOTS,), small),  # sorted, suit * 13 + rank; -1: empty
        "joker_ids": (0, NUM_JOKERS - 1, (JOKER_SLOTS,), small),  # 0: empty
        "chips_scored": (0.0, np.inf, (), real),  # in this round
        "chips_needed": (0.0, np.inf, (), real),
        "progress_ratio": (0.0, 2.0, (), real),  # the ratio of these two
        "money": (-_MANY, _MANY, (), whole),
        "ante": (0, LAST_ANTE, (), whole),
        "round": (0, 3 * LAST_ANTE, (), whole),  # blinds started in this run
        "hands_left": (0, _MANY, (), whole),
        "discards_left": (0, _MANY, (), whole),
        "hand_levels": (1, _MANY, (NUM_HANDS,), whole),
        "phase": (0, len(PHASES) - 1, (), whole),
        "action_mask": (0, 1, (mode.num_actions,), flag),
        "joker_state": (-np.inf, np.inf, (JOKER_SLOTS,), real),
        "joker_sell": (0, _MANY, (JOKER_SLOTS,), whole),
        "blind_kind": (0, len(BLINDS) - 1, (), whole),
        "boss_id": (0, NUM_BOSSES - 1, (), whole),  # of this ante
        # by card: True if drawn in this round
        "deck_seen": (0, 1, (NUM_CARDS,), flag),
        "hand_plays_round": (0, _MANY, (NUM_HANDS,), whole),
        "shop_kind": (
            0,
            len(OFFER_KINDS) - 1,
            (NUM_OFFERS,),
            small,
        ),  # index of OFFER_KINDS
        "shop_item": (0, NUM_JOKERS - 1, (NUM_OFFERS,), small),
        "shop_price": (0, _MANY, (NUM_OFFERS,), whole),
        "reroll_price": (0, _MANY, (), whole),
        "max_ante": (1, LAST_ANTE, (), whole),
    }
    if mode.selects:
        boxes["selected"] = (0, 1, (HAND_SLOTS,), flag)
    if play_scores:
        # log1p of the score of each subset
        boxes["play_scores"] = (0.0, np.inf, (NUM_SUBSETS,), real)
    return spaces.Dict({name: spaces.Box(*box) for name, box in boxes.items()})


def flatten_observation(obs: Observation) -> Observation:
    """The observation as one vector of numbers near 1, beside the mask."""
    features = jnp.concatenate([jnp.ravel(part).astype(jnp.float32) for part in _parts(obs)])
    return {"features": features, "action_mask": obs["action_mask"]}


def _parts(obs: Observation) -> list[Array]:
    hand = obs["hand"]
    filled = (hand >= 0)[:, None]
    cards = [
        (rank_of(hand)[:, None] == np.arange(len(RANKS))) & filled,
        (suit_of(hand)[:, None] == np.arange(len(SUITS))) & filled,
    ]
    one_hot = [jax.nn.one_hot(obs[name], size) for name, size in _CHOICES.items()]
    logs = [
        jnp.sign(obs[name]) * jnp.log1p(jnp.abs(obs[name].astype(jnp.float32))) for name in _AMOUNTS
    ]
    counts = [obs[name] for name in _COUNTS]
    return (
        cards
        + one_hot
        + logs
        + counts
        + [obs[name] for name in ("selected", "play_scores") if name in obs]
    )


# Encodings of the vector's parts: one-hot, sign(x) log(1 + |x|), unchanged.
_CHOICES = {
    "phase": len(PHASES), "blind_kind": len(BLINDS), "boss_id": NUM_BOSSES,
    "joker_ids": NUM_JOKERS, "shop_kind": len(OFFER_KINDS),
}  # fmt: skip
_AMOUNTS = (
    "chips_scored", "chips_needed", "money", "joker_state", "joker_sell", "shop_item",
    "shop_price", "reroll_price",
)  # fmt: skip
_COUNTS = (
    "progress_ratio", "ante", "round", "hands_left", "discards_left", "hand_levels", "deck_seen",
    "hand_plays_round", "max_ante",
)  # fmt: skip


def flat_space(plain: spaces.Dict) -> spaces.Dict:
    """The space of flattened observations, from that of dictionaries."""
    like = {name: jax.ShapeDtypeStruct(box.shape, box.dtype) for name, box in plain.spaces.items()}
    features = jax.eval_shape(flatten_observation, like)["features"]
    return spaces.Dict(
        {
            "features": spaces.Box(-np.inf, np.inf, features.shape, features.dtype),
            "action_mask": plain.spaces["action_mask"],
        }
    )
