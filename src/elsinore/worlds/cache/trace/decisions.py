"""Meanings of an action: the expert that evicts, the candidate to evict, or whether to admit."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.slots import (
    EXPERTS,
    Slots,
    expert_ranks,
    lowest_ranked,
    sortable_bits,
)

LRU, GDSF = EXPERTS.index("lru"), EXPERTS.index("gdsf")


class EvictionChoice(NamedTuple):
    """Ranks of the slots to evict, lowest first, as many as needed; or a rejection of the pending
    object."""

    first: Int[Array, "slot"]
    second: Int[Array, "slot"]
    rejected: Bool[Array, ""]
    by_priority: Bool[Array, ""]  # GDSF chose


class DecisionRule(NamedTuple):
    """A kind of decision. `k` is the number of candidates; only `sampled` uses it."""

    num_actions: Callable[[int], int]  # (k)
    choice: Callable[[Slots, Int[Array, ""], int], EvictionChoice]  # (slots, action, k)
    # (slots, k): slots in sight, and filled
    shown: Callable[[Slots, int], tuple[Int[Array, "n"], Bool[Array, "n"]]]


def expert_choice(slots: Slots, action: Int[Array, ""], k: int) -> EvictionChoice:
    """Action j evicts by expert j's rule; the last action rejects."""
    first, second = expert_ranks(slots)
    expert = jnp.minimum(action, len(EXPERTS) - 1)
    return EvictionChoice(first[expert], second[expert], action == len(EXPERTS), action == GDSF)


def expert_victims(slots: Slots, k: int) -> tuple[Int[Array, "expert"], Bool[Array, "expert"]]:
    """Victim of each expert."""
    victims = jax.vmap(lowest_ranked, in_axes=(0, 0, None))(*expert_ranks(slots), slots.filled)
    return victims, slots.filled[victims]


def admission_choice(slots: Slots, action: Int[Array, ""], k: int) -> EvictionChoice:
    """Action 0 stores in place of the LRU entry; action 1 rejects."""
    return expert_choice(slots, jnp.where(action == 0, LRU, len(EXPERTS)), k)


def candidates(slots: Slots, k: int) -> tuple[Int[Array, "k"], Bool[Array, "k"]]:
    """`k` random filled slots without replacement, and whether each is filled."""
    _, which = jax.lax.top_k(jnp.where(slots.filled, slots.draw, -1.0), k)
    return which, slots.filled[which]


def sampled_choice(slots: Slots, action: Int[Array, ""], k: int) -> EvictionChoice:
    """Action j evicts the j-th candidate, then by GDSF if that is not enough."""
    which, _ = candidates(slots, k)
    chosen = jnp.arange(slots.obj.size) == which[jnp.minimum(action, k - 1)]
    return EvictionChoice(
        jnp.where(chosen, -1, sortable_bits(slots.priority)),
        slots.last,
        action == k,
        jnp.bool_(False),
    )


DECISIONS = {
    "experts": DecisionRule(lambda k: len(EXPERTS) + 1, expert_choice, expert_victims),
    "sampled": DecisionRule(lambda k: k + 1, sampled_choice, candidates),
    "admission": DecisionRule(lambda k: 2, admission_choice, expert_victims),
}


def check_decision(decide: str, num_candidates: int, num_slots: int) -> None:
    """Refuse an unknown kind of decision, and more candidates than slots."""
    if decide not in DECISIONS:
        raise ValueError(f"decide={decide!r} is unknown; choose one of {', '.join(DECISIONS)}.")
    if decide == "sampled" and not 1 <= num_candidates <= num_slots:
        raise ValueError(
            f"candidates={num_candidates} must be 1 to {num_slots}, the slots of this cache."
        )
