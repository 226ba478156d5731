"""What is PQN's own: lambda-returns of the network's own values, without a memory and without a
target network."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.pqn import PQNConfig
from tests.algos.trainees import PQN, compiled, train
from tests.small_envs import Clocked, Forever, Gate, MaskedBandit, Wait

ONE_STEP = {"num_minibatches": 1, "num_epochs": 1, "gamma": 0.5}


class Table(nn.Module):
    """What each action is worth, whatever is seen: the parameters themselves."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        q = self.param("q", nn.initializers.zeros, (self.num_outputs,))
        return q, jnp.max(q)


def loss(world, q, limit=1_000, **config):
    """The mean squared error of one update that begins with these action values, and never
    explores."""
    params = Clocked(max_steps_in_episode=limit)
    greedy = PQN(**ONE_STEP | {"epsilon": 0.0, "epsilon_final": 0.0} | config)
    _, begin, update = compiled(greedy, world, params, network=Table)
    state = begin()
    _, metrics = update(
        state._replace(learner=state.learner._replace(params={"params": {"q": jnp.float32(q)}}))
    )
    return 2.0 * float(metrics["loss/value"].total)


@pytest.mark.parametrize(
    ("q_lambda", "targets"),
    # G = r + gamma ((1 - lambda) max Q + lambda G')
    [
        (0.0, [3.0, 3.0, 3.0]),
        (1.0, [1 + 0.5 + 0.25 * 3.0, 1 + 0.5 * 3.0, 3.0]),
        (0.5, [2.6875, 2.75, 3.0]),
    ],
)
def test_a_target_is_the_lambda_return_of_the_best_next_actions(q_lambda, targets):
    """Three steps that pay 1, gamma .5; the better of two actions is thought worth 4, so that one
    step is worth 3."""
    error = np.mean(np.square(4.0 - np.array(targets)))
    assert loss(Forever(), (4.0, 1.0), rollout_length=3, q_lambda=q_lambda) == pytest.approx(
        error, rel=1e-5
    )


def test_a_death_has_no_future_and_a_time_limit_keeps_its_own():
    assert loss(Wait(1), (4.0, 1.0), q_lambda=1.0) == pytest.approx((4.0 - 1.0) ** 2)
    assert loss(Forever(), (4.0, 1.0), limit=1, q_lambda=1.0) == pytest.approx((4.0 - 3.0) ** 2)


def test_an_illegal_next_action_is_never_bootstrapped_from_however_much_it_seems_worth():
    """Two steps that pay 1. At the second only action 0, thought worth 2, is legal; action 1 seems
    worth 1,000."""
    first, second = (1_000.0 - (1.0 + 0.5 * 2.0)) ** 2, (2.0 - 1.0) ** 2
    assert loss(Gate(), (2.0, 1_000.0), q_lambda=0.0) == pytest.approx(
        (first + second) / 2, rel=1e-5
    )


def test_an_illegal_action_never_happens_and_the_best_of_the_legal_is_learnt():
    trained = train(PQN(epsilon_final=0.0, epsilon_fraction=0.5), MaskedBandit())
    assert (trained.metrics["episode/return"].total >= 0.0).all()
    legal = (jnp.arange(1, 16)[:, None] >> jnp.arange(4)) & 1 == 1
    obs = {"bias": jnp.ones((15, 1)), "action_mask": legal}
    chosen = jax.vmap(
        lambda obs: trained.algo.policy.act(
            jax.random.key(0), trained.state.policy_state, (), obs, True
        )[0]
    )(obs)
    np.testing.assert_array_equal(chosen, jnp.max(jnp.where(legal, jnp.arange(4), -1), axis=1))


@pytest.mark.parametrize(("update", "epsilon"), [(0, 1.0), (10, 0.55), (20, 0.1), (100, 0.1)])
def test_exploration_falls_over_a_part_of_the_run_and_stays(update, epsilon):
    _, begin, step = compiled(PQN(epsilon_fraction=0.2), Wait(1), updates=100)
    _, metrics = step(begin()._replace(update=jnp.int32(update)))
    assert metrics["schedule/epsilon"].total == pytest.approx(epsilon)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, 0) for name in ("num_envs", "rollout_length", "num_minibatches", "num_epochs")),
        ("num_minibatches", 3),
        *(
            (name, value)
            for name in ("gamma", "q_lambda", "epsilon", "epsilon_final")
            for value in (-0.1, 1.1)
        ),
        *(
            (name, 0.0)
            for name in ("learning_rate", "optimiser_eps", "max_grad_norm", "epsilon_fraction")
        ),
        ("learning_rate_final", -0.1),
        ("optimiser", "sgd"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ValueError) as refusal:
        PQNConfig(**{field: value})
    assert f"{field}={value!r}" in str(refusal.value)
