"""What there is to look at in a run: its policies, early, best and last."""

import numpy as np
import pytest

from elsinore.config.build import ConfigError
from elsinore.host import replays
from elsinore.host.play import episodes_of, world_to_play


@pytest.fixture(scope="module")
def latest(whole):
    """Two episodes of the policy that the tiny run came to."""
    return list(episodes_of(str(whole), episodes=2))


def test_a_runs_newest_policy_plays(whole, latest):
    about = latest[0].about
    assert (about["run"], about["algo"], about["env"], about["greedy"]) == ("whole", "ppo", "CartPole-v1", True)
    assert about["update"] == 40 and about["env_steps"] == 5120
    assert about["return"] == about["length"] <= 50  # as long as its evaluations


def test_one_episode_is_not_the_other_but_is_always_itself(whole, latest):
    assert not np.array_equal(latest[0].film.state.x[0], latest[1].film.state.x[0])
    (again,) = episodes_of(str(whole), first=1)
    np.testing.assert_array_equal(again.film.state.x, latest[1].film.state.x)


def test_an_untrained_policy_has_learnt_nothing_yet(whole):
    (untrained,) = episodes_of(str(whole), policy="untrained", seed_index=1)
    assert untrained.about["update"] == 0 and untrained.about["seed"] == 1
    probability = untrained.film.preferences["probability"][: untrained.about["length"]]
    assert abs(probability - 0.5).max() < 0.1


def test_the_best_checkpoints_policy_is_as_old_as_it_is(whole):
    (best,) = episodes_of(str(whole), policy="best", seed_index=0)
    names = [path.name for path in (whole / "checkpoints" / "best").iterdir()]
    assert f"{best.about['update']:010d}" in names


def test_a_seed_that_is_not_of_the_run_is_refused(whole):
    with pytest.raises(ConfigError, match="--seed-index 2 is not of this run; it has 0 to 1"):
        list(episodes_of(str(whole), seed_index=2))


def test_a_checkpoint_that_is_not_there_is_refused(whole):
    with pytest.raises(ConfigError, match="'worst' is not in"):
        list(episodes_of(str(whole), policy="worst"))


def test_an_episode_can_be_kept_and_played_again(latest, tmp_path):
    kept = latest[0]
    path = replays.write(tmp_path / "kept.npz", replays.replay_of(kept.film, kept.params, kept.about))
    (again,) = episodes_of(str(path))
    assert len(again) == len(kept)
    assert again.scene(3) == kept.scene(3)


def test_a_person_plays_in_the_world_of_a_run(whole):
    env, params = world_to_play(str(whole), {})
    assert (env.name, params.max_steps_in_episode) == ("CartPole-v1", 500)
    with pytest.raises(ConfigError, match="settings are for an environment by its name"):
        world_to_play(str(whole), {"env_params.max_steps_in_episode": 5})
