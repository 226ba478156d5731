"""A replay is an episode in a file: what was written is what is read, or one clear line says why
not."""

import json
import struct
import threading
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import elsinore
from elsinore.cli import main as cli
from elsinore.config.experiment import ReplaysConfig
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.runs import conclusion
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.replays import worker as replay_worker
from elsinore.runs.summary import write_json
from elsinore.training.recording import Recording
from elsinore.view.drawing.episode import env_of
from tests.runs.conftest import assert_same_run, train_tiny
from tests.small_envs import Clocked, Life
from tests.toys import TOY

LENGTH, ROOM = 3, 5  # steps of the episode, and of the recording it is in


def film() -> Recording:
    """An episode of three steps with two steps of padding behind it."""
    state = Life(
        time=np.arange(ROOM + 1),
        name=np.full(ROOM + 1, 0.25, np.float32),
        warmth=np.linspace(1, 0, ROOM + 1),
    )
    return Recording(
        state=state,
        action=np.array([0, 1, 0, 9, 9]),
        reward=np.array([1.0, 2.0, 0.5, 7, 7], np.float32),
        terminated=np.arange(ROOM) == 2,
        truncated=np.zeros(ROOM, bool),
        action_scores={"probability": np.full((ROOM, 2), 0.5, np.float32)},
        value=None,
        length=np.int32(LENGTH),
    )


ABOUT = {"env": "tests.small_envs:Scripted", "algo": "ppo", "seed": 4, "update": 120}


def a_replay(**about) -> episode_recording.EpisodeRecording:
    return episode_recording.recording_of(film(), Clocked(), ABOUT | about)


@pytest.fixture
def path(tmp_path):
    return replays.write(tmp_path / "replays" / "one.npz", a_replay())


@pytest.mark.parametrize("agents", [0, 101, 1e8, "2", True])
def test_a_header_with_an_impossible_number_of_agents_is_refused(tmp_path, agents):
    about = {"agents": agents, "ids": ["a"], "returns": [1.0], "lengths": [1], "endings": ["end"]}
    path = replays.write(tmp_path / "one.npz", a_replay(**about))
    with pytest.raises(ConfigError, match="of its header must be from 1 to 100"):
        replays.about(path)


# What is written is what is read


def test_an_episode_comes_back_without_its_padding(path):
    back = replays.read(path)
    again = back.film(Life(time=0, name=0.0, warmth=0.0))
    assert again.length == LENGTH
    np.testing.assert_array_equal(again.reward, [1.0, 2.0, 0.5])
    np.testing.assert_array_equal(again.state.time, [0, 1, 2, 3])
    np.testing.assert_array_equal(
        again.action_scores["probability"], film().action_scores["probability"][:LENGTH]
    )
    assert again.value is None and again.state.warmth.dtype == np.float64


def test_a_replay_says_what_it_is(path):
    about = replays.about(path)
    assert about == replays.read(path).about
    assert {name: about[name] for name in ABOUT} == ABOUT
    assert (about["length"], about["return"], about["terminated"], about["truncated"]) == (
        3,
        3.5,
        True,
        False,
    )


def test_the_envs_parameters_come_back_as_they_were(tmp_path):
    replay = episode_recording.recording_of(film(), Clocked(max_steps_in_episode=7), ABOUT)
    back = replays.read(replays.write(tmp_path / "x.npz", replay))
    assert back.params(Clocked()).max_steps_in_episode == 7


