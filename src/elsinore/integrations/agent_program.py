"""The functions of a learner that a loop in Python calls, each compiled at its first call."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from elsinore.jaxtools.compiler_options import compiler_options
from elsinore.jaxtools.prng import for_update, for_use
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
        return parts.prepare(state, for_use(for_update(state.key, state.update), parts.uses[0]))

    def decide(state, context, noise, time, carry, obs):
        now = jax.tree.map(lambda x: x[time], noise)
        return parts.decide(state, context, now, carry, obs)

    def learn(state, actor, experience, context):
        key = for_use(for_update(state.key, state.update), parts.uses[2])
        after, experience, metrics = parts.reward(state, actor, experience)
        after, more = parts.learn(key, state, after, experience, context)
        return after, metrics | more

    def greedy(state, carry, obs):
        policy, own = algo.policy, state.policy_state
        return jax.vmap(lambda c, o: policy.act(state.key, own, c, o, True))(carry, obs)

    functions = (init, prepare, decide, learn, greedy)
    return LearnerProgram(*(jax.jit(f, compiler_options=options) for f in functions))
