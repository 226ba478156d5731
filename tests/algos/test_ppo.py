from dataclasses import dataclass
from functools import partial

import flax.linen as nn
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elsinore.algos.optimise import init_learner, minibatch_epochs
from elsinore.algos.ppo import PPOConfig, ppo
from elsinore.hyperparameters import numbers_of
from elsinore.types import TrainState
from tests.algos.trainees import KEY, PARAMS, PPO, assert_same, compiled, mean, train
from tests.small_envs import Clocked, Corridor, Dart, MaskedBandit, Wait

ONE_STEP = {"num_minibatches": 1, "num_epochs": 1}  # one gradient step an update
UPDATES = 100


@dataclass(frozen=True)
class Paid(Wait):
    """The third step pays `size`."""

    length: int = 3
    size: float = 1.0

    def step_env(self, key, state, action, params):
        obs, state, reward, over, info = super().step_env(key, state, action, params)
        return obs, state, self.size * reward, over, info


class Sum(nn.Module):
    """A network that reads nothing: the value is the sum of its weights, the policy is uniform."""

    num_outputs: int
    size: int = 1

    @nn.compact
    def __call__(self, obs):
        return (
            jnp.zeros(self.num_outputs),
            self.param("weight", nn.initializers.zeros, (self.size,)).sum(),
        )


def summing(size=1, **config):
    """One update with that network, where every step pays 1 and ends: a function of its traced
    numbers."""
    algo = ppo(PPO(**config), Wait(1), PARAMS, UPDATES, network=partial(Sum, size=size))
    run = jax.jit(lambda hyper: algo.update(algo.init(KEY, PARAMS, hyper)))
    return lambda **hyper: run(
        algo.hyper._replace(**{name: jnp.float32(x) for name, x in hyper.items()})
    )


# What is learnt where the answer is known


def test_it_learns_from_normalised_rewards_and_logs_raw_ones():
    config = PPO(gamma=0.9, normalize_obs=True, normalize_rewards=True)
    _, state, metrics = train(config, Corridor(), Clocked(max_steps_in_episode=20))
    assert mean(metrics["episode/length"]) < 4.5  # four steps are the least
    assert mean(metrics["episode/return"]) == 1.0
    assert state.stats.obs.count == state.stats.returns.count == 100 * 8 * 16


def test_an_illegal_action_never_happens_and_the_best_of_the_legal_is_learnt():
    algo, state, metrics = train(PPO(normalize_obs=True), MaskedBandit())
    # one illegal action among an update's 128 costs 1,000
    assert (metrics["episode/return"].total >= 0.0).all()
    # every mask there is, but the empty one
    legal = (jnp.arange(1, 16)[:, None] >> jnp.arange(4)) & 1 == 1
    obs = {"bias": jnp.ones((15, 1)), "action_mask": legal}
    act = jax.vmap(algo.policy.act, in_axes=(None, None, None, 0, None))
    chosen, _ = jax.jit(act, static_argnums=4)(KEY, state.policy_state, (), obs, True)
    np.testing.assert_array_equal(chosen, jnp.max(jnp.where(legal, jnp.arange(4), -1), axis=1))
    drawn = jax.jit(jax.vmap(act, in_axes=(0, None, None, None, None)), static_argnums=4)
    assert legal[
        jnp.arange(15), drawn(jax.random.split(KEY, 200), state.policy_state, (), obs, False)[0]
    ].all()


