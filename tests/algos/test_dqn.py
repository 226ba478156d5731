"""DQN's equations, by known answers and by doing them slowly."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elsinore.algos.dqn import DQNConfig
from elsinore.experience.prioritised import prioritised
from elsinore.jaxtools.prng import for_update, for_uses
from tests.algos.trainees import DQN, KEY, PARAMS, assert_same, compiled, train
from tests.small_envs import Clocked, Forever, Gate, Scripted, Seesaw, Wait

# As soon as there is anything to learn from; what is chosen is the best, so that it is known.
GREEDY = {
    "epsilon": 0.0,
    "epsilon_final": 0.0,
    "learning_starts": 0,
    "gradient_steps": 1,
    "gamma": 0.5,
}


class Table(nn.Module):
    """What each action is worth, whatever is seen: the parameters themselves."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        q = self.param("q", nn.initializers.zeros, (self.num_outputs,))
        return q, jnp.max(q)


def table(*q):
    return {"params": {"q": jnp.float32(q)}}


def updated(world, online, target, params=PARAMS, **config):
    """The state after one update from these action values, and its metrics."""
    _, init, update = compiled(DQN(**GREEDY | config), world, params, network=Table)
    state = init()
    return update(
        state._replace(
            learner=state.learner._replace(params=table(*online), target_params=table(*target))
        )
    )


def td_error(*args, **config):
    return float(updated(*args, **config)[1]["loss/td_error"].total)


# The target


@pytest.mark.parametrize(("double", "worth"), [(False, 10.0), (True, 5.0)])
def test_the_next_action_is_chosen_by_the_target_network_or_by_the_online_one_if_double(
    double, worth
):
    """The online network prefers action 1, which the target network knows to be worth 5 and not
    10."""
    error = td_error(Forever(), online=(1.0, 2.0), target=(10.0, 5.0), double=double)
    assert error == pytest.approx(abs(2.0 - (1.0 + 0.5 * worth)))


@pytest.mark.parametrize("double", [False, True])
def test_an_illegal_next_action_is_never_bootstrapped_from_however_much_it_seems_worth(double):
    """Of two steps that pay 1 the second forbids action 1, which both networks think worth
    1,000."""
    error = td_error(
        Gate(), online=(0.0, 1_000.0), target=(2.0, 1_000.0), double=double, batch_size=512
    )
    first, second = abs(1_000.0 - (1.0 + 0.5 * 2.0)), abs(0.0 - 1.0)
    # as often the one as the other
    assert (error - second) / (first - second) == pytest.approx(0.5, abs=0.1)


def test_an_action_that_was_illegal_was_never_taken():
    trained = train(DQN(), Gate(), updates=50)
    assert (
        trained.metrics["episode/return"].total == 2.0 * trained.metrics["episode/return"].count
    ).all()
    buffer = trained.state.learner.buffer
    held = jax.tree.map(lambda x: np.asarray(x)[: int(buffer.filled)], buffer.experience)
    assert np.take_along_axis(held.obs["action_mask"], held.action[..., None], -1).all()
    assert held.action.any()


@pytest.mark.parametrize(
    ("world", "limit", "n_step", "target"),
    [
        (Forever(), 1_000, 1, 1 + 0.5 * 8),
        (Forever(), 1_000, 3, 1 + 0.5 + 0.25 + 0.125 * 8),
        (Forever(), 1, 3, 1 + 0.5 * 8),  # every step is a time limit: one reward, and a future
        (Wait(1), 1_000, 3, 1.0),  # every step is an end: one reward, and none
    ],
)
def test_a_target_has_n_rewards_or_those_until_the_episode_ended(world, limit, n_step, target):
    params = Clocked(max_steps_in_episode=limit)
    error = td_error(world, online=(0.0, 0.0), target=(8.0, 8.0), params=params, n_step=n_step)
    assert error == pytest.approx(target)


# The loss


@pytest.mark.parametrize(("loss", "value"), [("mse", 0.5 * 5.0**2), ("huber", 5.0 - 0.5)])
def test_the_loss_is_half_the_square_of_the_error_or_but_its_size_where_it_is_large(loss, value):
    _, metrics = updated(Forever(), online=(0.0, 0.0), target=(8.0, 8.0), loss=loss)
    assert metrics["loss/value"].total == pytest.approx(value)


