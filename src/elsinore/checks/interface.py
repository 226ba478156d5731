"""Checks of an algorithm's interface: types, shapes, purity, and a single compilation.

Each is a function of an `AlgorithmFixture` that returns None, or a `Failure`.
"""

from functools import partial

import jax
import jax.numpy as jnp

from elsinore.checks.algorithm_fixture import FAST_COMPILE, AlgorithmFixture
from elsinore.checks.result import Failure
from elsinore.checks.tree_differences import difference, paths, side_effects, to_numpy
from elsinore.contract import BrokenContract, with_contract
from elsinore.types import Mean, TrainState

NEAR = 1e-3  # relative and absolute: an optimiser makes the rounding of a small gradient large


def check_interface(fixture: AlgorithmFixture) -> Failure | None:
    """`make` returns an `Algorithm` whose functions follow `elsinore.types`."""
    if not callable(fixture.make):
        return Failure(f"{fixture.make!r} is no function; give the function itself, not its name.")
    algo = fixture.algo
    if missing := [
        name
        for name in ("init", "update", "policy", "hyper", "steps_per_update")
        if not hasattr(algo, name)
    ]:
        return Failure(
            f"make gave a {type(algo).__name__} without {', '.join(missing)}; give"
            " elsinore.types.Algorithm."
        )
    if not isinstance(algo.steps_per_update, int) or algo.steps_per_update < 1:
        return Failure(
            f"steps_per_update is {algo.steps_per_update!r}; it must be an int, rollout_length x"
            " num_envs."
        )
    try:
        metrics = _traced(fixture)
    except BrokenContract as broken:
        return Failure(str(broken))
    for name, mean in metrics.items():
        if {x.dtype for x in mean} != {jnp.dtype("float32")}:
            return Failure(
                f"the metric {name!r} is {mean}; make it a Mean of two float32 scalars:"
                " Mean.of(value)."
            )
    return None


def _traced(fixture: AlgorithmFixture) -> dict[str, Mean]:
    """The shapes of an update's metrics, with every function traced.

    Raises:
        BrokenContract: where one gives what is not in the contract.
    """
    algo = with_contract(fixture.algo, fixture.env.action_space(fixture.env_params))
    state = jax.eval_shape(algo.init, fixture.key, fixture.env_params, algo.hyper)
    _, metrics = jax.eval_shape(algo.update, state)

    def asked(state: TrainState) -> None:
        obs, carry = jax.tree.map(lambda x: x[0], state.actor.obs), algo.policy.initial_carry
        algo.policy.act(fixture.key, state.policy_state, carry, obs, True)

    jax.eval_shape(asked, state)
    return metrics


def check_pure(fixture: AlgorithmFixture) -> Failure | None:
    """No callbacks into Python, which would stall a compiled run at every update."""
    state, algo = fixture.initial, fixture.algo
    traced = {
        "init": jax.make_jaxpr(algo.init)(fixture.key, state.env_params, algo.hyper),
        "update": jax.make_jaxpr(algo.update)(state),
        "act": jax.make_jaxpr(partial(fixture.one_action, greedy=False))(fixture.key, state),
    }
    for name, jaxpr in traced.items():
        if reached := side_effects(jaxpr):
            return Failure(f"{name} has side effects: {reached}. Return metrics instead.")
    return None


def check_stable(fixture: AlgorithmFixture) -> Failure | None:
    """An update keeps the state's types, weak ones included.

    A chunk scans updates with the state as its carry: a change is a second compilation.
    """
    before = fixture.shapes
    after, _ = jax.eval_shape(fixture.algo.update, before)
    for (path, x), y in zip(paths("state", before), jax.tree.leaves(after), strict=True):
        if x.weak_type != y.weak_type:
            return Failure(
                f"{path} is weakly typed on one side of an update only; start with"
                " jnp.float32(0.0), not 0.0."
            )
    return None


def check_hyper(fixture: AlgorithmFixture) -> Failure | None:
    """Hyperparameters are float32 scalars, and changing them does not recompile.

    Replicas with different hyperparameters share one compiled update; a Python `if` on one prevents
    that.
    """
    for path, x in paths("hyper", fixture.algo.hyper):
        if jnp.shape(x) != () or getattr(x, "dtype", None) != jnp.float32:
            return Failure(
                f"{path} is {getattr(x, 'dtype', type(x).__name__)}{list(jnp.shape(x))}; make it"
                " jnp.float32(x)."
            )
    state = fixture.updated  # the update is compiled
    before = fixture.traces
    fixture.update(state._replace(hyper=jax.tree.map(lambda x: 0.5 * x, state.hyper)))
    if fixture.traces > before:
        return Failure(
            "an update recompiles when the numbers of state.hyper change; keep them traced."
        )
    return None


def check_vmap(fixture: AlgorithmFixture) -> Failure | None:
    """Two seeds under vmap learn the same as each alone."""
    alone = [fixture.updated, fixture.update(fixture.init_state(fixture.other_key))[0]]
    starts = [fixture.initial, fixture.init_state(fixture.other_key)]
    together, _ = jax.jit(jax.vmap(fixture.algo.update), compiler_options=FAST_COMPILE)(
        jax.tree.map(lambda *x: jnp.stack(x), *starts)
    )
    for i, state in enumerate(alone):
        mine = jax.tree.map(lambda x, i=i: x[i], together)
        for part in ("key", "update", "actor", "stats", "learner"):
            if differs := difference(
                to_numpy(getattr(state, part)), to_numpy(getattr(mine, part)), NEAR
            ):
                return Failure(f"seed {i} alone and among two differ in {part}: {differs}.")
    return None