KINDS = ["normal", "squashed", pytest.param("beta", marks=pytest.mark.slow), "gsde"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_continuous_action_is_learnt_and_never_leaves_its_bounds(kind):
    algo, state, metrics = train(PPO(ent_coef=0.0, action_distribution=kind), Dart())
    # off the board is 1,000 less
    assert (metrics["episode/return"].total > -128 * 1.5**2 - 1e-3).all()
    assert mean(metrics["episode/return"]) > -0.05  # it began near -0.9
    assert algo.policy.act(KEY, state.policy_state, (), jnp.ones(1), greedy=True)[
        0
    ] == pytest.approx([0.5], abs=0.1)


# One update, by known answers


@pytest.mark.parametrize("kind", ["of choices", *KINDS])
def test_the_policy_that_learns_begins_as_the_policy_that_acted(kind):
    """So the first ratio is 1, also once normalisers have seen something, and where an action is
    clipped."""
    world, more = Dart(), {"action_distribution": kind}
    if kind == "of choices":
        world, more = MaskedBandit(), {}
    _, _, metrics = train(
        PPO(normalize_obs=True, normalize_rewards=True, **ONE_STEP, **more), world, updates=3
    )
    np.testing.assert_allclose(metrics["policy/kl"].total, 0.0, atol=1e-9)
    np.testing.assert_array_equal(metrics["policy/clip_fraction"].total, 0.0)


def test_gradients_are_clipped_by_their_norm_and_not_one_by_one():
    """1,000 weights, each with gradient vf_coef * (V - 1) = -0.4: a norm of 12.6 in all."""
    update = summing(1_000, vf_coef=0.4, **ONE_STEP)
    unclipped = 0.4 * 1_000**0.5
    for max_grad_norm, norm_after in [(0.5, 0.5), (float("inf"), unclipped)]:
        state, metrics = update(max_grad_norm=max_grad_norm)
        np.testing.assert_allclose(metrics["learner/gradient_norm"].total, unclipped, rtol=1e-5)
        # a tenth of the first gradient
        first_moment = optax.tree_utils.tree_get(state.learner.opt_state, "mu")
        np.testing.assert_allclose(jnp.linalg.norm(first_moment), 0.1 * norm_after, rtol=1e-5)


def test_value_clipping_is_felt_from_the_second_step_on():
    """V goes from 0 to 0.5 (Adam's first step is the learning rate), the target is 1; kept near, V
    is 0.1."""
    update = summing(value_clip_eps=0.1, num_epochs=2, num_minibatches=1, learning_rate=0.5)
    for value_clip_eps, second_loss in [(0.1, 0.5 * 0.9**2), (float("inf"), 0.5 * 0.5**2)]:
        _, metrics = update(value_clip_eps=value_clip_eps)
        np.testing.assert_allclose(
            metrics["loss/value"].total, 0.5 * 1.0**2 + second_loss, rtol=1e-4
        )


def test_an_update_stops_once_the_policy_has_moved_too_far():
    algo = ppo(PPO(target_kl=1e-9), Corridor(), PARAMS, UPDATES)
    run = jax.jit(lambda hyper: algo.update(algo.init(KEY, PARAMS, hyper)))
    for target_kl, steps in [
        (1e-9, 1),
        (1e9, 16),
    ]:  # nothing has moved before the first; there are 4 epochs of 4
        state, metrics = run(algo.hyper._replace(target_kl=jnp.float32(target_kl)))
        assert metrics["learner/steps_taken"] == (steps, 16)
        assert metrics["policy/kl"].count == metrics["loss/policy"].count == min(steps + 1, 16)
        assert optax.tree_utils.tree_get(state.learner.opt_state, "count") == steps


def test_the_means_of_learning_that_stopped_are_those_up_to_the_stop():
    """The parameter is 0, 1, 2 and, where it stops, 3; in the 12 minibatches after that, too."""
    learner, metrics = minibatch_epochs(
        lambda x, rows: (-x, {"x": x}),
        optax.identity(),
        init_learner(jnp.float32(0.0), optax.identity()),
        jnp.zeros(4),
        KEY,
        jnp.float32(1.0),
        num_epochs=4,
        num_minibatches=4,
        stop_fn=lambda metrics: metrics["x"] > 2.5,
    )
    assert learner.params == 3.0
    assert metrics["x"] == (0.0 + 1.0 + 2.0 + 3.0, 4)
    assert metrics["learner/gradient_norm"] == (4.0, 4)
    assert metrics["learner/steps_taken"] == (3, 16)


@pytest.mark.parametrize(("normalize_advantage", "loss"), [("batch", 0.0), ("none", -1.0)])
def test_the_first_policy_loss_is_minus_the_mean_advantage(normalize_advantage, loss):
    """Which is 1 where V is 0 and the reward 1, or 0 once standardised."""
    _, metrics = summing(normalize_advantage=normalize_advantage, **ONE_STEP)()
    assert metrics["loss/policy"].total == loss


@pytest.mark.parametrize(("update", "ent_coef"), [(0, 0.2), (25, 0.15), (50, 0.1), (UPDATES, 0.0)])
def test_the_entropy_bonus_may_fade(update, ent_coef):
    algo, begin, run = compiled(
        PPO(ent_coef=0.2, ent_coef_final=0.0, **ONE_STEP), Corridor(), updates=UPDATES
    )
    _, metrics = run(begin()._replace(update=jnp.int32(update)))
    logged = {
        name: metrics[name].total
        for name in ("loss/total", "loss/policy", "loss/value", "policy/entropy")
    }
    expected = (
        logged["loss/policy"] + 0.5 * logged["loss/value"] - ent_coef * logged["policy/entropy"]
    )
    np.testing.assert_allclose(logged["loss/total"], expected, rtol=1e-5, atol=1e-6)


# Over many updates


def test_each_update_draws_anew(cartpole_ppo):
    state = cartpole_ppo.init(KEY)
    (first, _), (second, _) = (
        cartpole_ppo.update(state),
        cartpole_ppo.update(state._replace(update=jnp.int32(1))),
    )
    assert (first.actor.obs != second.actor.obs).any()


def test_numbers_of_the_config_do_the_same_traced_as_compiled_in():
    numbers = {
        "gamma": 0.5,
        "learning_rate": 0.1,
        "clip_eps": 0.05,
        "ent_coef": 0.2,
        "gae_lambda": 0.5,
    }
    one, other = (compiled(PPO(**own), Corridor()) for own in ({}, numbers))
    traced, _ = one.update(one.begin()._replace(hyper=other.algo.hyper))
    compiled_in, _ = other.update(other.begin())
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        traced.learner,
        compiled_in.learner,
    )
    as_one, _ = one.update(one.begin())
    one_learnt, other_learnt = (
        jax.flatten_util.ravel_pytree(s.learner.params)[0] for s in (as_one, traced)
    )
    assert (one_learnt != other_learnt).any()