@pytest.mark.slow
def test_the_loss_weighs_each_transition_by_how_much_oftener_it_is_drawn():
    """The same update, done slowly: with the batch that its own key draws."""
    options = GREEDY | {"prioritized": True, "priority_beta": 0.7}
    _, init, update = compiled(DQN(**options), Wait(2), network=Table)
    state = init()
    for _ in range(3):
        state, _ = update(state)
    after, metrics = update(state)
    memory = prioritised(2_000, 8)
    # What was remembered when it was drawn from: this update's rollout, before its surprises were
    # noted.
    only_acting = compiled(DQN(**options | {"learning_starts": 2_000}), Wait(2), network=Table)
    buffer = only_acting.update(state)[0].learner.buffer
    key = jax.random.split(
        for_uses(for_update(KEY, state.update), "act", "rollout", "train")[2], 1
    )[0]
    beta = 0.7 + 0.3 * 3 / 400
    batch, where, weights = memory.sample(buffer, key, 64, 0.5, beta)
    q, target = state.learner.params["params"]["q"], state.learner.target_params["params"]["q"]
    error = q[batch.action] - (batch.reward + batch.discount * target.max())
    assert len(set(np.asarray(weights).tolist())) > 1
    np.testing.assert_allclose(
        metrics["loss/value"].total, jnp.mean(weights * 0.5 * error**2), rtol=1e-5
    )
    noted = memory.reprioritise(buffer, where, error, 0.6)
    np.testing.assert_allclose(after.learner.buffer.tree.levels[0], noted.tree.levels[0], rtol=1e-4)


# When


def test_nothing_is_learnt_before_learning_starts():
    _, init, update = compiled(DQN(learning_starts=96), Seesaw())  # 32 env steps an update
    state = init()
    for number in range(5):
        after, metrics = update(state)
        learns = number >= 3
        assert metrics["loss/value"].count == (4.0 if learns else 0.0)
        same = jax.tree.map(
            lambda a, b: bool((a == b).all()), state.learner.params, after.learner.params
        )
        assert all(jax.tree.leaves(same)) != learns
        state = after


@pytest.mark.parametrize("tau", [1.0, 0.25])
def test_the_target_network_moves_when_it_is_due_and_only_then(tau):
    # every third update
    _, init, update = compiled(DQN(learning_starts=0, target_period=96, tau=tau), Seesaw())
    state = init()
    for number in range(1, 8):
        before, (state, _) = state.learner.target_params, update(state)
        if number % 3:
            assert_same(state.learner.target_params, before)
        elif tau == 1.0:
            assert_same(state.learner.target_params, state.learner.params)
        else:
            nearer = jax.tree.map(
                lambda old, new: 0.75 * old + 0.25 * new, before, state.learner.params
            )
            jax.tree.map(
                partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7),
                state.learner.target_params,
                nearer,
            )


@pytest.mark.parametrize(
    ("update", "epsilon"), [(0, 1.0), (10, 0.775), (20, 0.55), (40, 0.1), (100, 0.1)]
)
def test_exploration_falls_linearly_over_a_part_of_the_run_and_stays(update, epsilon):
    dqn = compiled(
        DQN(epsilon_final=0.1, epsilon_fraction=0.4, learning_starts=2_000), Wait(1), updates=100
    )
    _, metrics = dqn.update(dqn.begin()._replace(update=jnp.int32(update)))
    assert metrics["schedule/epsilon"].total == pytest.approx(epsilon)


def test_exploration_falls_by_the_episodes_that_have_finished():
    """32 in every update; never beyond its end."""
    config = {
        "epsilon_schedule": "episodes",
        "epsilon_decay": 0.99,
        "epsilon_final": 0.4,
        "learning_starts": 2_000,
    }
    _, init, update = compiled(DQN(**config), Wait(1))
    state, seen = init(), []
    for _ in range(5):
        state, metrics = update(state)
        seen.append(float(metrics["schedule/epsilon"].total))
    assert state.learner.episodes == 5 * 32
    assert seen == pytest.approx([1.0, 0.99**32, 0.99**64, 0.4, 0.4], rel=1e-4)
    # also after more episodes than an int32 counts
    state = state._replace(learner=state.learner._replace(episodes=jnp.int32(2**31 - 10)))
    state, _ = update(state)
    assert update(state)[1]["schedule/epsilon"].total == pytest.approx(0.4)


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_a_share_of_actions_is_random(epsilon):
    state, _ = updated(
        Forever(),
        online=(1.0, 0.0),
        target=(1.0, 0.0),
        epsilon=epsilon,
        epsilon_final=epsilon,
        rollout_length=32,
    )
    share = float(jnp.mean(state.learner.buffer.experience.action[:32] == 1))
    assert share == pytest.approx(epsilon / 2, abs=0.12 * epsilon)


