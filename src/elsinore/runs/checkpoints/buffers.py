"""Replay buffers in a state: most of its memory, and nothing that a policy needs."""

from typing import Any

import jax
from jaxtyping import PyTree

WITHOUT = "replay buffer"  # `without` in the manifest of a checkpoint that holds none


def without_buffers(state: PyTree) -> PyTree:
    """A state, states in turns, or a tree of the same structure, with () for replay buffers; the
    same object where it has none."""
    if type(state) is tuple:  # turns
        bare = tuple(map(without_buffers, state))
        return state if all(x is y for x, y in zip(bare, state, strict=True)) else bare
    if not has_buffers(state):
        return state
    learner = state.train.learner
    groups = getattr(learner, "groups", None)  # of agents that learn by different algorithms
    bare = _bare(learner) if groups is None else learner._replace(groups=(*map(_bare, groups),))
    return state._replace(train=state.train._replace(learner=bare))


def has_buffers(state: PyTree) -> bool:
    """True if a state, or the first of those in turns, has replay buffers."""
    state = state[0] if type(state) is tuple else state
    learner = getattr(getattr(state, "train", None), "learner", None)
    learners = getattr(learner, "groups", (learner,))
    return any(_bare(each) is not each for each in learners)


def _bare(learner: Any) -> Any:
    """A learner's record with () in its field `buffer`."""
    is_record = hasattr(learner, "_replace")
    if not is_record or not jax.tree.leaves(getattr(learner, "buffer", ())):
        return learner
    return learner._replace(buffer=())
