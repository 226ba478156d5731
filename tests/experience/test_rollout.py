import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.experience.rollout import init_actor, rollout
from elsinore.types import Decision
from tests.small_envs import Clocked, Scripted

TIME, ENV = 8, 3
KEY = jax.random.key(0)
LIMITED = Clocked(max_steps_in_episode=5)
scripts = arrays(np.int32, (2 * TIME, ENV), elements=st.sampled_from([0, 0, 0, 1]))


def play(script, carry, obs) -> Decision:
    """The script is the policy: its noise says what to do; a decision remembers what was seen."""
    return Decision(action=script + 100, env_action=script, log_prob=obs[:, 0])


@jax.jit
def act(actor, script, params):
    return rollout(Scripted(), params, play, actor, KEY, script)


def begun():
    return init_actor(Scripted(), KEY, Clocked(), ENV)


def script(*deaths):
    """Everyone lives but for (step, env) in `deaths`."""
    plan = np.zeros((TIME, ENV), np.int32)
    for death in deaths:
        plan[death] = 1
    return plan


def test_every_env_begins_an_episode_of_its_own():
    actor = begun()
    assert len(set(actor.obs[:, 0].tolist())) == ENV
    assert not actor.episode_return.any() and not actor.episode_length.any()


def test_experience_is_time_by_env():
    _, experience, _ = act(begun(), script(), Clocked())
    assert all(leaf.shape[:2] == (TIME, ENV) for leaf in jax.tree.leaves(experience))
    assert experience.obs.shape == experience.final_obs.shape == (TIME, ENV, 2)


def test_the_env_gets_what_was_sent_and_learning_what_was_drawn():
    plan = script((3, 0))
    _, experience, _ = act(begun(), plan, Clocked())
    np.testing.assert_array_equal(experience.action, plan + 100)
    np.testing.assert_array_equal(experience.terminated, plan == 1)
    np.testing.assert_array_equal(experience.log_prob, experience.obs[..., 0])


def test_what_a_step_led_to_is_what_is_seen_next_except_across_an_end():
    actor, experience, _ = act(begun(), script((3, 0), (7, 1)), LIMITED)
    seen_next = np.append(experience.obs[1:], actor.obs[None], axis=0)
    done = np.asarray(experience.terminated | experience.truncated)
    assert (experience.final_obs == seen_next).all(axis=-1)[~done].all()
    assert (experience.final_obs != seen_next).all(axis=-1)[done].all()


def test_no_two_episodes_begin_alike():
    _, experience, _ = act(begun(), script(), Clocked(max_steps_in_episode=1))
    assert len(np.unique(experience.obs[..., 0])) == TIME * ENV


def test_an_unfinished_episode_is_not_an_episode_that_returned_nothing():
    _, _, episodes = act(begun(), script(), Clocked())
    assert episodes["episode/return"] == (0.0, 0.0) and episodes["episode/length"] == (0.0, 0.0)


def test_only_what_has_ended_is_counted():
    _, _, episodes = act(begun(), script((3, 1)), Clocked())
    assert episodes["episode/return"] == (1 + 2 + 3 + 4, 1) and episodes["episode/length"] == (4, 1)


def test_an_episode_that_spans_two_rollouts_is_counted_once_and_whole():
    actor, _, nothing = act(begun(), script(), Clocked())
    actor, _, episodes = act(actor, script((1, 2)), Clocked())
    assert nothing["episode/length"].count == 0
    assert episodes["episode/length"] == (TIME + 2, 1)
    assert episodes["episode/return"] == (sum(range(1, TIME + 3)), 1)
    np.testing.assert_array_equal(actor.episode_length, [2 * TIME, 2 * TIME, TIME - 2])


@given(scripts)
def test_episodes_are_counted_as_a_loop_would_count_them(plan):
    ours = {"episode/return": [0.0, 0.0], "episode/length": [0.0, 0.0]}
    actor = begun()
    for part in (plan[:TIME], plan[TIME:]):
        actor, _, episodes = act(actor, part, LIMITED)
        ours = {name: np.add(ours[name], episodes[name]) for name in ours}
    returns, lengths = [], []
    for env in range(ENV):
        time = 0
        for action in plan[:, env]:
            time += 1
            if action == 1 or time == 5:
                returns.append(time * (time + 1) / 2)
                lengths.append(time)
                time = 0
        assert (
            actor.episode_length[env] == time and actor.episode_return[env] == time * (time + 1) / 2
        )
    np.testing.assert_array_equal(ours["episode/return"], [sum(returns), len(returns)])
    np.testing.assert_array_equal(ours["episode/length"], [sum(lengths), len(lengths)])
