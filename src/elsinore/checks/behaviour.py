"""Checks of an algorithm's behaviour: counters, randomness, actions, metrics and learning.

Each is a function of an `AlgorithmFixture` that returns None, or a `Failure`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.checks.algorithm_fixture import FAST_COMPILE, AlgorithmFixture
from elsinore.checks.key_audit import KeyAudit
from elsinore.checks.result import Failure, SkipCheck
from elsinore.checks.tree_differences import difference, one_line, paths, to_numpy
from elsinore.types import TrainState

GAMMA, TIME_LIMIT = 0.9, 10  # of the check of time limits
MAX_ENV_STEPS = 200_000  # env steps within which the value must be learnt


def check_counts(fixture: AlgorithmFixture) -> Failure | None:
    """`state.update` counts updates, `state.key` stays, and an update takes `steps_per_update` env
    steps.

    Env steps are computed as updates x steps_per_update, outside the graph, where an int32 would
    overflow.
    """
    first, second = fixture.initial, fixture.updated
    if (int(first.update), int(second.update)) != (0, 1):
        return Failure(
            f"state.update is {first.update} at first and {second.update} after one update; start"
            " at 0 and add 1."
        )
    if difference(first.key, fixture.key) or difference(second.key, fixture.key):
        return Failure(
            "state.key is not the key that init was given; keep it, and derive the keys of an"
            " update with fold_in."
        )
    probe = fixture.in_probe_env
    endless = probe.init_state(probe.key, mortal=False, max_steps_in_episode=10**6)
    taken = int(probe.update(endless)[0].actor.env_state.time.sum())
    if taken != probe.algo.steps_per_update:
        return Failure(
            f"an update took {taken} env steps, but steps_per_update={probe.algo.steps_per_update};"
            " give it rollout_length x num_envs."
        )
    return None


def check_seeds(fixture: AlgorithmFixture) -> Failure | None:
    """One seed gives the same bits twice; two seeds differ in parameters, first observations and
    actions."""
    one, other = fixture.initial, fixture.init_state(fixture.other_key)
    repeated, _ = fixture.update(fixture.init_state(fixture.key))
    if differs := difference(fixture.updated, repeated, tolerance=0.0):
        return Failure(f"one seed gave two results: {differs}. Draw all randomness from state.key.")
    params = (jax.tree.leaves(to_numpy(state.learner.params)) for state in (one, other))
    drawn = [(a, b) for a, b in zip(*params, strict=True) if np.any(a != a.flat[0])]
    if drawn and all(np.array_equal(a, b) for a, b in drawn):
        return Failure("two seeds start with the same parameters; draw them from init's key.")
    if fixture.random_resets and not difference(one.actor.obs, other.actor.obs):
        return Failure(
            "two seeds start with the same observations; reset the envs with init's key."
        )
    outcomes = [fixture.update(one._replace(key=key)) for key in (fixture.key, fixture.other_key)]
    if not difference(*((state.actor.obs, metrics) for state, metrics in outcomes)):
        return Failure(
            "two seeds with equal parameters and env states have equal rollouts; draw from"
            " state.key in update."
        )
    return None


def check_keys(fixture: AlgorithmFixture) -> Failure | None:
    """No key is consumed twice over init and two updates, and the seed's own key never.

    A key consumed twice gives two uses the same numbers: actions would correlate with the
    environment's randomness.
    """
    audit = KeyAudit()
    seed_key = audit.key(fixture.seed)
    state = fixture.init(seed_key, fixture.initial.env_params, fixture.algo.hyper)
    update = jax.jit(fixture.algo.update, compiler_options=FAST_COMPILE)
    for _ in range(2):
        state = update(state)[0]
    if times := audit.count(seed_key):
        return Failure(
            f"the seed's own key was consumed {times} times; consume only keys that fold_in derives"
            " from it."
        )
    reused, total = audit.reused()
    if reused:
        return Failure(
            f"{reused} of {total} keys were consumed more than once, by the algorithm or by the"
            " environment; split them."
        )
    try:
        with jax.debug_key_reuse(True):
            jax.make_jaxpr(lambda state: fixture.algo.update(state))(fixture.initial)
    except jax.errors.KeyReuseError as error:
        return Failure(f"update consumes a key twice: {one_line(error)}")
    return None


def check_act(fixture: AlgorithmFixture) -> Failure | None:
    """`act` gives actions of the env's action space, and a carry of unchanged shape.

    Checked for the initial policy and after an update, greedy and sampled.
    """
    space = fixture.env.action_space(fixture.env_params)
    carry = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, fixture.algo.policy.initial_carry))
    for state in (fixture.initial, fixture.updated):
        for greedy in (True, False):
            action, after = fixture.actions(state, state.actor.obs, greedy)
            one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), after)
            if differs := _other_shape(carry, one):
                return Failure(
                    f"act gave another carry than `PolicyFunctions.initial_carry`: {differs}."
                )
            if hasattr(space, "contains"):
                flat = action.reshape(-1, *action.shape[2:])
                inside = np.asarray(jax.vmap(space.contains)(flat)) & (
                    flat.shape[1:] == tuple(space.shape)
                )
                if not inside.all():
                    return Failure(
                        f"act gave {np.asarray(flat)[np.argmin(inside)]}, which is not in {space}."
                    )
    return None


def _other_shape(one, other) -> str:
    if jax.tree.structure(one) != jax.tree.structure(other):
        return f"{jax.tree.structure(other)} for {jax.tree.structure(one)}"
    for (path, x), y in zip(paths("carry", one), jax.tree.leaves(other), strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"{path} is {y.dtype}{list(y.shape)} for {x.dtype}{list(x.shape)}"
    return ""


def check_masks(fixture: AlgorithmFixture) -> Failure | None:
    """Actions that the observation's `action_mask` excludes, or that are out of continuous bounds,
    are never taken, in training or by `act`."""
    probe = fixture.in_probe_env
    state, metrics = probe.trained
    # of continuous actions, `check_act` looks at the bounds
    failure = None if probe.env.continuous else _illegal_choice(probe, (probe.initial, state))
    if failure is None and metrics.get("episode/return", (0.0, 0.0))[0] < 0.0:
        return Failure(
            "illegal actions were taken in training; apply action_mask where actions are sampled or"
            " explored, and the bounds of continuous ones."
        )
    return failure


def _illegal_choice(probe: AlgorithmFixture, states: tuple[TrainState, ...]) -> Failure | None:
    # every mask of four actions but the empty one
    legal = (np.arange(1, 16)[:, None] >> np.arange(4)) & 1 == 1
    obs = {"action_mask": jnp.asarray(legal), "sight": jnp.tile(jnp.eye(4), (4, 1))[:15]}
    for state in states:
        for greedy in (True, False):
            chosen = np.asarray(probe.actions(state, obs, greedy)[0])
            rows, draws = np.nonzero(~np.take_along_axis(legal, chosen, axis=1))
            if rows.size:
                how = "the greedy action" if greedy else "a sampled action"
                return Failure(
                    f"{how} was {chosen[rows[0], draws[0]]} where action_mask is {legal[rows[0]]};"
                    " mask the logits or values."
                )
    return None


def check_metrics(fixture: AlgorithmFixture) -> Failure | None:
    """Every metric is finite, and `episode/return` sums the env's raw rewards.

    It counts finished episodes only: in an environment that pays 3 a step, 3 x their length.
    """
    for name, (total, count) in fixture.trained[1].items():
        if not np.isfinite(total) or not np.isfinite(count):
            return Failure(
                f"the metric {name!r} has total {total}, count {count}; both must be finite."
            )
    probe = fixture.in_probe_env
    # legal or not, every step pays 3
    totals = probe.train(probe.init_state(probe.key, toll=-3.0), probe.num_updates)[1]
    if missing := {"episode/return", "episode/length"} - set(totals):
        return Failure(
            f"{', '.join(sorted(missing))} missing from the metrics; add those of"
            " experience.rollout."
        )
    returns, lengths = totals["episode/return"], totals["episode/length"]
    if not np.isclose(returns[0], 3.0 * lengths[0], rtol=1e-5) or returns[1] != lengths[1]:
        return Failure(
            f"{returns[1]:g} episodes return {returns[0]:g}, and {lengths[1]:g} have {lengths[0]:g}"
            " steps in an environment that pays 3 a step; log the raw reward of finished episodes."
        )
    if not 5.0 <= lengths[0] / max(lengths[1], 1.0) <= 7.0:
        return Failure(
            "episode/length has the mean"
            f" {lengths[0] / max(lengths[1], 1.0):g} over episodes of 5 and 7 steps; log the steps"
            " of finished episodes."
        )
    return None


def check_learning(fixture: AlgorithmFixture) -> Failure | None:
    """After some updates the parameters are finite, and have changed."""
    state, _ = fixture.trained
    steps = fixture.num_updates * fixture.algo.steps_per_update
    for path, x in paths("params", to_numpy(state.learner.params)):
        if np.issubdtype(x.dtype, np.floating) and not np.isfinite(x).all():
            return Failure(f"{path} is not finite after {steps} env steps.")
    if not difference(fixture.initial.learner.params, state.learner.params, tolerance=0.0):
        return Failure(
            f"the parameters did not change in {steps} env steps; if learning starts later, check"
            " with more env_steps.",
            "warning",
        )
    return None


def check_time_limits(fixture: AlgorithmFixture) -> Failure | None:
    """Truncation bootstraps: with reward 1 and no termination, V = 1 / (1 - gamma).

    With gamma 0.9 that is 10; an algorithm that takes a time limit of 10 steps for a termination
    learns at most 6.5. Passes if V exceeds the middle of the two within 200,000 env steps.
    """
    probe = fixture.in_probe_env
    if probe.algo.policy.value is None:
        raise SkipCheck("the algorithm has no `value`.")
    if not hasattr(probe.algo.hyper, "gamma"):
        raise SkipCheck("its hyper has no `gamma`.")
    state = probe.init_state(
        probe.key, mortal=False, pay=1.0, toll=-1.0, max_steps_in_episode=TIME_LIMIT
    )
    state = state._replace(hyper=state.hyper._replace(gamma=jnp.float32(GAMMA)))
    alive, dead = 1 / (1 - GAMMA), (1 - GAMMA**TIME_LIMIT) / (1 - GAMMA)
    value = jax.jit(
        jax.vmap(probe.algo.policy.value, in_axes=(None, None, 0)), compiler_options=FAST_COMPILE
    )
    steps, mean_value = 0, 0.0
    while steps < MAX_ENV_STEPS and mean_value < (alive + dead) / 2:
        for _ in range(20):
            state, steps = probe.update(state)[0], steps + probe.algo.steps_per_update
        mean_value = float(
            value(state.policy_state, probe.algo.policy.initial_carry, state.actor.obs).mean()
        )
    if not mean_value >= (alive + dead) / 2:
        return Failure(
            f"after {steps} env steps V is {mean_value:.2f} where {alive:g} is right; bootstrap"
            " truncated episodes from final_obs."
        )
    return None
