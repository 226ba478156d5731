"""States and policies of a run, from its checkpoints."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import Plan
from elsinore.hyperparameters import over_records
from elsinore.runs.checkpoints.arrays import check_arrays, restore
from elsinore.runs.checkpoints.buffers import without_buffers
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.members import best_index
from elsinore.runs.policy import Policy
from elsinore.training.replicas import stacked
from elsinore.types import PolicyState, RunState


def best_replica(
    checkpoint: Checkpoint, history: np.ndarray, summary: dict[str, Any], mode: str
) -> int:
    """The index of the replica with the best evaluation at a checkpoint: the final one, of the
    run's summary, where it is the last, or else the newest in its state's `history`, [replica,
    window]. One that has diverged is the worst. `mode` is that of the population."""
    if checkpoint.update != summary.get("updates"):
        return best_index(np.asarray(history)[:, 0].tolist(), mode)
    returns, diverged_at = summary["eval_return"]["per_seed"], summary["diverged_at_env_steps"]
    known = [None if at is not None else x for x, at in zip(returns, diverged_at, strict=True)]
    return best_index(known, mode)


def restore_state(checkpoint: Checkpoint, plan: Plan, buffers: bool = True) -> RunState:
    """The state in a checkpoint of this plan's run, as numpy arrays [seed, ...], with the budget of
    the plan; with () for replay buffers where the checkpoint has none, or without `buffers`, which
    are not read then."""
    shapes = _shapes_in(checkpoint, plan)
    state = restore(checkpoint, shapes, shapes if buffers else without_buffers(shapes))

    def with_end(hyper: Any) -> Any:
        if not hasattr(hyper, "num_updates"):
            return hyper
        num = np.full_like(hyper.num_updates, plan.schedule.num_updates)
        return hyper._replace(num_updates=num)

    # another one where the run was lengthened
    hyper = over_records(with_end, state.train.hyper)
    return state._replace(train=state.train._replace(hyper=hyper))


def check_state(checkpoint: Checkpoint, plan: Plan) -> None:
    """Refuse a checkpoint that does not hold the state of this plan, without reading its arrays.

    Raises:
        BrokenCheckpoint: as `restore_state`.
    """
    check_arrays(checkpoint, _shapes_in(checkpoint, plan))


def _shapes_in(checkpoint: Checkpoint, plan: Plan) -> RunState:
    shapes = host_shapes(plan)
    return shapes if checkpoint.has_all else without_buffers(shapes)


def host_shapes(plan: Plan) -> RunState:
    """Shapes and types of a run's state in host memory, [seed, ...]."""
    return jax.tree.map(_host_like, stacked(plan.state_shapes, plan.experiment.replicas))


def _host_like(x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    """The shape of a leaf after `fetch`, which turns PRNG keys into their data."""
    return (
        jax.eval_shape(jax.random.key_data, x)
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        else x
    )


def policy_of(plan: Plan, state: RunState, seed: int, agent: int = 0) -> Policy:
    """A seed's policy; with independent agents, that of one agent."""
    index: tuple[int, ...] = (seed - plan.experiment.seed,)
    if plan.has_groups:
        return _policy_of_group(plan, state, seed, agent)
    name = None
    if plan.has_learners_of_their_own:
        index, name = (*index, agent), plan.experiment.agents.names[agent]
    policy_state: PolicyState = jax.tree.map(lambda x: x[index], state.train.policy_state)
    obs_like: PyTree = jax.tree.map(  # [env, ...], or [agent, env, ...]
        lambda x: jax.ShapeDtypeStruct(x.shape[len(index) :], x.dtype),
        plan.state_shapes.train.actor.obs,
    )
    return Policy(plan.learner, policy_state, obs_like, seed, name, plan.experiment.varied)


def _policy_of_group(plan: Plan, state: RunState, seed: int, agent: int) -> Policy:
    """The policy of one of several agents that learn by different algorithms."""
    place = next(i for i, group in enumerate(plan.groups) if agent in group.agents)
    group = plan.groups[place]
    index = (seed - plan.experiment.seed, group.agents.index(agent))
    of_groups = state.train.policy_state
    own = PolicyState(of_groups.params[place], of_groups.stats[place])
    policy_state = jax.tree.map(lambda x: x[index], own)
    obs_like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), plan.state_shapes.train.actor.obs
    )
    return Policy(group.algo, policy_state, obs_like, seed, plan.experiment.agents.names[agent])