def at(trainee, update, **hyper):
    state = trainee.init(KEY)
    return state, *trainee.update(
        state._replace(update=jnp.int32(update), hyper=state.hyper._replace(**hyper))
    )


@pytest.mark.parametrize(("update", "share"), [(0, 0.0), (25, 0.25), (100, 1.0), (200, 1.0)])
def test_schedules_go_from_one_end_to_the_other_and_stay_there(cartpole_ppo, update, share):
    ends = {"learning_rate": (1e-2, 1e-3), "clip_eps": (0.2, 0.1)}
    hyper = {name: jnp.float32(start) for name, (start, _) in ends.items()}
    hyper |= {f"{name}_final": jnp.float32(end) for name, (_, end) in ends.items()}
    _, _, metrics = at(cartpole_ppo, update, **hyper)
    for name, (start, end) in ends.items():
        np.testing.assert_allclose(
            metrics[f"schedule/{name}"].total, start + share * (end - start), rtol=1e-6
        )


def test_with_the_learning_rate_at_zero_nothing_is_learnt(cartpole_ppo):
    before, after, metrics = at(cartpole_ppo, 100)
    assert metrics["schedule/learning_rate"].total == 0.0
    assert_same(before.learner.params, after.learner.params)


def test_a_schedule_without_an_end_is_constant():
    hyper = numbers_of(PPOConfig(learning_rate=0.1, learning_rate_final=None, clip_eps=0.3))
    assert hyper.learning_rate == hyper.learning_rate_final == jnp.float32(0.1)
    assert hyper.clip_eps == hyper.clip_eps_final == jnp.float32(0.3)
    assert hyper.ent_coef == hyper.ent_coef_final == jnp.float32(0.01)


def test_updates_are_counted_and_drawn_right_up_to_the_last_int32(cartpole_ppo):
    state = cartpole_ppo.init(KEY)._replace(update=jnp.int32(2**31 - 10))
    seen = []
    for _ in range(5):
        state, metrics = cartpole_ppo.update(state)
        assert all(np.isfinite(m.total) for m in metrics.values())
        seen.append(np.asarray(state.actor.obs))
    assert int(state.update) == 2**31 - 5
    assert len({obs.tobytes() for obs in seen}) == 5


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, value)
            for name in ("num_envs", "rollout_length", "num_minibatches", "num_epochs")
            for value in (0, -1)
        ),
        ("num_minibatches", 3),  # of 512 transitions
        *((name, value) for name in ("gamma", "gae_lambda") for value in (-0.1, 1.1, float("nan"))),
        *(
            (name, value)
            for name in ("learning_rate", "clip_eps", "max_grad_norm")
            for value in (0, -0.1, float("nan"))
        ),
        *(
            (name, value)
            for name in ("adam_eps", "value_clip_eps", "target_kl")
            for value in (0.0, -0.1)
        ),
        *(
            (name, -0.1)
            for name in (
                "learning_rate_final",
                "clip_eps_final",
                "vf_coef",
                "ent_coef",
                "ent_coef_final",
            )
        ),
        ("normalize_advantage", "always"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ValueError) as refusal:
        PPOConfig(**{field: value})
    assert f"{field}={value!r}" in str(refusal.value)


