"""What a player sees, as a dictionary of arrays or as one vector."""

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, Bool, Float

from elsinore.envs.balatro.actions import BITS, LAST_SLOT, NUM_SUBSETS, ActionMode
from elsinore.envs.balatro.rules import round as rounds
from elsinore.envs.balatro.rules import shop
from elsinore.envs.balatro.rules.blinds import BLINDS, LAST_ANTE
from elsinore.envs.balatro.rules.bosses import NUM_BOSSES
from elsinore.envs.balatro.rules.cards import NUM_CARDS, RANKS, SUITS, rank_of, suit_of
from elsinore.envs.balatro.rules.deck import SLOTS, all_cards, chosen, count, held, slots_of
from elsinore.envs.balatro.rules.game import JOKER_SLOTS, NUM_OFFERS, PHASES, Game, Rules
from elsinore.envs.balatro.rules.hands import NUM_HANDS
from elsinore.envs.balatro.rules.jokers import NUM_JOKERS
from elsinore.envs.balatro.rules.play import Scored
from elsinore.envs.balatro.rules.stock import KINDS
from elsinore.envs.balatro.state import State

Observation = dict[str, Array]

_MANY = 1_000_000  # more than any money, level or count reaches


def observe(state: State, mode: ActionMode, rules: Rules, play_scores: bool) -> Observation:
    """The names and meanings are listed in `observation_space`."""
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
        obs["selected"] = (state.selected >> jnp.arange(SLOTS)) & 1 == 1
    if play_scores:
        obs["play_scores"] = jnp.log1p(scores_of_plays(game, rules))
    return obs


def scores_of_plays(game: Game, rules: Rules) -> Float[Array, "218"]:
    """What each choice of cards would score if played now, without chance; 0 where a slot of it is empty."""
    there, scored = previews(game, rules)
    return jnp.where(there, scored.score, 0.0)


def previews(game: Game, rules: Rules) -> tuple[Bool[Array, "218"], Scored]:
    """Of each choice of cards: whether its slots are filled, and what would come of playing it now, without chance."""
    there = jnp.asarray(LAST_SLOT) < count(game.round.hand)
    hand = game.round.hand
    return there, jax.vmap(lambda bits: rounds.preview(game, chosen(hand, bits), rules))(jnp.asarray(BITS))


def space(mode: ActionMode, play_scores: bool) -> spaces.Dict:
    """Shapes, types and bounds of what `observe` shows.

    Every list of jokers, cards or offers is from left to right, with its numbers for empty slots at the end.
    """
    whole, real, small, flag = jnp.int32, jnp.float32, jnp.int8, jnp.bool_
    boxes = {
        "hand": (-1, NUM_CARDS - 1, (SLOTS,), small),  # sorted, suit * 13 + rank; -1: empty
        "joker_ids": (0, NUM_JOKERS - 1, (JOKER_SLOTS,), small),  # 0: empty
        "chips_scored": (0.0, np.inf, (), real),  # in this round
        "chips_needed": (0.0, np.inf, (), real),
        "progress_ratio": (0.0, 2.0, (), real),  # of the two
        "money": (-_MANY, _MANY, (), whole),
        "ante": (0, LAST_ANTE, (), whole),
        "round": (0, 3 * LAST_ANTE, (), whole),  # blinds begun, or chosen, in this run
        "hands_left": (0, _MANY, (), whole),
        "discards_left": (0, _MANY, (), whole),
        "hand_levels": (1, _MANY, (NUM_HANDS,), whole),
        "phase": (0, len(PHASES) - 1, (), whole),
        "action_mask": (0, 1, (mode.num_actions,), flag),
        "joker_state": (-np.inf, np.inf, (JOKER_SLOTS,), real),
        "joker_sell": (0, _MANY, (JOKER_SLOTS,), whole),
        "blind_kind": (0, len(BLINDS) - 1, (), whole),
        "boss_id": (0, NUM_BOSSES - 1, (), whole),  # of this ante
        "deck_seen": (0, 1, (NUM_CARDS,), flag),  # by card: drawn in this round; the others are the pile
        "hand_plays_round": (0, _MANY, (NUM_HANDS,), whole),
        "shop_kind": (0, len(KINDS) - 1, (NUM_OFFERS,), small),  # an index of `stock.KINDS`
        "shop_item": (0, NUM_JOKERS - 1, (NUM_OFFERS,), small),
        "shop_price": (0, _MANY, (NUM_OFFERS,), whole),
        "reroll_price": (0, _MANY, (), whole),
        "max_ante": (1, LAST_ANTE, (), whole),
    }
    if mode.selects:
        boxes["selected"] = (0, 1, (SLOTS,), flag)  # taken up
    if play_scores:
        boxes["play_scores"] = (0.0, np.inf, (NUM_SUBSETS,), real)  # log1p of what playing it now would score
    return spaces.Dict({name: spaces.Box(*box) for name, box in boxes.items()})


def flatten(obs: Observation) -> Observation:
    """The same as one vector of numbers near 1, beside the mask."""
    features = jnp.concatenate([jnp.ravel(part).astype(jnp.float32) for part in _parts(obs)])
    return {"features": features, "action_mask": obs["action_mask"]}


def _parts(obs: Observation) -> list[Array]:
    hand = obs["hand"]
    filled = (hand >= 0)[:, None]
    cards = [(rank_of(hand)[:, None] == np.arange(len(RANKS))) & filled,
             (suit_of(hand)[:, None] == np.arange(len(SUITS))) & filled]  # fmt: skip
    one_hot = [jax.nn.one_hot(obs[name], size) for name, size in _CHOICES.items()]
    logs = [jnp.sign(obs[name]) * jnp.log1p(jnp.abs(obs[name].astype(jnp.float32))) for name in _AMOUNTS]
    counts = [obs[name] for name in _COUNTS]
    return cards + one_hot + logs + counts + [obs[name] for name in ("selected", "play_scores") if name in obs]


# How each part of an observation enters the vector; large numbers by the logarithm of 1 + x.
_CHOICES = {"phase": len(PHASES), "blind_kind": len(BLINDS), "boss_id": NUM_BOSSES, "joker_ids": NUM_JOKERS,
            "shop_kind": len(KINDS)}  # fmt: skip
_AMOUNTS = ("chips_scored", "chips_needed", "money", "joker_state", "joker_sell", "shop_item", "shop_price",
            "reroll_price")  # fmt: skip
_COUNTS = ("progress_ratio", "ante", "round", "hands_left", "discards_left", "hand_levels", "deck_seen",
           "hand_plays_round", "max_ante")  # fmt: skip


def flat_space(plain: spaces.Dict) -> spaces.Dict:
    """The space of `flatten`ed observations from that of plain ones."""
    like = {name: jax.ShapeDtypeStruct(box.shape, box.dtype) for name, box in plain.spaces.items()}
    features = jax.eval_shape(flatten, like)["features"]
    return spaces.Dict(
        {
            "features": spaces.Box(-np.inf, np.inf, features.shape, features.dtype),
            "action_mask": plain.spaces["action_mask"],
        }
    )