# What is remembered


def test_the_buffer_holds_what_happened_and_what_it_truly_led_to():
    """Scripted shows which episode it is and its time; action 1 dies, and the clock ends what is
    left at 5."""
    params = Clocked(max_steps_in_episode=5)
    _, init, update = compiled(
        DQN(num_envs=2, learning_starts=100, epsilon_final=1.0), Scripted(), params
    )
    state, updates = init(), 12
    for _ in range(updates):
        state, _ = update(state)
    held = jax.tree.map(lambda x: np.asarray(x)[: 4 * updates], state.learner.buffer.experience)
    assert state.learner.buffer.filled == 4 * updates
    time, final_time = held.obs[..., 1], held.final_obs[..., 1]
    # the same episode, though it ended
    np.testing.assert_array_equal(held.final_obs[..., 0], held.obs[..., 0])
    np.testing.assert_array_equal(final_time, time + 1)
    np.testing.assert_array_equal(held.reward, final_time)
    np.testing.assert_array_equal(held.terminated, held.action == 1)
    np.testing.assert_array_equal(held.truncated, (final_time == 5) & (held.action == 0))
    assert held.terminated.any() and held.truncated.any()
    goes_on = ~(held.terminated | held.truncated)[:-1]
    np.testing.assert_array_equal(held.obs[1:][goes_on], held.final_obs[:-1][goes_on])


def test_dueling_learns_the_states_worth_and_the_actions_advantages_apart():
    params = compiled(DQN(dueling=True), Wait(1)).begin().learner.params["params"]
    assert {"advantage", "value"} <= set(params) and "q" not in params


def test_the_first_step_down_is_the_optimisers():
    """One Adam step, by optax itself, down the gradient of the loss by hand."""
    state, metrics = updated(Forever(), online=(0.0, 0.0), target=(8.0, 8.0))
    scale = optax.scale_by_adam(eps=1e-8)
    gradient = jnp.float32([-5.0, 0.0])  # every action was the first, 5 too little
    step, _ = scale.update(gradient, scale.init(gradient))
    np.testing.assert_allclose(state.learner.params["params"]["q"], -0.01 * step, rtol=1e-5)
    assert metrics["learner/gradient_norm"].total == pytest.approx(5.0)


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, 0)
            for name in ("num_envs", "rollout_length", "gradient_steps", "n_step", "target_period")
        ),
        *((name, 2**31) for name in ("target_period", "reset_period", "n_step_anneal")),
        *(
            (name, value)
            for name in ("gamma", "tau", "epsilon", "epsilon_decay")
            for value in (-0.1, 1.1)
        ),
        *(
            (name, 0.0)
            for name in (
                "learning_rate",
                "tau",
                "epsilon_fraction",
                "optimiser_eps",
                "max_grad_norm",
            )
        ),
        *(
            (name, value)
            for name in ("priority_alpha", "priority_beta")
            for value in (-0.1, 1.1, float("nan"))
        ),
        ("loss", "mae"),
        ("optimiser", "sgd"),
        ("epsilon_schedule", "cosine"),
        ("buffer_size", 100),  # less than a batch
        ("learning_starts", 20_000),
        ("learning_starts", -1),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ValueError) as refusal:
        DQNConfig(**{field: value})
    assert f"{field}={value!r}" in str(refusal.value)


def test_a_buffer_that_cannot_hold_a_window_is_refused_with_the_size_that_can():
    with pytest.raises(
        ValueError,
        match=r"buffer_size=128 holds 2 steps of num_envs=64 .* n_step=3; .* at least 192",
    ):
        DQNConfig(num_envs=64, buffer_size=128, learning_starts=0, n_step=3)