def test_a_minibatch_count_that_does_not_divide_is_refused_with_the_numbers_it_must_divide():
    with pytest.raises(
        ValueError, match=r"512 transitions .*num_envs=4 x rollout_length=128.*choose a divisor"
    ):
        PPOConfig(num_minibatches=3)


@pytest.mark.parametrize(
    "field",
    ["learning_rate", "clip_eps", "max_grad_norm", "adam_eps", "value_clip_eps", "target_kl"],
)
def test_null_is_advised_only_where_null_will_do(field):
    with pytest.raises(ValueError) as refusal:
        PPOConfig(**{field: 0.0})
    advised = "null" in str(refusal.value)
    assert advised == (field in ("value_clip_eps", "target_kl"))
    if advised:
        # leaves the equations as they are
        assert getattr(numbers_of(PPOConfig(**{field: None})), field) == jnp.inf


# V-trace and PopArt


def test_vtrace_with_one_epoch_has_nothing_to_correct():
    with pytest.raises(ValueError, match=r"advantage='vtrace' corrects .* num_epochs=1 has none"):
        PPO(advantage="vtrace", num_epochs=1)


def test_the_first_epoch_of_vtrace_is_that_of_gae():
    """With one minibatch the first gradient of both is the same; the later ones are not."""
    norms = [
        train(PPO(advantage=kind, num_minibatches=1, num_epochs=epochs), Corridor(), updates=1)
        for kind, epochs in (("gae", 1), ("gae", 3), ("vtrace", 3))
    ]
    first, gae, vtrace = (t.metrics["learner/gradient_norm"].total[0] for t in norms)
    assert jnp.isfinite(vtrace) and vtrace != gae
    assert 0.0 < first < vtrace
    values = [t.metrics["value/explained_variance"] for t in norms]
    assert [float(x.count[0]) for x in values] == [1.0, 1.0, 3.0]


@pytest.mark.parametrize("kind", ["gae", "vtrace"])
def test_the_moments_of_targets_move_once_a_rollout(kind):
    config = PPO(popart=True, popart_step=0.01, advantage=kind, num_epochs=4)
    learnt = train(config, Corridor(), updates=3).state.learner.params["targets"]
    assert learnt.weight == pytest.approx(1.0 - 0.99**3)


@pytest.mark.parametrize("size", [0.1, 1e4])
def test_popart_learns_alike_whatever_the_size_of_rewards(size):
    """Without it the value of 10,000 is out of reach of 100 updates."""
    config = PPO(popart=True, popart_step=0.1, gamma=0.5)
    _, begin, update = compiled(config, Paid(size=size), updates=100)
    state = begin()
    for _ in range(100):
        state, _ = update(state)
    algo = compiled(config, Paid(size=size), updates=100).algo
    value = algo.policy.value(state.policy_state, (), jnp.eye(3)[0])
    assert value == pytest.approx(0.25 * size, rel=0.05)


@pytest.mark.parametrize("popart", [False, True])
def test_one_minibatch_is_standardised_as_the_batch_that_it_is(popart):
    """In the units of PopArt too, which are others for rewards of 100."""

    def learnt(kind: str) -> TrainState:
        config = PPO(popart=popart, normalize_advantage=kind, num_minibatches=1, num_epochs=1)
        return train(config, Paid(size=100.0), updates=3).state

    minibatch, batch, none = (learnt(kind) for kind in ("minibatch", "batch", "none"))
    close = partial(jax.tree.map, partial(np.allclose, rtol=1e-3, atol=1e-5))
    assert all(jax.tree.leaves(close(minibatch.learner.params, batch.learner.params)))
    assert not all(jax.tree.leaves(close(minibatch.learner.params, none.learner.params)))
