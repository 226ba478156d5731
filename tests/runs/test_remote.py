"""Copies of runs: whatever cuts off their sending, another machine can go on from them."""

import contextlib
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import elsinore
from elsinore.config.experiment import Experiment
from elsinore.config.load import with_settings
from elsinore.errors import ConfigError
from elsinore.runs import remote, remote_copy
from elsinore.runs.call import resolve_experiment
from elsinore.runs.lineage.lengthen import lengthened, record_lengthening
from elsinore.runs.records import Row
from elsinore.runs.remote import fetched, file_system, has_copy
from elsinore.runs.remote_copy import Copy
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.repair import repair
from elsinore.runs.store.store import Store, reading
from elsinore.runs.summary import is_finished

fsspec = pytest.importorskip("fsspec")
ROOT = Path(__file__).parents[2]
SMALL = {
    "env_steps": 2048,
    "algo.num_envs": 4,
    "algo.rollout_length": 32,
    "algo.network.hidden": [8],
    "evaluation.period": 4,
    "evaluation.episodes": 2,
    "evaluation.final_episodes": 2,
    "evaluation.max_steps": 50,
    "convergence.enabled": False,
    "checkpoints.interval_seconds": 0,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "sinks.console": False,
}


@pytest.fixture
def bucket(request):
    """The URL of an empty folder in memory, with `files` as its file system."""
    url = f"memory://bucket-{request.node.name.replace('[', '-').rstrip(']')}/runs"
    yield url
    fsspec.filesystem("memory").rm(url.removeprefix("memory:/").rpartition("/")[0], recursive=True)


def update_to(folder: Path, update: int, keep: int = 1, run_id: str = "one") -> None:
    """Write what a run writes by that update: metrics, then a checkpoint, of which `keep` stay."""
    folder.mkdir(exist_ok=True)
    if not (folder / "config.yaml").exists():
        (folder / "config.yaml").write_text("env: CartPole-v1\n")
    (folder / "logs").mkdir(exist_ok=True)
    with (folder / "logs" / "train.log").open("a") as log:
        log.write(f"update {update}\n")
    with contextlib.closing(Store(folder / "metrics.sqlite")) as store:
        store.describe(run_id=run_id)
        store.log([Row(update, 0, "", "eval/return", 1.0)], "{}")
    new = folder / "checkpoints" / "latest" / f"{update:010d}"
    (new / "state" / "d").mkdir(parents=True)
    for name in ("state/d/one", "state/two", "manifest.json"):
        (new / name).write_text(f"{update}")
    for old in sorted(new.parent.iterdir())[:-keep]:
        shutil.rmtree(old)


def content(folder: Path) -> tuple[list[int], dict[str, str]]:
    """The updates in the database of a run, and the text of all other files."""
    with reading(folder / "metrics.sqlite") as store:
        rows = [row.update for row in store.rows()]
    files = (path for path in folder.rglob("*") if path.is_file())
    texts = {
        x.relative_to(folder).as_posix(): x.read_text() for x in files if ".sqlite" not in x.name
    }
    return rows, texts


def test_a_copy_is_the_run(tmp_path, bucket):
    run = tmp_path / "first"
    copy = Copy(run, bucket)
    for update in (4, 8, 12):
        update_to(run, update)
        copy.send()
        assert has_copy(f"{bucket}/first")
        there = fetched(f"{bucket}/first", tmp_path / str(update))
        assert content(there) == content(run)
    assert not list(run.glob(".*"))


def test_what_has_not_changed_is_not_sent_again(tmp_path, bucket, monkeypatch):
    run = tmp_path / "first"
    update_to(run, 4)
    copy = Copy(run, bucket)
    copy.send()
    sent = []
    monkeypatch.setattr(Copy, "_send", lambda self, path, name: sent.append(name))
    copy.send()
    assert sent == ["metrics.sqlite"]


@pytest.mark.parametrize(
    "name",
    [
        "summary.json",
        "logs/more.log",
        "checkpoints/latest/0000000008",
        "checkpoints/latest/0000000008/state/d",
        "checkpoints/latest/0000000008/state/two",
        "checkpoints/latest/0000000008/manifest.json",
    ],
)
def test_files_elsewhere_that_a_run_has_links_to_are_not_sent(tmp_path, bucket, name):
    """A run that someone else made is resumed with `--trust`, which trusts its code."""
    run, secret = tmp_path / "first", tmp_path / "secret"
    update_to(run, 4)
    update_to(run, 8, keep=2)
    link = run / name
    if link.exists():
        link.rename(secret)
    else:
        secret.write_text("a key")
    link.symlink_to(secret)
    Copy(run, bucket).send()
    files = content(fetched(f"{bucket}/first", tmp_path / "there"))[1]
    assert not any(x.startswith(name) for x in files)
    assert {x.split("/")[2] for x in files if x.startswith("checkpoints")} == {"0000000004"} | (
        set() if name.startswith("checkpoints") else {"0000000008"}
    )


