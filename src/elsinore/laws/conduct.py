"""Laws of what an algorithm does: what it counts, draws, chooses, tells and learns.

Each is one function of a `Trial`: None where it holds, else what is `Broken`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.laws.compare import difference, paths, plain, told
from elsinore.laws.noting import Spent
from elsinore.laws.trial import QUICKLY, Trial
from elsinore.laws.verdict import Broken, Unasked

GAMMA, LIMIT = 0.9, 10  # of the law of time limits
PATIENCE = 200_000  # env steps in which it is to be learnt


def counts(trial: Trial) -> Broken | None:
    """An update counts itself, keeps the seed's key, and takes `steps_per_update` env steps.

    Env steps are not counted in the graph, where they would overflow: they are updates x steps_per_update.
    """
    first, second = trial.first, trial.second
    if (int(first.update), int(second.update)) != (0, 1):
        return Broken(
            f"state.update is {first.update} at first and {second.update} after an update; count from 0 by 1."
        )
    if difference(first.key, trial.key) or difference(second.key, trial.key):
        return Broken(
            "state.key is not the key that init was given; keep it, and fold the number of the update into it."
        )
    known = trial.known
    endless = known.begin(known.key, mortal=False, max_steps_in_episode=10**6)
    taken = int(known.update(endless)[0].actor.env_state.time.sum())
    if taken != known.algo.steps_per_update:
        return Broken(f"an update took {taken} env steps, and steps_per_update={known.algo.steps_per_update}.")
    return None


def seeds(trial: Trial) -> Broken | None:
    """The same seed gives the same bits; two seeds share neither parameters nor beginnings nor draws."""
    one, other = trial.first, trial.begin(trial.other_key)
    if differs := difference(trial.second, trial.update(trial.begin(trial.key))[0], tolerance=0.0):
        return Broken(f"one seed gave two results: {differs}. Draw all chance from state.key.")
    params = (jax.tree.leaves(plain(state.learner.params)) for state in (one, other))
    drawn = [(a, b) for a, b in zip(*params, strict=True) if np.any(a != a.flat[0])]
    if drawn and all(np.array_equal(a, b) for a, b in drawn):
        return Broken("two seeds begin with the same parameters; draw them from init's key.")
    if trial.begins_by_chance and not difference(one.actor.obs, other.actor.obs):
        return Broken("two seeds begin with the same observations; draw the first episodes from init's key.")
    lives = [trial.update(one._replace(key=key)) for key in (trial.key, trial.other_key)]
    if not difference(*((state.actor.obs, told) for state, told in lives)):
        return Broken("two seeds with equal parameters and worlds live the same; draw from state.key in update.")
    return None


def keys(trial: Trial) -> Broken | None:
    """No key is spent twice over a beginning and two updates, and the seed's own is never spent.

    A key spent twice gives the same numbers for two purposes: an action that follows the world's own dice.
    """
    spent = Spent()
    seed_key = spent.key(trial.seed)
    state = trial.init(seed_key, trial.first.env_params, trial.algo.hyper)
    update = jax.jit(trial.algo.update, compiler_options=QUICKLY)
    for _ in range(2):
        state = update(state)[0]
    if times := spent.times(seed_key):
        return Broken(f"the seed's own key was spent {times} times; use what fold_in makes of it, and keep it.")
    repeated, total = spent.repeated()
    if repeated:
        return Broken(
            f"{repeated} of {total} keys were spent more than once, by the algorithm or by the world; split them."
        )
    try:
        with jax.debug_key_reuse(True):
            jax.make_jaxpr(lambda state: trial.algo.update(state))(trial.first)
    except jax.errors.KeyReuseError as error:
        return Broken(f"update spends a key twice: {told(error)}")
    return None


def act(trial: Trial) -> Broken | None:
    """An action is one that the world takes, and the memory keeps its shape.

    Asked of the policy as it begins and after some learning, at its likeliest and drawn.
    """
    space = trial.env.action_space(trial.env_params)
    memory = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, trial.algo.memory))
    for state in (trial.first, trial.second):
        for greedy in (True, False):
            action, after = trial.actions(state, state.actor.obs, greedy)
            one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), after)
            if differs := _other_shape(memory, one):
                return Broken(f"act gave another memory than `Algorithm.memory`: {differs}.")
            if hasattr(space, "contains"):
                flat = action.reshape(-1, *action.shape[2:])
                inside = np.asarray(jax.vmap(space.contains)(flat)) & (flat.shape[1:] == tuple(space.shape))
                if not inside.all():
                    return Broken(f"act gave {np.asarray(flat)[np.argmin(inside)]}, which is not in {space}.")
    return None


def _other_shape(one, other) -> str:
    if jax.tree.structure(one) != jax.tree.structure(other):
        return f"{jax.tree.structure(other)} for {jax.tree.structure(one)}"
    for (path, x), y in zip(paths("memory", one), jax.tree.leaves(other), strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"{path} is {y.dtype}{list(y.shape)} for {x.dtype}{list(x.shape)}"
    return ""


def masks(trial: Trial) -> Broken | None:
    """An action that the observation's `action_mask` rules out is never taken: not in training, not by `act`."""
    known = trial.known
    state, told = known.trained
    legal = (np.arange(1, 16)[:, None] >> np.arange(4)) & 1 == 1  # every mask of four actions but the empty one
    obs = {"action_mask": jnp.asarray(legal), "sight": jnp.tile(jnp.eye(4), (4, 1))[:15]}
    for learnt in (known.first, state):
        for greedy in (True, False):
            chosen = np.asarray(known.actions(learnt, obs, greedy)[0])
            rows, draws = np.nonzero(~np.take_along_axis(legal, chosen, axis=1))
            if rows.size:
                how = "the likeliest action" if greedy else "an action that was drawn"
                return Broken(f"{how} was {chosen[rows[0], draws[0]]} where action_mask is {legal[rows[0]]}.")
    if told.get("episode/return", (0.0, 0.0))[0] < 0.0:
        return Broken("illegal actions were taken in training; rule them out where actions are drawn or explored.")
    return None


