"""A run's directory: its files and its lock."""

import itertools
import json
import os
import re
import shutil
import uuid
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from elsinore.config.experiment import Experiment
from elsinore.config.load import whole_experiment
from elsinore.config.parse import as_dict
from elsinore.config.yaml_files import read_yaml, yaml_text
from elsinore.errors import ConfigError, quoted, shown
from elsinore.runs.files.durable import fsync_parents, fsync_tree, replacing
from elsinore.runs.files.natural import natural
from elsinore.runs.remote import fetched, is_remote, refuse_if_copied
from elsinore.runs.run_lock import RunLock
from elsinore.runs.shipped import is_shipped, refuse_shipped, shipped_folder
from elsinore.runs.trust.named_code import marked
from elsinore.runs.trust.redaction import folder_mode
from elsinore.runs.trust.signature import is_own, sign
from elsinore.runs.trust.trust import Trust, confirmed

COMPARISON = ".comparison"  # an empty file that marks the folder of a comparison


class NameTaken(ConfigError):
    """A name for a new run that a folder has already."""


class RunDir(RunLock):
    """The paths of one run, and the lock that the training process holds."""

    def __init__(self, path: Path):
        path = path.absolute()  # the current folder may change while the run is used
        super().__init__(path)
        self.config = path / "config.yaml"
        self.database = path / "metrics.sqlite"
        self.jsonl = path / "metrics.jsonl"
        self.summary = path / "summary.json"
        self.curves = path / "training_curves.png"
        self.log = path / "logs" / "train.log"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.policy = path / "policy"
        self.replays = path / "replays"
        self.tags = path / "tags.json"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def runs_dir(self) -> Path:
        """The folder that the run is in, or that the comparison is in to which it belongs."""
        path = self.path.resolve()
        comparison = path.parent.parent
        return comparison.parent if (comparison / COMPARISON).is_file() else path.parent

    @property
    def name_in_runs_dir(self) -> str:
        """The name, of a run of a comparison with those of comparison and environment before it."""
        return self.path.resolve().relative_to(self.runs_dir).as_posix()

    @classmethod
    def create(cls, runs_dir: Path, name: str | None, experiment: Experiment) -> "RunDir":
        """Create a locked directory with the run's config.

        Raises:
            NameTaken: a ConfigError, for a name that is taken.
            ConfigError: for a name that a copy in `sinks.remote.url` has, or that is not allowed,
                or if the directory cannot be written.
        """
        if name is not None:
            check_folder_name(name)
        while True:  # another process may take the name between the look and the rename
            folder = cls(runs_dir / (free_name(runs_dir, experiment) if name is None else name))
            if name is not None and os.path.lexists(folder.path):
                resume = (
                    f", or resume it with `elsinore train --resume {quoted(folder.path)}`"
                    if folder.config.exists()
                    else ", for it is no run"
                )
                raise NameTaken(f"name={name!r} is taken in {runs_dir}; choose another{resume}.")
            refuse_if_copied(experiment.sinks.remote.url, folder.name)
            if folder._begin(experiment):
                folder.lock()
                return folder

    def _begin(self, experiment: Experiment) -> bool:
        """Make the directory with its config; False if there is one of its name by now.

        A kill at any moment leaves no directory of that name without its config; Ctrl-C leaves
        nothing.
        """
        runs_dir, name = self.path.parent, self.path.name
        unfinished = RunDir(runs_dir / f".{name}.{uuid.uuid4().hex[:12]}")
        new = not os.path.lexists(runs_dir)
        try:
            config = as_dict(experiment)
            # a resumed run needs the secrets in its config
            unfinished.path.mkdir(parents=True, mode=folder_mode(config))
            unfinished.log.parent.mkdir()
            unfinished.config.write_text(yaml_text(config), encoding="utf-8")
            sign(unfinished.config)
            if experiment.tags:  # which the page may change
                unfinished.tags.write_text(json.dumps(list(experiment.tags)), encoding="utf-8")
            fsync_tree(unfinished.path)
            unfinished.path.rename(self.path)
            fsync_parents(self.path, 2)
        except OSError as error:
            if os.path.lexists(self.path):
                return False
            raise ConfigError(
                f"runs folder {shown(runs_dir)} cannot be written:"
                f" {os.strerror(error.errno or 0)}; choose another with --runs-dir (in Python,"
                " runs_dir)."
            ) from error
        finally:  # nothing is there once it is renamed
            shutil.rmtree(unfinished.path, ignore_errors=True)
            with suppress(OSError):  # only if it is empty
                if new:
                    runs_dir.rmdir()
        return True

    def rewrite(self, experiment: Experiment) -> None:
        """Replace the run's config; it is this user's if it was before."""
        own = is_own(self.config)
        with replacing(self.config, synced=True) as unfinished:
            unfinished.write_text(yaml_text(as_dict(experiment)), encoding="utf-8")
            if own:
                sign(self.config, following=unfinished)
        if own:
            sign(self.config)

    @classmethod
    def open(cls, run: str | Path, runs_dir: Path = Path("runs")) -> "RunDir":
        """Open an existing run, by path or by name, or a policy that comes with the package
        (`preset:CartPole-v1/ppo`); a copy, by its URL, is fetched into `runs_dir` first.

        Raises:
            ConfigError: if there is no such run.
        """
        if is_shipped(run):
            return cls(shipped_folder(str(run)))
        if is_remote(run):
            return cls(fetched(str(run), runs_dir))
        places = (Path(run), runs_dir / run)
        for path in places:
            if (path / "config.yaml").is_file():
                return cls(path)
        kinds = (_kind_of(path) for path in places if path.is_dir() or path.is_symlink())
        found = next(kinds, "no folder")
        raise ConfigError(
            f"{run} is not a run ({found}); {listing_of(runs_dir)} lists those in {runs_dir}."
        )

    def recorded(self) -> Experiment:
        """The settings as data, to look at: nothing that they name is imported."""
        return whole_experiment(marked(read_yaml(self.config)))

    def experiment(
        self, trust: Trust = False, given: Collection[str] = (), sends: bool = False
    ) -> Experiment:
        """The settings, to be run; `given` are those whose objects the caller has. With `sends` the
        run's sinks will be written.

        Raises:
            ConfigError: if they name code, or a place where the sinks send data, and are neither
                this user's nor trusted.
        """
        return whole_experiment(confirmed(read_yaml(self.config), self.config, trust, given, sends))

    def refuse_without_metrics(self, use: str) -> None:
        """Refuse to use a run that has no metrics.sqlite, such as to have it "plotted".

        Raises:
            ConfigError: for a run that has trained no chunk yet, has lost its metrics, or came with
                the package.
        """
        if self.database.exists():
            return
        refuse_shipped(self.path, use)
        if any(self.checkpoints.glob("*/*")):
            raise ConfigError(
                f"{shown(self.path)} has lost its metrics.sqlite; restore it with `elsinore repair"
                f" {quoted(self.path)}`."
            )
        self.refuse_before_its_first_chunk()

    def refuse_before_its_first_chunk(self, lacks: str = "metrics") -> NoReturn:
        """Refuse to use a run that has trained no chunk, and so lacks something.

        Raises:
            ConfigError: with the remedy for one that trains, or for one that does not.
        """
        resume = f"it does not train; resume it with `elsinore train --resume {quoted(self.path)}`"
        remedy = "wait for its first chunk" if self.is_locked() else resume
        raise ConfigError(f"{shown(self.path)} has no {lacks} yet; {remedy}.")