@pytest.mark.parametrize("fails_at", range(6))
def test_a_copy_that_was_cut_off_can_be_gone_on_from(tmp_path, bucket, monkeypatch, fails_at):
    """Its newest checkpoint is complete, and the database has the metrics up to it."""
    run = tmp_path / "first"
    copy = Copy(run, bucket)
    update_to(run, 4)
    copy.send()
    update_to(run, 8)
    send, calls = Copy._send, []

    def cut_off(self, path, name):
        calls.append(name)
        if len(calls) > fails_at:
            raise ConnectionError("the network is gone")
        send(self, path, name)

    with monkeypatch.context() as patch:
        patch.setattr(Copy, "_send", cut_off)
        whole = fails_at >= 5  # log, database and the three files of a checkpoint
        with contextlib.nullcontext() if whole else pytest.raises(ConnectionError):
            copy.send()
    rows, files = content(fetched(f"{bucket}/first", tmp_path / "there"))
    checkpoints = {name.split("/")[2] for name in files if name.startswith("checkpoints")}
    assert checkpoints == {"0000000008" if whole else "0000000004"}
    assert all(f"checkpoints/latest/{x}/state/d/one" in files for x in checkpoints)
    assert max(map(int, checkpoints)) <= max(rows)
    copy.send()
    assert content(fetched(f"{bucket}/first", tmp_path / "later")) == content(run)


