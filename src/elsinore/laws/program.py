"""Laws of an algorithm as a program: what it takes and gives, and that it compiles once.

Each is one function of a `Trial`: None where it holds, else what is `Broken`.
"""

from functools import partial

import jax
import jax.numpy as jnp

from elsinore.laws.compare import difference, is_tuple, paths, plain, reached_outside, shape_of_answer
from elsinore.laws.trial import QUICKLY, Trial
from elsinore.laws.verdict import Broken
from elsinore.types import Mean, TrainState

NEAR = 1e-3  # relative and absolute: an optimiser makes the rounding of a small gradient large


def interface(trial: Trial) -> Broken | None:
    """`make` gives an `Algorithm`, whose functions take and give what `elsinore.types` says."""
    algo = trial.algo
    if missing := [name for name in ("init", "update", "act", "hyper", "steps_per_update") if not hasattr(algo, name)]:
        return Broken(f"make gave a {type(algo).__name__} without {', '.join(missing)}; give elsinore.types.Algorithm.")
    if not isinstance(algo.steps_per_update, int) or algo.steps_per_update < 1:
        return Broken(f"steps_per_update is {algo.steps_per_update!r}; it must be an int, rollout_length x num_envs.")
    state = trial.shapes
    if not isinstance(state, TrainState):
        return Broken(f"init gave {shape_of_answer(state)}; it must give elsinore.types.TrainState.")
    answer = jax.eval_shape(algo.update, state)
    if not is_tuple(answer, 2) or not isinstance(answer[0], TrainState) or not isinstance(answer[1], dict):
        return Broken(f"update gave {shape_of_answer(answer)}; it must give (TrainState, metrics by name).")
    for name, mean in answer[1].items():
        if not isinstance(mean, Mean) or {(x.shape, x.dtype) for x in mean} != {((), jnp.dtype("float32"))}:
            return Broken(f"the metric {name!r} is {mean}; make it a Mean of two float32 scalars: Mean.of(value).")
    chosen = jax.eval_shape(partial(trial.one_action, greedy=True), trial.key, state)
    if not is_tuple(chosen, 2):
        return Broken(f"act gave {shape_of_answer(chosen)}; it must give (action, memory).")
    return None


def pure(trial: Trial) -> Broken | None:
    """Nothing calls back into Python, for which a compiled run would wait at every update."""
    state, algo = trial.first, trial.algo
    traced = {
        "init": jax.make_jaxpr(algo.init)(trial.key, state.env_params, algo.hyper),
        "update": jax.make_jaxpr(algo.update)(state),
        "act": jax.make_jaxpr(partial(trial.one_action, greedy=False))(trial.key, state),
    }
    for name, jaxpr in traced.items():
        if reached := reached_outside(jaxpr):
            return Broken(f"{name} reaches outside of itself: {reached}. Tell it by the metrics instead.")
    return None


def stable(trial: Trial) -> Broken | None:
    """An update gives a state of the structure, shapes and types it took, weak types included.

    A run is one loop that carries the state: what changes is an error there, or compiles everything twice.
    """
    before = trial.shapes
    after, _ = jax.eval_shape(trial.algo.update, before)
    if jax.tree.structure(before) != jax.tree.structure(after):
        return Broken(f"the state has one structure before an update, another after: {jax.tree.structure(after)}.")
    for (path, x), y in zip(paths("state", before), jax.tree.leaves(after), strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return Broken(f"{path} is {x.dtype}{list(x.shape)}, and {y.dtype}{list(y.shape)} after an update.")
        if x.weak_type != y.weak_type:
            return Broken(
                f"{path} is weakly typed on one side of an update only; begin with jnp.float32(0.0), not 0.0."
            )
    return None


def hyper(trial: Trial) -> Broken | None:
    """The traced numbers are float32 scalars, and others in their place need no other program.

    Replicas with different ones share one compiled update; Python's `if` on one would break that.
    """
    for path, x in paths("hyper", trial.algo.hyper):
        if jnp.shape(x) != () or getattr(x, "dtype", None) != jnp.float32:
            return Broken(
                f"{path} is {getattr(x, 'dtype', type(x).__name__)}{list(jnp.shape(x))}; make it jnp.float32(x)."
            )
    state = trial.second  # has compiled the update
    before = trial.traces
    trial.update(state._replace(hyper=jax.tree.map(lambda x: 0.5 * x, state.hyper)))
    if trial.traces > before:
        return Broken("an update is compiled anew when the numbers of state.hyper change; keep them traced.")
    return None


def vmap(trial: Trial) -> Broken | None:
    """Two seeds in one program learn what each would alone."""
    alone = [trial.second, trial.update(trial.begin(trial.other_key))[0]]
    starts = [trial.first, trial.begin(trial.other_key)]
    together, _ = jax.jit(jax.vmap(trial.algo.update), compiler_options=QUICKLY)(
        jax.tree.map(lambda *x: jnp.stack(x), *starts)
    )
    for i, state in enumerate(alone):
        mine = jax.tree.map(lambda x, i=i: x[i], together)
        for part in ("key", "update", "actor", "stats", "learner"):
            if differs := difference(plain(getattr(state, part)), plain(getattr(mine, part)), NEAR):
                return Broken(f"seed {i} alone and among two differ in {part}: {differs}.")
    return None