def listing_of(runs_dir: Path) -> str:
    """The command that lists the runs of a folder, as a message prints it."""
    default = runs_dir == Path("runs")
    return "`elsinore runs`" if default else f"`elsinore runs --runs-dir {quoted(runs_dir)}`"


def runs_inside(comparison: Path) -> list[Path]:
    """The folders of a comparison's runs."""
    found = sorted(comparison.glob("[!.]*/[!.]*/config.yaml"), key=natural)
    return [config.parent for config in found]


def _kind_of(path: Path) -> str:
    """The description of a folder that is no run, with the place of runs in it, or of a link."""
    if not path.is_dir():
        return f"a link to {path.readlink()}, where no folder is"
    if (path / "sweep.yaml").is_file():
        resume = f"elsinore sweep --resume {quoted(path)}"
        return f"a sweep, with its runs in {path}/groups{_best_in(path)}; resume it with `{resume}`"
    inside = runs_inside(path)
    return f"a folder of runs, such as {inside[0]}" if inside else "a folder without config.yaml"


def _best_in(sweep: Path) -> str:
    """The command that plays a sweep's best trial, once it has one: it names the run and seed."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        best = json.loads((sweep / "summary.json").read_text(encoding="utf-8"))["best"]
        group, seed = str(best["group"]), int(best["best_seed"])
        play = f"elsinore play {quoted(sweep / 'groups' / group)} --seed {seed} --checkpoint latest"
        return f", the best trial's policy by `{play}`"
    return ""


RESERVED_NAMES = ("mlflow.db", "mlruns", "mlartifacts")  # MLflow's own files beside the runs


FOLDER_NAMES = (
    "letters, digits, spaces, '-', '_', '.' and '+', at most 100, the first a letter, digit or '_',"
    " the last no space or '.'"
)


def check_folder_name(name: str) -> str:
    """The name, if a run, sweep or comparison can have it.

    Raises:
        ConfigError: for one that is no folder's name, hidden, reserved or too long.
    """
    if not is_folder_name(name):
        raise ConfigError(f"name={name!r} is not a folder name; use {FOLDER_NAMES}.")
    if name.lower() in RESERVED_NAMES:
        raise ConfigError(f"name={name!r} is the name of MLflow's own file; choose another.")
    return name


def is_folder_name(text: str) -> bool:
    """True for at most 100 letters, digits and "-_.+ ", neither hidden nor like an option."""
    short = len(text) <= 100 and len(text.encode(errors="replace")) <= 200
    return short and bool(re.fullmatch(r"\w([\w .+-]*[\w+-])?", text))


def as_file_name(text: str) -> str:
    """`text` with characters that a file name should not have replaced by "-"."""
    return re.sub(r"[^\w.-]+", "-", text)


def free_name(runs_dir: Path, experiment: Experiment) -> str:
    """A new run's name, from environment, algorithms and time, that is not taken in `runs_dir`."""
    made_from = as_file_name(f"{experiment.env}-{experiment.algorithms}")[:80]
    return free_name_from(made_from, runs_dir)


def free_name_from(prefix: str, runs_dir: Path) -> str:
    """A name of this prefix and the time that is not taken in `runs_dir`."""
    stem = f"{prefix}-{datetime.now():%Y%m%d-%H%M%S}"
    taken = (stem if i == 1 else f"{stem}-{i}" for i in itertools.count(1))
    return next(name for name in taken if not os.path.lexists(runs_dir / name))