@pytest.mark.parametrize(
    ("secret", "mode"), [("http://user:hunter2@host/", 0o700), ("http://host/", 0o755)]
)
def test_a_copy_and_a_fetched_run_with_a_secret_are_for_their_owner_alone(tmp_path, secret, mode):
    experiment = with_settings(Experiment(), {"sinks.mlflow.tracking_uri": secret})
    before = os.umask(0o022)
    try:
        folder = RunDir.create(tmp_path / "runs", "first", experiment)
        folder.unlock()
        run = folder.path
        update_to(run, 4)
        Copy(run, f"file://{tmp_path}/copies").send()
        there = fetched(f"file://{tmp_path}/copies/first", tmp_path / "there")
    finally:
        os.umask(before)
    for folder in (run, tmp_path / "copies" / "first", there):
        assert stat.S_IMODE(folder.stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o755


def test_two_runs_of_one_name_have_no_copy_in_common(tmp_path, bucket):
    """The second is refused, and its training goes on; the copy stays the first one's."""
    first, second = tmp_path / "one" / "first", tmp_path / "other" / "first"
    for run in (first, second):
        run.parent.mkdir()
        update_to(run, 4, run_id=run.parent.name)
    Copy(first, bucket).send()
    with pytest.raises(ConfigError, match="copy of another run .* 'one', not 'other'"):
        Copy(second, bucket).send()
    assert content(fetched(f"{bucket}/first", tmp_path / "there")) == content(first)
    Copy(tmp_path / "there" / "first", bucket).send()  # which is the first one


def test_a_run_whose_store_is_repaired_keeps_its_copy(tmp_path, bucket):
    settings = {"overrides": SMALL | {"sinks.remote.url": bucket}, "runs_dir": tmp_path / "runs"}
    run = elsinore.train("CartPole-v1", name="first", **settings)
    run.path.joinpath("metrics.sqlite").write_bytes(b"damaged")
    assert any("restored" in line for line in repair(RunDir(run.path)))
    Copy(run.path, bucket).send()


def test_what_never_came_to_a_copy_takes_no_name(tmp_path, bucket, monkeypatch):
    first, second = tmp_path / "one" / "first", tmp_path / "other" / "first"
    for run in (first, second):
        run.parent.mkdir()
        update_to(run, 4, run_id=run.parent.name)

    def cut_off(self, path, name):
        raise ConnectionError("the network is gone")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(Copy, "_send", cut_off)
        Copy(first, bucket).send()
    assert not has_copy(f"{bucket}/first")
    Copy(second, bucket).send()
    with pytest.raises(ConfigError, match="'other', not 'one'"):
        Copy(first, bucket).send()


def test_a_new_run_of_a_name_that_has_a_copy_is_refused_before_it_is_made(tmp_path, bucket):
    update_to(tmp_path / "first", 4)
    Copy(tmp_path / "first", bucket).send()
    settings = {"overrides": SMALL | {"sinks.remote.url": bucket}, "runs_dir": tmp_path / "runs"}
    with pytest.raises(ConfigError, match="/runs/first is the copy of another run; continue"):
        elsinore.train("CartPole-v1", name="first", **settings)
    assert not (tmp_path / "runs").exists()


SEND_WITH_ROOM = """
import resource, signal, sys
from pathlib import Path
from elsinore.runs.remote_copy import Copy
run, url, action = sys.argv[1:]
signal.signal(signal.SIGXFSZ, getattr(signal, action))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
Copy(Path(run), url).send()
"""


@pytest.mark.parametrize(
    ("action", "ends"), [("SIG_DFL", -signal.SIGXFSZ), ("SIG_IGN", 1)], ids=["killed", "no room"]
)
def test_a_copy_on_a_disk_survives_a_sending_that_is_cut_off(tmp_path, action, ends):
    """In the middle of a file, by a kill or for want of room."""
    run, url = tmp_path / "first", f"file://{tmp_path}/copies"
    update_to(run, 4)
    (run / "metrics.jsonl").write_text("old" * 100_000)
    Copy(run, url).send()
    update_to(run, 8)
    (run / "metrics.jsonl").write_text("new" * 200_000)
    script = [sys.executable, "-c", SEND_WITH_ROOM, run, url, action]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run(script, env=env, stderr=subprocess.DEVNULL).returncode == ends
    parts = list((tmp_path / "copies").rglob("*.unfinished"))
    assert len(parts) == (1 if action == "SIG_DFL" else 0)
    rows, files = content(fetched(f"{url}/first", tmp_path / "there"))
    assert rows == [4, 8] and files["metrics.jsonl"] == "old" * 100_000
    assert "checkpoints/latest/0000000004/manifest.json" in files
    assert not [name for name in files if name.endswith(".unfinished")]
    Copy(run, url).send()
    assert content(fetched(f"{url}/first", tmp_path / "later")) == content(run)
    assert not list((tmp_path / "copies").rglob("*.unfinished"))


def test_a_part_of_a_checkpoint_does_not_stay_beside_its_successor(tmp_path, bucket, monkeypatch):
    """A resumed run makes a checkpoint of that name again, with files of other names."""
    run, send = tmp_path / "first", Copy._send
    update_to(run, 4)

    def cut_off(self, path, name):
        if name.endswith("manifest.json"):
            raise ConnectionError("the network is gone")
        send(self, path, name)

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(Copy, "_send", cut_off)
        Copy(run, bucket).send()
    state = run / "checkpoints" / "latest" / "0000000004" / "state"
    (state / "two").rename(state / "other")
    Copy(run, bucket).send()
    assert content(fetched(f"{bucket}/first", tmp_path / "there")) == content(run)


def test_a_checkpoint_that_the_run_removes_meanwhile_is_sent_whole(tmp_path, bucket, monkeypatch):
    run = tmp_path / "first"
    update_to(run, 4)
    send = Copy._send_database

    def and_goes_on(self):
        send(self)
        update_to(run, 8)  # which removes the checkpoint of before

    monkeypatch.setattr(Copy, "_send_database", and_goes_on)
    Copy(run, bucket).send()
    rows, files = content(fetched(f"{bucket}/first", tmp_path / "there"))
    assert rows == [4]
    assert files["checkpoints/latest/0000000004/state/d/one"] == "4"


@pytest.mark.parametrize("linked", [False, True])
def test_a_copy_keeps_its_last_checkpoint_until_it_has_another(
    tmp_path, bucket, monkeypatch, linked
):
    """The run goes on after its checkpoints were listed, or while they are copied for want of
    links."""
    run = tmp_path / "first"
    update_to(run, 4)
    Copy(run, bucket).send()
    if linked:
        listed, moves = Copy._checkpoints_here, [8]

        def and_goes_on(self):
            found = listed(self)
            for update in moves:
                update_to(run, update)
            moves.clear()
            return found

        monkeypatch.setattr(Copy, "_checkpoints_here", and_goes_on)
    else:
        update_to(run, 8)
        moves = [12]

        def slow(source, target):
            for update in moves:
                update_to(run, update)
            moves.clear()
            shutil.copyfile(source, target)

        monkeypatch.setattr(remote_copy, "_link", slow)
    Copy(run, bucket).send()
    _, files = content(fetched(f"{bucket}/first", tmp_path / "there"))
    assert "checkpoints/latest/0000000004/manifest.json" in files
    Copy(run, bucket).send()
    assert content(fetched(f"{bucket}/first", tmp_path / "later")) == content(run)


def test_a_stray_file_beside_the_checkpoints_of_a_copy_is_fetched_with_them(tmp_path, bucket):
    update_to(tmp_path / "first", 4)
    Copy(tmp_path / "first", bucket).send()
    files, root = file_system(f"{bucket}/first")
    files.pipe_file(f"{root}/checkpoints/latest/notes.txt", b"mine")
    _, found = content(fetched(f"{bucket}/first", tmp_path / "there"))
    assert found["checkpoints/latest/notes.txt"] == "mine"


def test_a_disk_that_is_full_is_not_blamed_on_the_copy(tmp_path, bucket, monkeypatch):
    update_to(tmp_path / "first", 4)
    Copy(tmp_path / "first", bucket).send()

    def full(self, path, place, **options):
        raise OSError(errno.ENOSPC, "No space left on device", place)

    monkeypatch.setattr(type(file_system(bucket)[0]), "get_file", full)
    with pytest.raises(ConfigError, match=r"first is not fetched: .*the disk is full; free some"):
        fetched(f"{bucket}/first", tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_run_that_another_process_fetches_meanwhile_is_that_run(tmp_path, bucket, monkeypatch):
    update_to(tmp_path / "first", 4)
    Copy(tmp_path / "first", bucket).send()
    there, drop_parts = tmp_path / "there", remote._drop_parts

    def and_another(folder):
        monkeypatch.setattr(remote, "_drop_parts", drop_parts)
        fetched(f"{bucket}/first", there)
        drop_parts(folder)

    monkeypatch.setattr(remote, "_drop_parts", and_another)
    assert fetched(f"{bucket}/first", there) == there / "first"
    assert content(there / "first") == content(tmp_path / "first")
    assert [path.name for path in there.iterdir()] == ["first"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("bucket/runs", "is no URL"),
        ("nothing://bucket", "Protocol not known: nothing"),
        ("memory://nowhere/first", "is no copy of a run"),
    ],
)
def test_a_place_that_is_none_is_refused(tmp_path, url, said):
    with pytest.raises(ConfigError, match=said):
        fetched(url, tmp_path) if "nowhere" in url else file_system(url)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_leaves_the_folder_is_refused(tmp_path, bucket, monkeypatch):
    """Buckets allow it; a stranger's copy must not write beside the run."""
    update_to(tmp_path / "first", 4)
    Copy(tmp_path / "first", bucket).send()
    files, root = file_system(f"{bucket}/first")
    listed = [*files.find(root), f"{root}/logs/../../../evil.txt"]
    monkeypatch.setattr(type(files), "find", lambda self, path, **rest: listed)
    with pytest.raises(ConfigError, match="holds a file 'logs/../../../evil.txt'"):
        fetched(f"{bucket}/first", tmp_path / "there")
    assert not list(tmp_path.rglob("evil.txt")) and not (tmp_path / "there" / "first").exists()


def test_a_bad_place_is_refused_before_anything_is_compiled(tmp_path):
    settings = SMALL | {"sinks.remote.url": "nothing://bucket"}
    with pytest.raises(ConfigError, match="nothing://bucket cannot be read"):
        elsinore.train("CartPole-v1", overrides=settings, runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_gone_on_from_its_copy(tmp_path, bucket):
    settings = SMALL | {"sinks.remote.url": bucket}
    here = {"overrides": settings, "name": "first", "go_on": True}
    run = elsinore.train("CartPole-v1", runs_dir=tmp_path / "one", **here)
    again = elsinore.train("CartPole-v1", runs_dir=tmp_path / "other", **here)
    assert again.path == tmp_path / "other" / "first"
    assert again.summary == run.summary
    assert again.metrics.equals(run.metrics)
    named = elsinore.load(f"{bucket}/first", runs_dir=tmp_path / "third")
    assert named.summary == run.summary


def test_a_run_that_began_from_one_that_is_gone_is_resumed_from_its_copy(tmp_path, bucket):
    """On a new machine, where the source of the run never was."""
    elsinore.train("CartPole-v1", overrides=SMALL, name="base", runs_dir=tmp_path / "runs")
    settings = SMALL | {"sinks.remote.url": bucket, "start.run": "base"}
    here = {"overrides": settings, "name": "mine", "go_on": True, "runs_dir": tmp_path / "runs"}
    summary = elsinore.train("CartPole-v1", **here).summary
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(ConfigError, match="base is not a run"):  # so for --plan
        resolve_experiment(
            "CartPole-v1", overrides=settings, runs_dir=tmp_path / "runs", goes_on="mine"
        )
    assert not (tmp_path / "runs").exists()
    assert elsinore.train("CartPole-v1", **here).summary == summary


def test_the_copy_of_a_run_that_goes_on_is_never_finished(tmp_path, bucket, monkeypatch):
    """Wherever its first sending with the new budget is cut off; nor has it the new budget before
    the metrics that say so."""
    settings = SMALL | {"sinks.remote.url": bucket}
    run = elsinore.train("CartPole-v1", overrides=settings, name="first", runs_dir=tmp_path / "one")
    folder, send = RunDir(run.path), Copy._send
    assert is_finished(RunDir(fetched(f"{bucket}/first", tmp_path / "finished")))
    before = folder.experiment()
    after = lengthened(folder, before, {"env_steps": 4096})
    record_lengthening(folder, before, after, None)
    whole, sendings = False, 0
    while not whole:
        left = iter(range(sendings))

        def cut_off(self, path, name, left=left):
            if next(left, None) is None:
                raise ConnectionError("the network is gone")
            send(self, path, name)

        with monkeypatch.context() as patch, contextlib.suppress(ConnectionError):
            patch.setattr(Copy, "_send", cut_off)
            Copy(run.path, bucket).send()
            whole = True
        there = RunDir(fetched(f"{bucket}/first", tmp_path / str(sendings)))
        assert not is_finished(there)
        with contextlib.closing(Store(there.database, read_only=True)) as store:
            kinds = [kind for (kind,) in store._db.execute("SELECT kind FROM events")]
        assert there.experiment() == before or "lengthened" in kinds
        sendings += 1
    assert there.experiment() == after
    again = elsinore.resume(f"{bucket}/first", runs_dir=tmp_path / "other")
    assert again.summary["env_steps"] == 4096
    named = elsinore.load(f"{bucket}/first", runs_dir=tmp_path / "third")
    assert named.summary == again.summary


@pytest.mark.slow
def test_a_lost_machine_loses_what_came_after_the_copy(tmp_path):
    """Killed, its disk gone: the same command elsewhere ends with the same parameters."""
    whole = elsinore.train(
        "CartPole-v1", overrides=SMALL | {"env_steps": 65_536}, runs_dir=tmp_path / "whole"
    )
    copies = tmp_path / "copies"
    chosen = SMALL | {"env_steps": 65_536, "sinks.remote.seconds": 0}
    chosen |= {"sinks.remote.url": f"file://{copies}", "algo.network.hidden": "[8]"}
    command = [sys.executable, "-m", "elsinore.cli", "train", "CartPole-v1", "--name", "first"]
    command += ["--go-on", *(word for k, x in chosen.items() for word in ("--set", f"{k}={x}"))]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    first = subprocess.Popen([*command, "--runs-dir", str(tmp_path / "first")], env=env)
    until = time.monotonic() + 240.0
    while not list(copies.glob("first/checkpoints/latest/*/manifest.json")):
        assert time.monotonic() < until and first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    shutil.rmtree(tmp_path / "first")
    subprocess.run([*command, "--runs-dir", str(tmp_path / "second")], env=env, check=True)
    summary = json.loads((tmp_path / "second" / "first" / "summary.json").read_text())
    assert summary["params_sha256"] == whole.summary["params_sha256"]
    rows = elsinore.load(tmp_path / "second" / "first").metrics
    assert rows.equals(whole.metrics)
    log = (tmp_path / "second" / "first" / "logs" / "train.log").read_text()
    assert "compiling, to resume from latest/" in log


@pytest.mark.slow
def test_a_copy_in_a_bucket(tmp_path, monkeypatch):
    """Of S3's protocol, spoken by a server on this machine."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    s3 = server.ThreadedMotoServer(port=0)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        fsspec.filesystem("s3").mkdir("bucket")
        run, url = tmp_path / "first", "s3://bucket/runs"
        copy = Copy(run, url)
        for update in (4, 8):
            update_to(run, update)
            copy.send()
            there = fetched(f"{url}/first", tmp_path / str(update))
            assert content(there) == content(run)
        with pytest.raises(ConfigError, match="is no copy of a run"):
            fetched(f"{url}/second", tmp_path)
        with pytest.raises(ConfigError, match="cannot be read|is no copy"):
            fetched("s3://nowhere/first", tmp_path / "nowhere")
    finally:
        s3.stop()
