"""What an action means: which expert evicts, which of some candidates goes, or whether to admit at all."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.envs.cache.trace.slots import EXPERTS, Slots, lowest, ranks, sortable

LRU, GDSF = EXPERTS.index("lru"), EXPERTS.index("gdsf")


class Choice(NamedTuple):
    """Who leaves: the lowest ranks, as many as it takes; or the pending object is turned away."""

    first: Int[Array, "slot"]
    second: Int[Array, "slot"]
    turned_away: Bool[Array, ""]
    by_priority: Bool[Array, ""]  # GDSF chose


class Decision(NamedTuple):
    """A kind of decision. `k` is the number of candidates; only `sampled` asks for it."""

    num_actions: Callable[[int], int]  # (k)
    choice: Callable[[Slots, Int[Array, ""], int], Choice]  # (slots, action, k)
    shown: Callable[[Slots, int], tuple[Int[Array, "n"], Bool[Array, "n"]]]  # (slots, k): slots in sight, and filled


def expert_choice(slots: Slots, action: Int[Array, ""], k: int) -> Choice:
    """Action j evicts by expert j's rule, the last action turns away."""
    first, second = ranks(slots)
    expert = jnp.minimum(action, len(EXPERTS) - 1)
    return Choice(first[expert], second[expert], action == len(EXPERTS), action == GDSF)


def expert_victims(slots: Slots, k: int) -> tuple[Int[Array, "expert"], Bool[Array, "expert"]]:
    """The victim that each expert names."""
    victims = jax.vmap(lowest, in_axes=(0, 0, None))(*ranks(slots), slots.filled)
    return victims, slots.filled[victims]


def admission_choice(slots: Slots, action: Int[Array, ""], k: int) -> Choice:
    """Action 0 stores in place of what was used longest ago, action 1 turns away."""
    return expert_choice(slots, jnp.where(action == 0, LRU, len(EXPERTS)), k)


def candidates(slots: Slots, k: int) -> tuple[Int[Array, "k"], Bool[Array, "k"]]:
    """`k` filled slots by lot, without replacement; where fewer are filled, the rest is not there."""
    _, which = jax.lax.top_k(jnp.where(slots.filled, slots.draw, -1.0), k)
    return which, slots.filled[which]


def sampled_choice(slots: Slots, action: Int[Array, ""], k: int) -> Choice:
    """Action j evicts the j-th candidate; where that is not enough, those that GDSF values least follow it."""
    which, _ = candidates(slots, k)
    chosen = jnp.arange(slots.obj.size) == which[jnp.minimum(action, k - 1)]
    return Choice(jnp.where(chosen, -1, sortable(slots.priority)), slots.last, action == k, jnp.bool_(False))


DECISIONS = {
    "experts": Decision(lambda k: len(EXPERTS) + 1, expert_choice, expert_victims),
    "sampled": Decision(lambda k: k + 1, sampled_choice, candidates),
    "admission": Decision(lambda k: 2, admission_choice, expert_victims),
}


def check_decision(decide: str, num_candidates: int, num_slots: int) -> None:
    """Refuse a kind of decision that is none, and more candidates than there are slots."""
    if decide not in DECISIONS:
        raise ValueError(f"decide={decide!r} is unknown; choose one of {', '.join(DECISIONS)}.")
    if decide == "sampled" and not 1 <= num_candidates <= num_slots:
        raise ValueError(f"candidates={num_candidates} must be 1 to {num_slots}, the slots of this cache.")