def test_random_keys_in_a_state_come_back_as_their_numbers(tmp_path):
    recording = film()._replace(state={"key": np.arange(12, dtype=np.uint32).reshape(6, 2)})
    back = replays.read(
        replays.write(
            tmp_path / "x.npz", episode_recording.recording_of(recording, Clocked(), ABOUT)
        )
    )
    like = jax.eval_shape(lambda: {"key": jax.random.key(0)})
    assert back.film(like).state["key"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


# Several agents


def company() -> episode_recording.EpisodeRecording:
    """Two agents: the first dies at its second step, the other is cut after three."""
    each = lambda x: np.stack([x, 10 * x], axis=1)  # noqa: E731
    recording = jax.tree.map(lambda x: each(x) if np.ndim(x) else x, film())
    died = np.zeros((ROOM, 2), bool)
    died[1, 0] = True
    recording = recording._replace(
        terminated=died, reward=recording.reward * ~(np.cumsum(died, 0) - died > 0)
    )
    return episode_recording.recording_of(
        recording, Clocked(max_steps_in_episode=np.array([7, 9])), ABOUT
    )


def test_an_episode_of_several_agents_records_each(tmp_path):
    about = replays.about(replays.write(tmp_path / "x.npz", company()))
    assert (about["format"], about["agents"], about["length"]) == (2, 2, 3)
    assert (about["lengths"], about["returns"], about["endings"]) == (
        [2, 3],
        [3.0, 35.0],
        ["terminated", "cut"],
    )
    assert (about["return"], about["terminated"], about["truncated"]) == (19.0, False, False)
    assert a_replay().about["format"] == 1 and "agents" not in a_replay().about


def test_one_of_several_is_an_episode_of_its_own(tmp_path):
    together = replays.read(replays.write(tmp_path / "x.npz", company()))
    like = Life(time=0, name=0.0, warmth=0.0)
    first, second = (together.of_agent(agent) for agent in (0, 1))
    assert (first.about["length"], first.about["return"], first.about["terminated"]) == (
        2,
        3.0,
        True,
    )
    assert first.film(like).state.time.tolist() == [0, 1, 2]
    assert second.film(like).reward.tolist() == [10.0, 20.0, 5.0] and not second.about["terminated"]
    assert second.params(Clocked()).max_steps_in_episode == 9
    assert together.film(like).state.time[:, 1].tolist() == [0, 10, 20, 30]
    replays.write(tmp_path / "own.npz", first)
    assert replays.read(tmp_path / "own.npz").about["agent"] == 0


def test_a_replay_that_does_not_hold_its_agents_is_refused(tmp_path):
    path = replays.write(tmp_path / "x.npz", company())
    with_header(path, lambda about: json.dumps(about | {"agents": 3}))
    assert "does not hold the 3 agents of its header" in refused(path)
    with_header(path, lambda about: json.dumps({k: v for k, v in about.items() if k != "endings"}))
    assert "its header has no 'endings'" in refused(path)


# What is broken is refused in one line


def refused(path) -> str:
    with pytest.raises(ConfigError) as error:
        replays.read(path)
    about = str(error.value)
    assert str(path) in about and "\n" not in about
    return about


def test_a_replay_of_a_population_names_the_seed_and_the_member():
    """Replicas are numbered in a row, and each member begins with the same seed."""
    settings = {"seeds": 2, "seed": 5, "vary": {"algo.gamma": [0.9, 0.99]}}
    experiment = load_experiment("CartPole-v1", overrides=settings)
    about = [episode_recording.provenance(experiment, "run", seed, 3, 128, True) for seed in (6, 8)]
    assert [episode_recording.learner_name(x) for x in about] == [
        "seed 6, algo.gamma=0.9",
        "seed 6, algo.gamma=0.99",
    ]
    assert [episode_recording.learner_name(x) for x in ({"seed": 6}, {})] == ["seed 6", ""]


def test_a_missing_file_is_named(tmp_path):
    assert "No such file" in refused(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "content", [b"", b"not a replay", b"\x93NUMPY\x01\x00", b"PK\x03\x04" + b"\0" * 40]
)
def test_what_is_no_replay_is_refused(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    assert "no replay, or it is incomplete" in refused(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_replay_that_was_cut_off_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path)


def test_a_table_of_contents_that_ends_early_is_refused(path):
    """The length of zip's table of contents has no checksum: its first entry is left out."""
    whole = path.read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", whole, end + 12)
    first = 46 + sum(struct.unpack_from("<HHH", whole, start + 28))
    path.write_bytes(whole[: end + 12] + struct.pack("<I", size - first) + whole[end + 16 :])
    refused(path)
    second = first + 46 + sum(struct.unpack_from("<HHH", whole, start + first + 28))
    kept = whole[:start] + whole[start : start + first] + whole[start + second : end]
    shorter = struct.pack("<I", size - second + first)
    path.write_bytes(kept + whole[end : end + 12] + shorter + whole[end + 16 :])
    assert "is not as its header says" in refused(path)


def test_a_changed_byte_changes_nothing_unseen(path):
    """Wherever it is: the replay is refused, or reads as it was."""
    whole, before = path.read_bytes(), replays.read(path)
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            after = replays.read(path)
        except ConfigError as error:
            assert "\n" not in str(error)
            continue
        assert after.about == before.about
        for name, values in before.arrays.items():
            np.testing.assert_array_equal(
                after.arrays.get(name), values, err_msg=f"{name}, byte {place}"
            )


def with_header(path, change) -> None:
    """The same file with another header."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays["about"] = np.array(change(json.loads(str(arrays["about"]))))
    np.savez(path, **arrays)


def test_a_replay_of_a_newer_elsinore_asks_for_it(path):
    newest = episode_recording.FORMAT
    with_header(path, lambda about: json.dumps(about | {"format": newest + 1}))
    assert f"has format {newest + 1}, and this elsinore reads up to {newest}" in refused(path)


@pytest.mark.parametrize("header", ["[]", "{", '{"format": 1}', "7"])
def test_a_header_that_says_too_little_is_refused(path, header):
    with_header(path, lambda _: header)
    refused(path)


def test_a_replay_that_claims_more_steps_than_it_holds_is_refused(path):
    with_header(path, lambda about: json.dumps(about | {"length": 99}))
    assert "says 99 steps" in refused(path)


def test_a_replay_of_another_version_of_its_env_is_refused(path):
    with pytest.raises(
        ConfigError,
        match=r"another version of that environment: state\.name is \[\] and should be \[2\]",
    ):
        replays.read(path).film(Life(time=0, name=np.zeros(2), warmth=0.0))
    with pytest.raises(ConfigError, match="hunger.*is missing"):
        replays.read(path).film(SimpleState())


class SimpleState(dict):
    """A state with a field that there was not."""

    def __init__(self, *_):
        super().__init__(hunger=0.0)


jax.tree_util.register_pytree_with_keys(
    SimpleState,
    lambda s: ((((jax.tree_util.DictKey("hunger"), 0.0)),), None),
    lambda _, __: SimpleState(),
)


# A folder of them


def updates_left(folder) -> list[int]:
    return [replays.about(path)["update"] for path in replays.list_replays(folder)]


def test_replays_are_listed_in_the_order_of_their_training(tmp_path):
    for update in (300, 20, 1000):
        replay = a_replay(update=update)
        replays.write(replays.path_for(tmp_path, replay), replay)
    assert updates_left(tmp_path) == [20, 300, 1000]


@pytest.mark.parametrize("keep", [1, 2, 3, 5])
def test_thinning_leaves_the_first_and_the_newest_and_others_between_them(tmp_path, keep):
    for update in range(0, 1000, 100):
        replay = a_replay(update=update)
        replays.write(replays.path_for(tmp_path, replay), replay)
        replays.thin(tmp_path, keep)
    left = updates_left(tmp_path)
    assert len(left) == keep and left[-1] == 900
    if keep > 1:
        assert left[0] == 0
    if keep > 2:
        assert max(np.diff(left)) <= 2 * 900 / (keep - 1)


def test_files_of_other_names_are_left_alone(tmp_path):
    """Each recording failed beside a copy of such a name, or the copy was removed."""
    copies = [tmp_path / name for name in ("2nd-best.npz", "2048-best.npz", "0000000100 copy.npz")]
    for path in copies:
        path.write_bytes(b"mine")
    for update in (0, 100, 200):
        replay = a_replay(update=update)
        replays.write(replays.path_for(tmp_path, replay), replay)
        replays.thin(tmp_path, 1)
    assert updates_left(tmp_path) == [200]
    assert all(path.read_bytes() == b"mine" for path in copies)


# While a run trains


class Clock:
    """Time that passes on demand."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(replay_worker, "time", clock)
    monkeypatch.setattr(
        replay_worker,
        "BackgroundWorker",
        lambda _, handle, **__: SimpleNamespace(put=handle, finish=lambda timeout: 0),
    )
    return clock


def a_worker(clock, monkeypatch, tmp_path, seconds: float, **config) -> replay_worker.ReplayWorker:
    """Whose recordings take so many seconds."""
    experiment = SimpleNamespace(replays=ReplaysConfig(**config), seed=0, replicas=2)
    plan = SimpleNamespace(experiment=experiment, env=None, shown_in=lambda params: params)
    made = replay_worker.ReplayWorker(SimpleNamespace(replays=tmp_path / "replays"), plan)

    def play(seed, update, policy_state, params):
        clock.now += seconds
        return a_replay(seed=seed, update=update)

    monkeypatch.setattr(made, "_play", play)
    return made


def train(clock, made: replay_worker.ReplayWorker, seconds: float, chunk: float = 0.5) -> None:
    """Offer a state after every chunk."""
    until, update = clock.now + seconds, 0
    while clock.now < until:
        clock.now, update = clock.now + chunk, update + 1
        train = SimpleNamespace(
            update=np.full(2, update), policy_state=np.zeros(2), env_params=np.zeros(2)
        )
        made.offer((SimpleNamespace(train=train),))


def test_a_run_of_a_minute_makes_none(clock, monkeypatch, tmp_path):
    train(clock, a_worker(clock, monkeypatch, tmp_path, seconds=0.1), seconds=60)
    assert not replays.list_replays(tmp_path / "replays")


@pytest.mark.parametrize("seconds", [0.5, 8.0])
def test_recording_takes_its_share_of_the_time_and_no_more(clock, monkeypatch, tmp_path, seconds):
    made, began = (
        a_worker(clock, monkeypatch, tmp_path, seconds, share=0.02, every_seconds=0, keep=10_000),
        clock.now,
    )
    train(clock, made, seconds=2_000)
    spent = seconds * len(replays.list_replays(tmp_path / "replays"))
    most = 0.02 * (clock.now - began)
    assert 0 < spent <= most + seconds  # the first may take longer than could be known
    assert spent > 0.5 * most


def test_replays_stand_apart_by_the_seconds_asked_for(clock, monkeypatch, tmp_path):
    made = a_worker(clock, monkeypatch, tmp_path, 0.01, share=1.0, every_seconds=20)
    train(clock, made, seconds=200)
    assert 9 <= len(replays.list_replays(tmp_path / "replays")) <= 10


def test_no_share_of_the_time_is_no_replays(clock, monkeypatch, tmp_path):
    train(clock, a_worker(clock, monkeypatch, tmp_path, 0.01, share=0.0), seconds=1_000)
    assert not (tmp_path / "replays").exists()


def test_a_run_records_its_policies_and_learns_the_same(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(replay_worker, "FIRST_SECONDS", 0.0)
    run = train_tiny(
        tmp_path,
        "seen",
        {"checkpoints.interval_seconds": 0, "replays.share": 1, "replays.every_seconds": 0},
    )
    assert_same_run(run.path, whole)
    paths = replays.list_replays(run.path / "replays")
    about = replays.about(paths[0])
    assert (about["run"], about["algo"], about["env"], about["seed"]) == (
        "seen",
        "ppo",
        "CartPole-v1",
        0,
    )
    assert about["return"] == about["length"] > 0 and about["env_steps"] == 128 * about["update"]


@pytest.mark.slow
def test_a_short_run_has_its_first_and_its_last_episode_and_others_on_request(whole, tmp_path):
    shown = {"checkpoints.interval_seconds": 0, "replays.share": 0.001}
    run = train_tiny(tmp_path, "ends", shown)
    assert updates_left(run.path / "replays") == [0, 40]
    assert_same_run(run.path, whole)
    more = {"replays.period": 4, "replays.observations": True}
    run = train_tiny(tmp_path, "more", shown | more)
    assert updates_left(run.path / "replays") == [0, 16, 32, 40]
    shorter = train_tiny(tmp_path, "stopped", shown | more | {"env_steps": 128 * 24})
    elsinore.resume(shorter.path, env_steps=128 * 40)  # counted from the run's first chunk
    assert updates_left(shorter.path / "replays") == [0, 16, 24, 32, 40]
    replay = replays.read(replays.list_replays(run.path / "replays")[-1])
    seen = replay.arrays["observation"]
    assert seen.shape == (replay.about["length"], 4)
    np.testing.assert_allclose(seen[:, 0], replay.arrays["state.x"][:-1])


def test_the_last_episode_is_written_before_the_summary_which_ends_a_run(tmp_path, monkeypatch):
    there, closing, worker = [], threading.Event(), replay_worker.ReplayWorker
    record, close = worker._record, worker.close

    def write(path, data):
        there.append(updates_left(path.parent / "replays"))
        write_json(path, data)

    def closed(self, timeout):
        closing.set()
        close(self, timeout)

    monkeypatch.setattr(
        worker, "_record", lambda self, item: closing.wait(60) and record(self, item)
    )
    monkeypatch.setattr(worker, "close", closed)
    monkeypatch.setattr(conclusion, "write_json", write)
    elsinore.train(overrides=TOY, name="toy", runs_dir=tmp_path, check=False)
    assert there == [[0, 12]]


def test_the_help_of_export_says_that_it_takes_a_replay(capsys):
    with pytest.raises(SystemExit):
        cli(["export", "--help"])
    assert "with --format json also a replay's file" in " ".join(capsys.readouterr().out.split())


def test_a_replay_is_written_as_json(path, tmp_path, capsys):
    assert cli(["export", str(path), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["about"]["env"] == ABOUT["env"]
    assert data["arrays"]["reward"] == [1.0, 2.0, 0.5]
    assert data["arrays"]["state.time"] == [0, 1, 2, 3]
    out = tmp_path / "one.json"
    assert cli(["export", str(path), "--format", "json", "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == data
    assert cli(["export", str(path)]) == 2
    assert "give --format json" in capsys.readouterr().err


def test_numbers_that_json_has_not_are_null(tmp_path):
    odd = film()._replace(action_scores={"action value": np.full((ROOM, 2), -np.inf, np.float32)})
    path = replays.write(
        tmp_path / "odd.npz", episode_recording.recording_of(odd, Clocked(), ABOUT)
    )
    scores = replays.as_json(path)["arrays"]["preferences.action value"]
    assert scores == [[None, None]] * LENGTH
    endless = a_replay()
    endless.about["return"] = -np.inf
    about = replays.as_json(replays.write(tmp_path / "endless.npz", endless))["about"]
    assert about["return"] is None and about["env"] == ABOUT["env"]


@pytest.mark.parametrize(
    "nothing", [np.zeros((3 * 10**8, 0), np.float32), np.zeros(3 * 10**8, "V0")]
)
def test_a_small_file_of_many_steps_that_take_no_bytes_is_refused(path, nothing):
    arrays = dict.fromkeys(("action", "reward", "terminated", "truncated"), nothing)
    replays.write(path, episode_recording.EpisodeRecording(a_replay().about, arrays))
    assert path.stat().st_size < 4096
    for read in (replays.read, replays.as_json):
        with pytest.raises(ConfigError, match="1,200,000,000 entries that take no bytes"):
            read(path)


def test_a_state_with_a_part_of_no_numbers_is_read(path):
    replay = a_replay()
    replay.arrays["state.nothing"] = np.zeros((LENGTH + 1, 0), np.float32)
    assert replays.read(replays.write(path, replay)).arrays["state.nothing"].shape == (4, 0)


# Secrets


@pytest.fixture
def keyed(tmp_path):
    """A replay, in the folder of its run, of an environment that is made with a secret."""
    kwargs = {"api_key": "hunter2", "size": [3, 4]}
    (tmp_path / "config.yaml").write_text(json.dumps({"env": ABOUT["env"], "env_kwargs": kwargs}))
    return replays.write(tmp_path / "replays" / "0000000120-seed4.npz", a_replay(env_kwargs=kwargs))


def test_a_secret_of_the_environment_is_in_the_config_of_the_run_alone(keyed):
    with np.load(keyed) as file:
        about = json.loads(str(file["about"]))
    assert about["env_kwargs"] == {"api_key": "***", "size": [3, 4]}
    for read in (replays.about, lambda path: replays.read(path).about):
        assert read(keyed)["env_kwargs"] == {"api_key": "hunter2", "size": [3, 4]}
    assert "hunter2" not in json.dumps(replays.as_json(keyed))


@pytest.mark.parametrize("config", [None, "env: other:Env", "env_kwargs: {api_key: x}", "[", "x"])
def test_a_replay_without_its_secret_says_where_that_is(keyed, config):
    beside = keyed.parent.parent / "config.yaml"
    beside.unlink() if config is None else beside.write_text(config)
    with pytest.raises(
        ConfigError, match="a secret in env_kwargs=.* is masked; play the replay in"
    ):
        env_of(replays.read(keyed))
