"""Networks for Balatro's dictionary observations.

Cards, jokers and offers are categorical, so each is embedded; amounts are unbounded, so they enter
by their logarithms.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from elsinore.nets.actor_critic import OutputsAndValue
from elsinore.nets.encoders import ACTIVATIONS, MLP, dense
from elsinore.worlds.balatro.actions import NUM_SUBSETS
from elsinore.worlds.balatro.nets.hands import (
    held_and_left,
    score_terms,
    seen_cards,
)
from elsinore.worlds.balatro.nets.subsets import SubsetHead
from elsinore.worlds.balatro.rules.deck import HAND_SLOTS

NUM_ITEMS = 128  # more than there are jokers, planets or tarots
NUM_KINDS = 5  # of offers in a shop
ONE_HOT_SIZES = {"phase": 4, "blind_kind": 3, "boss_id": 32}
AMOUNTS = (
    "chips_scored", "chips_needed", "money", "reroll_price", "hand_levels", "hand_plays_round",
    "round", "ante", "max_ante",
)  # fmt: skip
COUNTS = ("hands_left", "discards_left", "progress_ratio", "deck_seen")
REQUIRED_PARTS = (
    "hand", "joker_ids", "joker_state", "joker_sell", "shop_kind", "shop_item", "shop_price",
    "phase", "blind_kind", "boss_id", *AMOUNTS, *COUNTS,
)  # fmt: skip


def check_cards(obs: PyTree) -> None:
    """Raise an error for observations that are not Balatro's.

    Raises:
        ValueError: with the missing part.
    """
    missing = [name for name in REQUIRED_PARTS if not isinstance(obs, Mapping) or name not in obs]
    if missing:
        raise ValueError(
            "algo.network.encoder='elsinore.worlds.balatro.nets:CARDS' reads the observations of"
            f" Balatro, and {missing[0]!r} is not in this environment's. Use encoder: auto (with"
            " Balatro, leave out `flatten`)."
        )


def flat(obs: Mapping[str, Array], names: Iterable[str]) -> Float[Array, "numbers"]:
    """Concatenate parts of an observation."""
    return jnp.concatenate([jnp.ravel(obs[name]).astype(jnp.float32) for name in names])


def compressed(amounts: Float[Array, "..."]) -> Float[Array, "..."]:
    """sign(x) log(1 + |x|)."""
    return jnp.sign(amounts) * jnp.log1p(jnp.abs(amounts))


class CardEncoder(nn.Module):
    """Dense layers over the cards of the hand, the set of jokers, the shop, and amounts."""

    hidden: Sequence[int] = (128, 128)
    activation: str = "relu"
    layer_norm: bool = False
    width: int = 16  # of the embedding of a card, joker or offer

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> Float[Array, "features"]:
        items = nn.Embed(NUM_ITEMS, self.width, name="items")
        act = ACTIVATIONS[self.activation]
        cards = act(
            dense(self.width, np.sqrt(2), name="cards")(seen_cards(obs["hand"], obs["deck_seen"]))
        )
        seen = [jnp.ravel(cards), *held_and_left(obs["hand"], obs["deck_seen"])]
        seen += [self._jokers(items, act, obs), self._shop(items, act, obs)]
        seen += [
            jax.nn.one_hot(obs[name].astype(jnp.int32), size)
            for name, size in ONE_HOT_SIZES.items()
        ]
        seen += [
            compressed(flat(obs, AMOUNTS)),
            flat(obs, (name for name in (*COUNTS, "selected") if name in obs)),
        ]
        if (scores := scores_shown(obs)) is not None:
            seen.append(jnp.max(scores, axis=0))  # the best play
        return MLP(self.hidden, self.activation, self.layer_norm)(jnp.concatenate(seen))

    def _jokers(
        self, items: nn.Embed, act: Callable, obs: Mapping[str, Array]
    ) -> Float[Array, "width"]:
        """The sum over the jokers owned, independent of their order."""
        ids = obs["joker_ids"].astype(jnp.int32)
        numbers = compressed(flat(obs, ("joker_state", "joker_sell"))).reshape(2, -1).T
        each = act(
            dense(self.width, np.sqrt(2), name="jokers")(
                jnp.concatenate([items(ids), numbers], axis=1)
            )
        )
        return jnp.sum(each * (ids > 0)[:, None], axis=0)

    def _shop(
        self, items: nn.Embed, act: Callable, obs: Mapping[str, Array]
    ) -> Float[Array, "offers"]:
        """The embeddings of all slots in order, because each slot is an action."""
        kind = jax.nn.one_hot(obs["shop_kind"].astype(jnp.int32), NUM_KINDS)
        item = items(obs["shop_item"].astype(jnp.int32))
        price = compressed(flat(obs, ("shop_price",)))[:, None]
        offers = jnp.concatenate([kind, item * (1.0 - kind[:, :1]), price], axis=1)
        return jnp.ravel(act(dense(self.width, np.sqrt(2), name="offers")(offers)))


def scores_shown(obs: Mapping[str, Array]) -> Float[Array, "subset term"] | None:
    """The score terms of every subset, if the observation has `play_scores`."""
    if "play_scores" not in obs:
        return None
    return score_terms(
        obs["play_scores"], obs["chips_needed"] - obs["chips_scored"], obs["hands_left"]
    )


class CardActorCritic(nn.Module):
    """Policy logits, by subsets of cards, and a value."""

    encoder: Callable[[], nn.Module]  # makes one trunk
    num_outputs: int
    shared: bool = False
    subsets: bool = True  # False: a plain dense head, for comparison

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> OutputsAndValue:
        actor_trunk = self.encoder()
        critic_trunk = actor_trunk if self.shared else self.encoder()
        # A small gain makes the initial policy nearly uniform; the critic's is 1 (detail 2 of
        # Huang 2022).
        head = _head if self.subsets else _plain_head
        outputs = head(self.num_outputs, 0.01, "policy", actor_trunk(obs), obs)
        return outputs, dense(1, 1.0, name="value")(critic_trunk(obs))[0]


class CardQNetwork(nn.Module):
    """Q(s, a) of each action, and their maximum; `dueling` as in `actor_critic.QNetwork`."""

    encoder: Callable[[], nn.Module]
    num_outputs: int
    dueling: bool = False

    @nn.compact
    def __call__(self, obs: Mapping[str, Array]) -> OutputsAndValue:
        features = self.encoder()(obs)
        q = _head(self.num_outputs, 1.0, "advantage" if self.dueling else "q", features, obs)
        if self.dueling:
            q = dense(1, 1.0, name="value")(features) + q - jnp.mean(q)
        return q, jnp.max(q)


def _head(
    num_outputs: int,
    scale: float,
    name: str,
    features: Float[Array, "features"],
    obs: Mapping[str, Array],
) -> Float[Array, "outputs"]:
    """`SubsetHead` in action mode `subset`, else a dense layer; call it inside `__call__`."""
    if num_outputs <= 2 * NUM_SUBSETS or obs["hand"].shape != (HAND_SLOTS,):
        return _plain_head(num_outputs, scale, name, features, obs)
    cards = seen_cards(obs["hand"], obs["deck_seen"])
    return SubsetHead(num_outputs, scale, name=name)(
        features, obs["hand"], cards, scores_shown(obs)
    )


def _plain_head(
    num_outputs: int,
    scale: float,
    name: str,
    features: Float[Array, "features"],
    obs: Mapping[str, Array],
) -> Float[Array, "outputs"]:
    return dense(num_outputs, scale, name=name)(features)
