"""The functions of a learner that a loop in Python calls, each compiled at its first call."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from elsinore.algos.common import update_keys
from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.types import Algorithm, Decision, TrainState, UpdateParts


class LearnerProgram(NamedTuple):
    """An algorithm cut where Python steps the environment.

    `init(key) -> TrainState`; `prepare(state) -> (context, noise)` of a rollout;
    `decide(state, context, noise, time, carry, obs) -> Decision`; `learn(state, actor, experience,
    context) -> (state, metrics)`; `greedy(state, carry, obs) -> (actions, carry)`. Observations and
    actions are [env, ...].
    """

    init: Callable[..., TrainState]
    prepare: Callable[..., tuple[PyTree, PyTree]]
    decide: Callable[..., Decision]
    learn: Callable[..., tuple[TrainState, dict[str, Any]]]
    greedy: Callable[..., tuple[PyTree, PyTree]]


def compiled(algo: Algorithm, parts: UpdateParts, env_params: PyTree) -> LearnerProgram:
    """The program of an algorithm that has these parts."""
    options = compiler_options()

    def init(key):
        return algo.init(key, env_params, algo.hyper)

    def prepare(state):
        key, _, _ = update_keys(parts, state)
        return parts.prepare(state, key)

    def decide(state, context, noise, time, carry, obs):
        now = jax.tree.map(lambda x: x[time], noise)
        return parts.decide(state, context, now, carry, obs)

    def learn(state, actor, experience, context):
        _, _, key = update_keys(parts, state)
        return parts.learn(key, state, actor, experience, context)

    def greedy(state, carry, obs):
        policy, own = algo.policy, state.policy_state
        return jax.vmap(lambda c, o: policy.act(state.key, own, c, o, True))(carry, obs)

    functions = (init, prepare, decide, learn, greedy)
    return LearnerProgram(*(jax.jit(f, compiler_options=options) for f in functions))
