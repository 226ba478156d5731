"""Environments in Python: the run is the compiled one, a limit is no death, and resume is exact."""

import contextlib
import re
import shutil
from types import SimpleNamespace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

import elsinore
from elsinore.config import planned_memory
from elsinore.config.host import refuse_without_parts
from elsinore.config.plan import plan_for
from elsinore.envs import make, suites
from elsinore.envs.host import HostEnvError, HostState, blank_tape
from elsinore.envs.host_objects import host_env_of
from elsinore.envs.picture import image_of
from elsinore.envs.scene import Picture
from elsinore.envs.wrappers.observations import Flatten
from elsinore.errors import ConfigError, RunError
from elsinore.jaxtools import host_arrays
from elsinore.runs.call import resolve_experiment
from elsinore.runs.host import training
from elsinore.runs.host.evaluation import HostEvaluation
from elsinore.runs.host.training import HostTraining, _last_sound
from elsinore.runs.host.vector import HostVector
from elsinore.runs.replays import files as replays
from elsinore.runs.store.store import Store
from elsinore.training.curriculum.stages import Stages, staged
from elsinore.training.early_stopping import Convergence
from elsinore.training.turns import fetch_turns, place_host
from elsinore.view.drawing.episode import Episode
from elsinore.view.play import MAX_STEPS, episodes_of
from tests.runs.conftest import assert_same_run, count_in_log, rows_in

# 12 updates in 4 chunks
TINY = {
    "env_steps": 384,
    "rows_per_chunk": 1,
    "algo.num_envs": 4,
    "algo.rollout_length": 8,
    "algo.network.hidden": [8],
    "evaluation.period": 3,
    "evaluation.episodes": 3,
    "evaluation.final_episodes": 3,
    "checkpoints.interval_seconds": 0,
    "checkpoints.period": 1,
    "replays.share": 0,
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
    "sinks.curves_seconds": 0,
}
PPO = {"algo.num_epochs": 1, "algo.num_minibatches": 2}
LEFT, LIMIT = -3.0, 7


@struct.dataclass
class Params(EnvParams):
    max_steps_in_episode: int = LIMIT


@struct.dataclass
class Place(EnvState):
    x: jnp.ndarray


class Walk(Environment):
    """A walk from 0 by whole steps: each pays where it leads, and at -3 it ends. Nothing is
    random, so that Python can repeat it."""

    continuous = False

    @property
    def default_params(self):
        return Params()

    def action_space(self, params):
        return spaces.Box(-1.0, 1.0, (1,)) if self.continuous else spaces.Discrete(2)

    def observation_space(self, params):
        return spaces.Box(-np.inf, np.inf, (2,), jnp.float32)

    def _seen(self, state):
        return jnp.stack([state.x, jnp.float32(state.time)])

    def reset_env(self, key, params):
        state = Place(time=jnp.int32(0), x=jnp.float32(0.0))
        return self._seen(state), state

    def step_env(self, key, state, action, params):
        by = action[0] if self.continuous else 2.0 * action - 1.0
        state = Place(time=state.time + 1, x=state.x + by)
        return self._seen(state), state, state.x, state.x <= LEFT, {}


class Stroll(Walk):
    continuous = True


class PythonWalk:
    """`Walk` in Python, with the four values of older environments."""

    num_actions, max_steps_in_episode = 2, LIMIT

    def reset(self):
        self.x, self.time = np.float32(0.0), 0
        return np.array([self.x, self.time], np.float32)

    def step(self, action):
        assert isinstance(action, int)
        return self.move(np.float32(2 * action - 1))

    def move(self, by):
        self.x, self.time = self.x + by, self.time + 1
        seen = np.array([self.x, self.time], np.float32)
        return seen, self.x, bool(self.x <= LEFT), {}


class PythonStroll(PythonWalk):
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def step(self, action):
        return self.move(np.float32(action[0]))


class Noisy(PythonWalk):
    """Begins anywhere, and takes no seed."""

    def reset(self):
        super().reset()
        self.x = np.float32(np.random.default_rng().normal())
        return np.array([self.x, 0], np.float32)


class Limitless(PythonWalk):
    max_steps_in_episode = None

    def step(self, action):
        seen, reward, _, info = super().step(action)
        return seen, reward, self.time == 12, info