def metrics(trial: Trial) -> Broken | None:
    """Every metric is finite, and `episode/return` is the world's own reward.

    Told raw, whatever learning uses, and of finished episodes only: in a world that pays 3 a step, 3 x their length.
    """
    for name, (total, count) in trial.trained[1].items():
        if not np.isfinite(total) or not np.isfinite(count):
            return Broken(f"the metric {name!r} came to total {total}, count {count}; both must stay finite.")
    known = trial.known
    tells = known.train(known.begin(known.key, toll=-3.0), known.num_updates)[1]  # legal or not, a step is paid 3
    if missing := {"episode/return", "episode/length"} - set(tells):
        return Broken(f"{', '.join(sorted(missing))} is not told; give what experience.rollout gives.")
    returns, lengths = tells["episode/return"], tells["episode/length"]
    if not np.isclose(returns[0], 3.0 * lengths[0], rtol=1e-5) or returns[1] != lengths[1]:
        said = f"{returns[1]:g} episodes return {returns[0]:g}, and {lengths[1]:g} have {lengths[0]:g} steps"
        return Broken(f"{said} in a world that pays 3 a step; tell the raw reward, of finished episodes.")
    if not 5.0 <= lengths[0] / max(lengths[1], 1.0) <= 7.0:
        return Broken(f"episodes of 5 and 7 steps are told to have {lengths[0] / max(lengths[1], 1.0):g}.")
    return None


def learning(trial: Trial) -> Broken | None:
    """After some updates the parameters are finite, and others than they were."""
    state, _ = trial.trained
    steps = trial.num_updates * trial.algo.steps_per_update
    for path, x in paths("params", plain(state.learner.params)):
        if np.issubdtype(x.dtype, np.floating) and not np.isfinite(x).all():
            return Broken(f"{path} is not finite after {steps} env steps.")
    if not difference(trial.first.learner.params, state.learner.params, tolerance=0.0):
        return Broken(
            f"nothing has been learnt in {steps} env steps; if that is meant, ask with more env_steps.", "warning"
        )
    return None


def time_limits(trial: Trial) -> Broken | None:
    """A world without end is worth 1 / (1 - gamma) wherever the clock cuts it.

    With gamma 0.9 and a limit of 10 steps that is 10; who takes a time-out for a death finds 6.5 at most. Held if the
    value passes the middle of the two in 200,000 env steps.
    """
    known = trial.known
    if known.algo.value is None:
        raise Unasked("the algorithm has no `value`.")
    if not hasattr(known.algo.hyper, "gamma"):
        raise Unasked("its hyper has no `gamma`.")
    state = known.begin(known.key, mortal=False, pay=1.0, toll=-1.0, max_steps_in_episode=LIMIT)
    state = state._replace(hyper=state.hyper._replace(gamma=jnp.float32(GAMMA)))
    alive, dead = 1 / (1 - GAMMA), (1 - GAMMA**LIMIT) / (1 - GAMMA)
    value = jax.jit(jax.vmap(known.algo.value, in_axes=(None, None, 0)), compiler_options=QUICKLY)
    steps, worth = 0, 0.0
    while steps < PATIENCE and worth < (alive + dead) / 2:
        for _ in range(20):
            state, steps = known.update(state)[0], steps + known.algo.steps_per_update
        worth = float(value(state.acting, known.algo.memory, state.actor.obs).mean())
    if not worth >= (alive + dead) / 2:
        return Broken(f"after {steps} env steps a world worth {alive:g} is thought to be worth {worth:.2f}; bootstrap "
                      "where an episode was truncated, from its final_obs.")  # fmt: skip
    return None