class Mortal(PythonWalk):
    """The process that steps it dies in its thirtieth step."""

    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == 30:
            raise BrokenPipeError("worker 7 is gone")
        return super().step(action)


def trained(env, tmp_path, name="run", overrides=None, **rest):
    settings = TINY | (PPO if rest.get("algo", "ppo") == "ppo" else {}) | (overrides or {})
    return elsinore.train(
        env, overrides=settings, name=name, runs_dir=tmp_path, check=False, **rest
    )


# The law: what is learnt from Python is what is learnt from JAX

VALUES = {"algo.learning_starts": 64, "algo.batch_size": 16, "algo.buffer_size": 256}
SAME = [
    pytest.param("ppo", {"algo.normalize_obs": True, "algo.normalize_rewards": True}, 2),
    pytest.param("dqn", VALUES | {"algo.n_step": 2}, 1, marks=pytest.mark.slow),
    pytest.param("a2c", {"algo.network.gru": 4}, 1, marks=pytest.mark.slow),
    pytest.param("ppo", {"algo.rnd.weight": 0.5}, 1, marks=pytest.mark.slow),
    pytest.param("pqn", {"algo.num_minibatches": 2}, 1, marks=pytest.mark.slow),
    pytest.param("sac", VALUES, 1, marks=pytest.mark.slow),
    pytest.param("td3", VALUES, 1, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("algo, overrides, seeds", SAME)
def test_a_run_in_python_is_the_run_in_jax(algo, overrides, seeds, tmp_path):
    inside, outside = (
        (Stroll(), PythonStroll()) if algo in ("sac", "td3") else (Walk(), PythonWalk())
    )
    compiled = trained(inside, tmp_path, "compiled", overrides, algo=algo, seeds=seeds)
    host = trained(outside, tmp_path, "host", overrides, algo=algo, seeds=seeds)
    expected, found = rows_in(compiled.path), rows_in(host.path)
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    numbers = [[np.nan if row[4] is None else row[4] for row in rows] for rows in (found, expected)]
    np.testing.assert_allclose(*numbers, rtol=2e-4, atol=2e-5)
    assert host.summary["eval_return"] == compiled.summary["eval_return"]


# One step of all environments


@pytest.fixture
def vector():
    env = host_env_of(PythonWalk())
    vector = HostVector(env, env.open_rows(2), 2, (0, 1), LIMIT, LIMIT)
    vector.begin()
    yield vector
    vector.close()


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_the_memory_of_a_large_rollout_is_planned(algo, monkeypatch):
    """As large as of images: its update is traced, with a state as the compiled program has it."""
    monkeypatch.setattr(planned_memory, "LARGE_ROLLOUT", 0)
    memory = plan_for(*resolve_experiment(PythonWalk(), algo, seeds=2)).memory
    assert memory.on_device > memory.of_arrays


def test_a_death_terminates_and_the_limit_truncates_with_the_true_final_observations(vector):
    steps = [vector.step(np.array([0, 1])) for _ in range(LIMIT)]
    assert [step.terminated.tolist() for step in steps][2] == [True, False]
    assert steps[2].final_obs[0].tolist() == [-3.0, 3.0]
    last = steps[-1]
    assert (last.terminated[1], last.truncated[1]) == (False, True)
    assert last.final_obs[1].tolist() == [7.0, 7.0]
    assert vector.obs[1].tolist() == [0.0, 0.0]  # of the next episode
    assert (last.episode_return[1], last.episode_length[1]) == (28.0, 7)


def test_a_death_at_the_limit_is_a_death():
    env = host_env_of(PythonWalk())
    vector = HostVector(env, env.open_rows(1), 1, (0,), 3, 3)
    vector.begin()
    step = [vector.step(np.array([0])) for _ in range(3)][-1]
    assert (step.terminated[0], step.truncated[0]) == (True, False)


def test_a_running_episode_is_repeated_from_its_seed_and_actions():
    env, params = make("gym/CartPole-v1")
    limit = int(params.max_steps_in_episode)

    def opened():
        return HostVector(env, env.open_rows(3), 3, (4, 2), limit, limit)

    first, again, other = opened(), opened(), opened()
    first.begin()
    for i in range(25):
        first.step(np.array([i % 2, 1, 0]))
    actor = first.actor(())
    again.restore(actor)
    assert not again.restarted.any()
    steps = [vector.step(np.array([1, 0, 1])) for vector in (first, again)]
    assert np.array_equal(steps[0].final_obs, steps[1].final_obs)
    assert np.array_equal(steps[0].episode_return, steps[1].episode_return)
    changed = actor._replace(obs=actor.obs + np.float32([[0.0], [1.0], [0.0]]))
    other.restore(changed)
    assert other.restarted.tolist() == [False, True, False]  # whose observation is another


def test_actions_of_every_step_of_an_episode_are_kept():
    env, _ = make("gym/Pendulum-v1")
    assert blank_tape(env, 200).actions.shape == (200, 1)


# Runs


@pytest.fixture(scope="module")
def gym_run(tmp_path_factory):
    """A run on Gymnasium's CartPole."""
    folder = tmp_path_factory.mktemp("gym")
    return trained(
        "gym/CartPole-v1",
        folder,
        overrides={"replays.share": 1, "replays.every_seconds": 3600},
        seeds=2,
    )


def test_a_run_resumed_from_an_earlier_checkpoint_equals_the_whole(gym_run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(gym_run.path, path)
    (path / "summary.json").unlink()
    shutil.rmtree(path / "checkpoints" / "latest")
    for late in ("0000000009", "0000000012"):
        shutil.rmtree(path / "checkpoints" / "periodic" / late, ignore_errors=True)
        shutil.rmtree(path / "checkpoints" / "best" / late, ignore_errors=True)
    elsinore.resume(path)
    assert count_in_log(path, "begin a new episode") == 0
    assert_same_run(path, gym_run.path)


def test_a_run_is_evaluated_played_and_shown_as_any(gym_run):
    loaded = elsinore.load(gym_run.path)
    assert loaded.evaluate(episodes=2).shape == (2, 2)
    assert loaded.policy()(np.zeros(4, np.float32)) in (0, 1)
    (episode,) = episodes_of(str(gym_run.path))
    assert episode.scene(0).panels
    assert len(replays.list_replays(gym_run.path / "replays")) == 2
    assert {"episode/return", "eval/return", "loss/total"} <= {
        row[3] for row in rows_in(gym_run.path)
    }


class Drawn(PythonWalk):
    """Draws itself: a bright column where it is."""

    render_mode = "rgb_array"

    def render(self):
        image = np.zeros((400, 600, 3), np.uint8)
        image[:, 300 + 40 * int(self.x) :][:, :40] = 255
        return image


def test_an_environment_that_draws_is_seen_in_its_episodes(tmp_path):
    run = trained(lambda: Drawn(), tmp_path, overrides={"env_steps": 32, "replays.share": 1.0})
    (replay, *_) = replays.list_replays(run.path / "replays")
    episode = Episode(replays.read(replay), make(lambda: Drawn())[0])
    for time in range(len(episode)):
        drawn = next(x for x in episode.scene(time).panels if isinstance(x, Picture))
        assert (drawn.width, drawn.height) == (160, 107)
        column = np.asarray(image_of(drawn))[50, :, 0].argmax() / 160 * 600
        assert abs(column - 300 - 40 * episode.recording.state.obs[time, 0]) < 8


def test_frames_of_long_episodes_are_smaller():
    env = host_env_of(Drawn())
    for limit, height, width in ((LIMIT, 107, 160), (10_000, 31, 47), (10**9, 11, 16)):
        env.limit = limit
        assert env.filmed(HostState(time=0)).frame.shape == (height, width, 3)
        assert min(limit, MAX_STEPS) * height * width * 3 <= 2**26
        del env._frame_shape


@pytest.mark.parametrize("image", [None, np.zeros((1, 8, 8, 3), np.uint8), 0.5])
def test_what_is_no_image_is_refused_with_what_it_is(image):
    drawn = Drawn()
    drawn.render = lambda: image
    given = None if image is None else np.shape(image)
    reason = f"0 failed in render: ValueError: rgb_array needs .*, and it gave {given}"
    with pytest.raises(HostEnvError, match=re.escape(reason).replace(r"\.\*", ".*")):
        host_env_of(drawn).filmed(HostState(time=0))


def test_an_episode_without_a_limit_is_played_to_its_end():
    """It was over after one step, as by a limit of 0."""
    env, params = make(lambda: Limitless())
    assert params.max_steps_in_episode == 0
    assert not env.is_truncated(HostState(time=10**6), params)
    (episode,) = episodes_of(f"{__name__}:Limitless")
    assert (len(episode) - 1, episode.outcome) == (12, "terminated")


def test_a_run_whose_episodes_are_too_long_to_be_repeated_is_saved(tmp_path):
    """Its tape had no room, and a checkpoint cannot hold an array without numbers."""
    long = {"env_steps": 32, "env_params.max_steps_in_episode": 2**20 + 1}
    run = trained(Limitless(), tmp_path, overrides=long)
    assert run.checkpoint("latest").manifest["after_a_break"] == "fresh episodes"
    assert elsinore.resume(run, env=Limitless(), env_steps=64).summary["env_steps"] == 64


def test_without_seeds_a_resumed_run_says_that_its_episodes_begin_anew(tmp_path):
    run = trained(Noisy(), tmp_path)
    (run.path / "summary.json").unlink()
    shutil.rmtree(run.path / "checkpoints" / "latest")
    for late in ("0000000009", "0000000012"):
        shutil.rmtree(run.path / "checkpoints" / "periodic" / late, ignore_errors=True)
        shutil.rmtree(run.path / "checkpoints" / "best" / late, ignore_errors=True)
    elsinore.resume(run.path, env=Noisy())
    assert count_in_log(run.path, "4 of 4 environments begin a new episode") >= 1
    store = Store(run.path / "metrics.sqlite", read_only=True)
    said = store._db.execute("SELECT text FROM events WHERE kind = 'resume'").fetchall()
    assert any("begin a new episode" in text for (text,) in said)
    assert run.checkpoint("latest").manifest["after_a_break"] == "fresh episodes"
    store.close()


@pytest.mark.slow
def test_a_run_whose_environment_dies_is_saved_names_it_and_can_be_resumed(tmp_path):
    with pytest.raises(
        RunError, match=r"environment 0 failed in step: BrokenPipe.*worker 7 is gone"
    ):
        trained(Mortal(), tmp_path)
    path = tmp_path / "run"
    assert [p.name for p in (path / "checkpoints" / "emergency").iterdir()] == ["0000000003"]
    assert elsinore.resume(path, env=PythonWalk()).summary["env_steps"] == 384


class Shrinking(PythonWalk):
    """The observations of its later episodes begin with one number, not two."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    episodes = 0

    def reset(self):
        self.episodes += 1
        return super().reset()[: 2 if self.episodes == 1 else 1]


def test_an_observation_of_another_shape_is_refused_in_any_step():
    """That of a reset was repeated to the shape of the space, in silence."""
    env = host_env_of(Shrinking())
    with pytest.raises(HostEnvError, match=r"0 failed in reset: .* shape \(1,\) is not in its sp"):
        vector = HostVector(env, env.open_rows(1), 1, (0,), LIMIT, LIMIT)
        vector.begin()
        for _ in range(LIMIT):
            vector.step(np.array([1]))


class Unclosable(PythonWalk):
    """`close` fails, as that of a renderer without its window does."""

    def close(self):
        raise OSError("its window is gone")


def test_an_environment_that_cannot_be_closed_ends_no_run(tmp_path):
    """A run that was complete had no summary, and was said to have failed."""
    run = trained(Unclosable(), tmp_path, overrides={"env_steps": 32})
    assert run.summary["env_steps"] == 32
    assert count_in_log(run.path, "Unclosable' failed in close: OSError: its window is gone") >= 4


class UnclosableMortal(Unclosable, Mortal):
    pass


@pytest.mark.slow
def test_a_failing_close_does_not_hide_the_failure_before_it(tmp_path):
    with pytest.raises(RunError, match=r"environment 0 failed in step: BrokenPipe"):
        trained(UnclosableMortal(), tmp_path)


def test_overlap_acts_with_the_policy_of_before(tmp_path):
    runs = [
        trained(PythonWalk(), tmp_path, f"overlap-{on}", {"host.overlap": on, "env_steps": 96})
        for on in (False, True)
    ]
    kl = [next(row[4] for row in rows_in(run.path) if row[3] == "policy/kl") for run in runs]
    assert kl[0] != kl[1]
    assert np.isfinite(kl).all()


def test_a_factory_is_called_for_every_environment(tmp_path):
    made = []

    def factory():
        made.append(PythonWalk())
        return made[-1]

    trained(factory, tmp_path, overrides={"env_steps": 96})
    assert len(made) == 1 + 4 + 3  # for its spaces, to train in, to evaluate in


# Spaces


class Blank(gymnasium.Env):
    """Spaces alone."""

    def __init__(self, observation, action=None):
        self.observation_space = observation
        self.action_space = action or gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def test_choices_are_one_hot_and_long_numbers_short():
    gym = gymnasium.spaces
    space = gym.Dict(
        {
            "where": gym.Discrete(3, start=1),
            "kinds": gym.MultiDiscrete([2, 3]),
            "flags": gym.MultiBinary(2),
            "speed": gym.Box(-1.0, 1.0, (2,), np.float64),
            "image": gym.Box(0, 255, (2, 2, 1), np.uint8),
        }
    )
    env = host_env_of(Blank(space))
    seen = env.observation.read(
        {
            "where": 3,
            "kinds": [1, 2],
            "flags": [0, 1],
            "speed": [0.5, 0.25],
            "image": np.zeros((2, 2, 1), np.uint8),
        }
    )
    assert seen["where"].tolist() == [0.0, 0.0, 1.0]
    assert seen["kinds"].tolist() == [0.0, 1.0, 0.0, 0.0, 1.0]
    assert seen["speed"].dtype == np.float32 and seen["image"].dtype == np.uint8
    choices = [host_env_of(Blank(space[name])).observation for name in ("where", "kinds")]
    for choice, wrong in zip(choices, (0, [2, 0]), strict=True):  # would set another's flag
        with pytest.raises(ValueError, match="is not in its space, from"):
            choice.read(wrong)
    for choice, wrong in zip(choices, ([3, 4], 1), strict=True):  # several flags, or two of one
        with pytest.raises(ValueError, match="is not in its space, of"):
            choice.read(wrong)
    zeros = env.blank()
    assert {k: (x.shape, x.dtype) for k, x in zeros.items()} == {
        k: (x.shape, x.dtype) for k, x in seen.items()
    }


def test_actions_are_written_as_the_environment_takes_them():
    gym = gymnasium.spaces
    box = gym.Box(0.0, 1.0, (3,))
    discrete = host_env_of(Blank(box, gym.Discrete(2, start=5)))
    assert discrete.action.write(np.int32(1)) == 6
    several = host_env_of(Blank(box, gym.MultiBinary(3)))
    assert several.action.write(np.array([1, 0, 1])).tolist() == [1, 0, 1]
    torques = host_env_of(Blank(box, gym.Box(-1.0, 2.0, (2, 2), np.float64)))
    assert torques.action.write(np.zeros(4, np.float32)).shape == (2, 2)


# Bad input


def refused(said, env, tmp_path, overrides=None, **rest):
    with pytest.raises(ConfigError, match=said):
        trained(env, tmp_path / "runs", overrides=overrides, **rest)
    assert not (tmp_path / "runs").exists()


def test_an_algorithm_without_parts_is_refused_with_all_that_have_them():
    learner = SimpleNamespace(parts=None)
    with pytest.raises(ConfigError, match="use ppo, .*, sac_discrete or td3, or give its"):
        refuse_without_parts(learner, "mine", "gym/CartPole-v1")


def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path):
    gym = gymnasium.spaces
    box, limited = gym.Box(0.0, 1.0, (3,)), {"env_params.max_steps_in_episode": 9}
    refused("has no time limit.*max_steps_in_episode=1000", Blank(box), tmp_path)
    unread = gym.Dict({"a": box, "b": gym.Tuple((box, box))})
    refused("at 'b' is Tuple, which no network here reads", Blank(unread), tmp_path, limited)
    refused("its action space is Box", Blank(box, gym.Box(0, 3, (1,), int)), tmp_path, limited)
    refused("algo='dqn'.*Box; use algo: sac", PythonStroll(), tmp_path, VALUES, algo="dqn")
    refused("wrappers are compiled", PythonWalk(), tmp_path, {"wrappers": ["flatten"]})
    refused(
        "agents.number=2 needs an environment in JAX", PythonWalk(), tmp_path, {"agents.number": 2}
    )
    kept = staged(Stages({}, (None,), (None,)))
    needs = "curriculum=... needs an environment in JAX"
    refused(needs, PythonWalk(), tmp_path, limited, curriculum=kept)
    refused(
        "host.overlap=true is of environments on the host", Walk(), tmp_path, {"host.overlap": True}
    )
    with pytest.raises(ConfigError, match="'gym/CartPole-v1' is stepped on the host, and wrappers"):
        make("gym/CartPole-v1", wrappers=[{"randomise": {"gravity": [1, 2]}}])
    with pytest.raises(ConfigError, match="'gym/CartPole-v1' is stepped on the host, and wrappers"):
        Flatten(make("gym/CartPole-v1")[0])
    vector = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    refused("steps all its environments as one", vector, tmp_path)
    vector = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    refused("steps all its environments as one", vector, tmp_path)
    refused("makes a vector environment", lambda: vector, tmp_path)
    refused("gym/CartPole-v9.*unknown", "gym/CartPole-v9", tmp_path)


class Odd(PythonWalk):
    """A walk with other attributes, and another first observation."""

    def __init__(self, first=None, **attributes):
        self.first = first
        vars(self).update(attributes)

    def reset(self, seed):
        return super().reset() if self.first is None else self.first


def test_an_object_whose_attributes_cannot_be_read_is_refused(tmp_path):
    for first in ("a hall", None, ([1, 2], None), {"hall": [1.0]}, [[1.0, 2.0], [3.0]]):
        env = Odd(first) if first else Odd("", reset=lambda: None)
        refused("Odd' has no observation_space, and reset returned .* give it one", env, tmp_path)
    for number in ("two", 2.7):
        refused(f"num_actions={number!r} must be a whole n", Odd(num_actions=number), tmp_path)
    limit = Odd(max_steps_in_episode=2**31)
    refused("time limit of 2147483648 steps, and at most 2147483647 are counted", limit, tmp_path)
    box = gymnasium.spaces.Box(0.0, 1.0, (2,))
    for names in ({1: box, 2: box}, {1: box, "hall": box}):
        named = Odd(observation_space=gymnasium.spaces.Dict(names))
        refused("observation space has the key 1, which is no text", named, tmp_path)


def test_wrappers_that_keep_statistics_are_refused_with_the_setting_instead(tmp_path):
    observations, rewards = (
        gymnasium.wrappers.NormalizeObservation,
        gymnasium.wrappers.NormalizeReward,
    )
    env = gymnasium.make("CartPole-v1")
    named = "in the wrapper NormalizeObservation, .*leave it out and set algo.normalize_obs: true"
    refused(named, gymnasium.wrappers.ClipReward(observations(env), -1.0, 1.0), tmp_path)
    refused("set algo.normalize_rewards: true", lambda: rewards(env), tmp_path)
    vector = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    refused(named, gymnasium.wrappers.vector.NormalizeObservation(vector), tmp_path)
    frozen = observations(env)
    frozen.update_running_mean = False
    assert make(frozen)[0].limit == 500


def test_a_program_that_would_step_it_fails_with_the_reason():
    env, params = make("gym/CartPole-v1")
    _, state = env.reset_env(jax.random.key(0), params)
    with pytest.raises(jax.errors.JaxRuntimeError, match="stepped on the host, and this program"):
        jax.block_until_ready(env.step_env(jax.random.key(0), state, jnp.int32(0), params))


# Other libraries' rules and resets

STATES = {
    "CartPole-v1": ("x", "x_dot", "theta", "theta_dot"),
    "Acrobot-v1": ("joint_angle1", "joint_angle2", "velocity_1", "velocity_2"),
    "Pendulum-v1": ("theta", "theta_dot"),
    "MountainCar-v0": ("position", "velocity"),
    "MountainCarContinuous-v0": ("position", "velocity"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_gymnasiums_classic_control_has_gymnaxs_rules(name):
    """Which is why it has their presets; positions agree to 1e-5 over a step from 100 states."""
    env, params = make(name)
    theirs = gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True).unwrapped
    theirs.reset(seed=0)
    step = jax.jit(env.step_env)
    _, state = env.reset_env(jax.random.key(0), params)
    rng, fields = np.random.default_rng(0), STATES[name]
    for i in range(100):
        action = env.action_space(params).sample(jax.random.key(i))
        theirs.state = np.array([np.asarray(getattr(state, f)).item() for f in fields])
        seen, after, reward, over, _ = step(jax.random.key(i), state, action, params)
        written = np.asarray(action) if np.ndim(action) else int(action)
        theirs.steps_beyond_terminated = None  # each step is of an episode of its own
        found, paid, died, *_ = theirs.step(written)
        if name == "MountainCarContinuous-v0" and np.isclose(found[0], -1.2):
            assert found[1] == 0 >= seen[1]  # Gymnasium's left wall takes the speed, gymnax's not
            found = seen
        np.testing.assert_allclose(found, seen, atol=1e-5)
        assert (paid, died) == (pytest.approx(float(reward), abs=1e-5), bool(over))
        start = env.reset_env(jax.random.key(i), params)[1] if over else after
        state = start.replace(**{fields[-1]: getattr(start, fields[-1]) * rng.uniform(0.5, 1.5)})


@pytest.mark.skipif(not suites.is_installed("envpool"), reason="needs elsinore[envpool]")
@pytest.mark.parametrize("name", ["base_path", "cfg_path", "game_args", "lmp_save_dir", "vzd_path"])
def test_settings_choose_no_program_that_envpool_starts(name):
    with pytest.raises(ConfigError, match=rf"env_kwargs\.{name}='./x' decides what EnvPool starts"):
        make("envpool/Basic-v1", {name: "./x"})


@pytest.mark.skipif(not suites.is_installed("gym"), reason="needs elsinore[gymnasium]")
def test_environments_that_import_any_other_are_not_made():
    """Their argument would be code that no one has agreed to."""
    names = [name for name in suites.ids("gym") if "GymV2" in name]
    assert names == []
    with pytest.raises(ConfigError, match="GymV26Environment-v0"):
        make("gym/GymV26Environment-v0", {"env_id": "json:tool"})


@pytest.mark.skipif(not suites.is_installed("envpool"), reason="needs elsinore[envpool]")
def test_a_pool_is_reset_in_the_step_that_ends_an_episode(tmp_path):
    env, _ = make("envpool/CartPole-v1")
    vector = HostVector(env, env.open_rows(3), 3, (0,), 5, 0)
    vector.begin()
    first = vector.obs.copy()
    steps = [vector.step(np.array([0, 1, i % 2])) for i in range(5)]
    last = steps[-1]
    assert last.truncated.all() and not last.terminated.any()
    assert not np.concatenate([step.truncated for step in steps[:-1]]).any()
    assert (np.abs(vector.obs) <= 0.05).all()  # where an episode of CartPole begins
    assert not np.array_equal(vector.obs, first)
    assert (np.abs(last.final_obs[:2, 1]) > 0.5).all()  # five pushes to one side
    after = vector.step(np.array([0, 1, 1]))  # no action is ignored
    assert (np.abs(after.final_obs[:, 1]) > 0.1).all()
    assert trained("envpool/CartPole-v1", tmp_path).summary["stopped_by"] == "budget"


@pytest.mark.slow
def test_ppo_reaches_475_on_gymnasiums_cartpole(tmp_path):
    run = elsinore.train(
        "gym/CartPole-v1",
        overrides={"replays.share": 0, "sinks.mlflow.enabled": False},
        seeds=3,
        runs_dir=tmp_path,
    )
    assert min(run.summary["eval_return"]["per_seed"]) >= 475.0


def test_a_run_whose_seeds_all_diverge_between_evaluations_ends(tmp_path):
    broken = {"algo.learning_rate": 1e30, "algo.max_grad_norm": np.inf}
    broken |= {"evaluation.period": "0.0001 seconds"}
    run = trained(PythonWalk(), tmp_path, overrides=broken)
    assert run.summary["diverged_at_env_steps"] == [run.summary["env_steps"]]


def test_a_chunk_in_which_no_seed_learns_changes_nothing(tmp_path):
    """As where the last member that learns is pruned before it, and the others have converged."""
    plan = (run := trained(PythonWalk(), tmp_path, seeds=2)).plan
    found, layout = run.state(), plan.layout
    over = found.convergence._replace(pruned_at=np.array([4, -1]), converged_at=np.array([-1, 4]))
    (states,) = place_host(found._replace(convergence=over), plan.state_shapes, layout)
    with contextlib.closing(HostTraining(plan, layout)) as host:
        after, report = host.chunk(states, 2)
    assert not report.learning.any() and report.update.tolist() == found.train.update.tolist()
    same = jax.tree.map(np.array_equal, *(fetch_turns((x,), layout) for x in (after, states)))
    assert all(jax.tree.leaves(same))


def test_a_chunk_holds_two_copies_of_the_states_and_no_more(monkeypatch):
    """Those before it, until all have learnt, and those after it."""
    settings = TINY | VALUES | {"algo.buffer_size": 40_000}
    plan = plan_for(*resolve_experiment(PythonWalk(), "dqn", seeds=2, overrides=settings))
    layout, seen = plan.layout, []
    one = host_arrays.to_host(jax.jit(plan.program.init)(jax.random.key(0)))
    host = jax.tree.map(lambda x: np.stack([x, x]), one)
    before = sum(x.nbytes for x in jax.live_arrays())
    (states,) = place_host(host, plan.state_shapes, layout)

    def looking(function):
        def looked(*args, **rest):
            found = function(*args, **rest)
            seen.append((sum(x.nbytes for x in jax.live_arrays()) - before) / plan.memory.of_states)
            return found

        return looked

    monkeypatch.setattr(HostEvaluation, "__call__", looking(HostEvaluation.__call__))
    monkeypatch.setattr(training, "_stack", looking(training._stack))
    with contextlib.closing(HostTraining(plan, layout)) as host:
        after, _ = host.chunk(states, 2)
    assert max(seen) < 2.1 and seen[-1] < 1.1, seen
    planned = plan.memory.of_arrays - plan.memory.of_a_save  # which no chunk holds
    assert 2 < planned / plan.memory.of_states < 2.1
    assert not any(x.is_deleted() for x in jax.tree.leaves(after))


class CarefulStroll(PythonStroll):
    def step(self, action):
        assert np.isfinite(action).all()
        return super().step(action)


@pytest.mark.parametrize(
    ("diverged", "pruned", "chosen"),
    [([2, -1, -1], [6, 4, 6], 2), ([-1, 2, -1], [-1, -1, -1], 0), ([2, -1], [-1, -1], 1)],
)
def test_the_replica_that_stands_for_none_that_learns_has_finite_parameters(
    diverged, pruned, chosen
):
    at = Convergence(*[np.array(-1)] * len(Convergence._fields))
    at = at._replace(diverged_at=np.array(diverged), pruned_at=np.array(pruned))
    assert _last_sound(at) == chosen


@pytest.mark.slow
def test_a_replica_that_has_diverged_acts_no_more_where_no_other_learns(tmp_path):
    plan = (run := trained(CarefulStroll(), tmp_path, seeds=3)).plan
    found, layout = run.state(), plan.layout
    learner = found.train.learner

    def spoilt(x):
        return np.concatenate([np.full_like(x[:1], np.nan), x[1:]])

    params = jax.tree.map(spoilt, jax.device_get(learner.params))
    train = found.train._replace(learner=learner._replace(params=params))
    over = found.convergence._replace(
        diverged_at=np.array([2, -1, -1]), pruned_at=np.array([6, 4, 6])
    )
    (states,) = place_host(found._replace(train=train, convergence=over), plan.state_shapes, layout)
    with contextlib.closing(HostTraining(plan, layout)) as host:
        _, report = host.chunk(states, 2)
        assert not report.learning.any() and host._vectors.keys() == {2}


def test_halving_stops_the_worse_members_on_the_host_too(tmp_path):
    halving = {"vary": {"algo.gamma": [0.9, 0.99]}, "population.halving": {"eta": 2, "rungs": 1}}
    run = trained(PythonWalk(), tmp_path, overrides=halving)
    first, last = sorted(run.summary["env_steps_per_seed"])
    assert first < last == run.experiment.env_steps
    assert sorted(map(str, run.summary["pruned_at_env_steps"])) == [str(first), "None"]
