"""A run on disk: config, summary, metrics, checkpoints, policies."""

import contextlib
import html
import json
import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elsinore.arguments import checked
from elsinore.config.experiment import Experiment
from elsinore.config.load import with_settings
from elsinore.config.plan import Plan, plan_for
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, printable, shown, span
from elsinore.runs.budgets import ending
from elsinore.runs.checkpoints.choice import named_checkpoint
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.checkpoints.manifest import MODULE
from elsinore.runs.checkpoints.match import check_match, other_versions
from elsinore.runs.checkpoints.restored import best_replica, policy_of, restore_state
from elsinore.runs.checkpoints.table import checkpoint_rows
from elsinore.runs.curves.run_curves import run_figure
from elsinore.runs.curves.svg import curve_svg
from elsinore.runs.export.export import default_folder, refuse_export, write_export
from elsinore.runs.files.whole_file import write_figure
from elsinore.runs.final_evaluation import final_evaluation_of
from elsinore.runs.members import best_index, members_in
from elsinore.runs.policy import Policy
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import reading
from elsinore.runs.summary import read_summary
from elsinore.runs.trust.signature import is_own
from elsinore.runs.trust.trust import Trust
from elsinore.training.evaluation import Episodes, refuse_to_explore
from elsinore.types import RunState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("elsinore")


def folder_of(run: "str | Path | Run", runs_dir: str | Path) -> RunDir:
    """The folder of a run that is given as itself, as its folder or by its name.

    Raises:
        ConfigError: if there is no such run.
    """
    return RunDir.open(run.path if isinstance(run, Run) else run, Path(runs_dir))


class Run:
    """A run on disk: config, summary, metrics, checkpoints, policies."""

    def __init__(
        self,
        folder: RunDir,
        plan: Plan | None = None,
        env: Any = None,
        network: Any = None,
        curriculum: Any = None,
        trust: Trust = False,
    ):
        self.path = folder.path
        self._folder, self._plan, self._trust = folder, plan, trust
        self._env, self._network, self._curriculum = env, network, curriculum

    def __getstate__(self) -> dict[str, Any]:
        """The attributes that a copy has: all but the plan, whose functions cannot be pickled. It
        is made again where it is used."""
        return {k: v for k, v in vars(self).items() if k != "plan"} | {"_plan": None}

    def __repr__(self) -> str:
        if not self._folder.config.exists():
            return printable(f"Run({shown(self.path)!r}, no folder)")
        how = ending(self.summary.get("stopped_by", "unfinished"))
        recorded = self._folder.recorded()
        text = f"Run({shown(self.path)!r}, {recorded.algorithms} on {recorded.env}, {how})"
        return printable(text)

    def _repr_html_(self) -> str:
        """The run in a notebook: its repr, and the evaluation returns of every seed."""
        curve = curve_svg(self._folder.database) if self._folder.database.exists() else ""
        return f"<code>{html.escape(repr(self))}</code><br>{curve}"

    @property
    def name(self) -> str:
        return self._folder.name

    @cached_property
    def experiment(self) -> Experiment:
        """The settings; of a run that is neither this user's nor trusted, or whose code cannot be
        imported, as data alone, in which a custom algorithm's are a mapping."""
        if self._trust is True or is_own(self._folder.config):
            with contextlib.suppress(ConfigError):  # raised again where the settings are run
                return self._folder.experiment(trust=True)
        return self._folder.recorded()

    @cached_property
    def _allowed_experiment(self) -> Experiment:
        """The settings, to be run.

        Raises:
            ConfigError: if they name code that is neither this user's nor trusted.
        """
        objects = {"env": self._env, "algo.network.custom": self._network}
        given = [name for name, thing in objects.items() if thing is not None]
        return self._folder.experiment(self._trust, given)

    @property
    def summary(self) -> dict[str, Any]:
        """The contents of summary.json; empty until the run is finished."""
        return read_summary(self._folder.summary)

    @property
    def metrics(self):
        """All metrics as a pandas table: update, env_steps, seed, agent, name, value; of a
        population also `member`, the place in the summary's `members`, and a column for each varied
        setting. Its members share their seeds, and `seed` is another number for each of them.

        Raises:
            BrokenStore: a ConfigError, if metrics.sqlite cannot be used.
            ConfigError: for a population whose config.yaml cannot be read.
        """
        import pandas as pd

        rows, info = [], {}
        if self._folder.database.exists():
            with reading(self._folder.database) as store:
                rows, info = store.rows(), store.info()
        table = pd.DataFrame(rows, columns=["update", "seed", "agent", "name", "value"])
        table.insert(1, "env_steps", table["update"] * info.get("steps_per_update", 0))
        if members_in(info):  # without them the table needs no config
            experiment = self.experiment
            table["member"] = (table["seed"] - experiment.seed) // experiment.seeds
            for name, values in experiment.vary.items():
                table[name] = table["member"].map(dict(enumerate(values)))
        return table

    @cached_property
    def plan(self) -> Plan:
        """The run, ready to be compiled.

        Raises:
            ConfigError: if it names code that is neither this user's nor trusted.
        """
        return self._plan or self._planned(self._allowed_experiment)

    def _planned(self, experiment: Experiment) -> Plan:
        return plan_for(experiment, self._env, self._network, self._curriculum)

    @checked
    def plan_with(self, settings: Mapping[str, Any]) -> Plan:
        """The run with other values of these settings, by dotted name, ready to be compiled.

        Raises:
            ConfigError: as `plan`, or for a value that cannot be run.
        """
        return self._planned(with_settings(self._allowed_experiment, settings))

    @checked
    def checkpoint(self, which: str | None = None) -> Checkpoint:
        """A checkpoint by kind (the newest of `latest` or `periodic`, the best of `best`) or by
        name (`best/0000000390`); by default the best one, or the latest where none was kept as
        best or a curriculum's stages were evaluated, whose scores cannot be compared.

        Raises:
            ConfigError: for a checkpoint that does not exist.
        """
        return named_checkpoint(self._folder, self.experiment, which)

    def checkpoints(self) -> list[dict[str, Any]]:
        """All checkpoints, newest first: `name`, `kind`, `update`, `env_steps` of each seed, the
        `metric` that ranks them with its `value`, `bytes`, `time` of writing (seconds since the
        epoch) and `best`, true for the one that `checkpoint` chooses as such. What is not known is
        None."""
        return checkpoint_rows(self._folder, self.experiment)

    @checked
    def state(self, which: str | None = "latest", *, buffers: bool = True) -> RunState:
        """The state of all seeds in a checkpoint, [seed, ...] in host memory; with () for replay
        buffers in a best checkpoint without them, or without `buffers`, which are not read then.

        Raises:
            ConfigError: for a checkpoint that does not exist, or was made with another config.
        """
        found, plan = self.checkpoint(which), self.plan
        written = json.loads(json.dumps(read_yaml(self._folder.config), default=str))
        # equal texts are of one config, also where this elsinore has settings that they lack
        if found.manifest.get("config", written) != written:
            check_match(found, self._allowed_experiment, accept_versions=True)
        for text in other_versions(found, plan.experiment):
            if text.startswith(MODULE):
                log.warning(
                    "%s has other code than %s was trained with (then, now)", text, found.name
                )
        return restore_state(found, plan, buffers)

    @checked
    def policy(
        self, seed: int | None = None, checkpoint: str | None = None, agent: str | None = None
    ) -> Policy:
        """One seed's policy, callable on numpy arrays; its `checkpoint` names where it is from.

        Args:
            seed: by default the seed with the best evaluation at that checkpoint.
            checkpoint: as for `checkpoint`, by default the best one.
            agent: for independent agents, a name such as `"agent_3"`; by default the best agent.

        Raises:
            ConfigError: for a seed or an agent that this run does not have; as `state` and `plan`.
        """
        seeds = self.experiment.replica_seeds
        if seed not in (None, *seeds):
            raise ConfigError(f"seed={seed} is not of this run; it has {span(seeds)}.")
        best, state, name = best_replica_at(self, checkpoint)
        seed = seeds[best] if seed is None else seed
        own = self.summary.get("eval_return", {}).get("per_agent")
        best = best_index(own[seed - seeds.start], self.experiment.population.mode) if own else 0
        policy = policy_of(self.plan, state, seed, self._agent(agent, best))
        policy.checkpoint = name
        return policy

    @checked
    def plot(self, path: str | Path | None = None) -> "Figure":
        """The training curves as a matplotlib figure, written to `path` where one is given: its
        ending names the format, by default .png.

        Raises:
            ConfigError: for a run without metrics, or a path that cannot be written.
        """
        self._folder.refuse_without_metrics("plotted")
        figure = run_figure(self._folder, self.experiment)
        if path is not None:
            write_figure(figure, Path(path))
        return figure

    @checked
    def play(
        self,
        path: str | Path | None = None,
        *,
        seed: int | None = None,
        policy: str | None = None,
        episodes: int = 1,
        sample: bool = False,
        agent: str | None = None,
    ) -> Path | None:
        """Show episodes in the terminal, or write a film (.gif, .mp4) to `path`.

        Args:
            seed, policy, episodes, sample, agent: as for `elsinore.play`.

        Raises:
            ConfigError: for an option that does not apply, or a path that cannot be a film.
        """
        from elsinore import play

        options: dict[str, Any] = {"seed": seed, "policy": policy, "episodes": episodes}
        return play(self, path, **options, sample=sample, agent=agent)

    @checked
    def log(self, name: str, value: float, *, seed: int | None = None) -> None:
        """Record a number as a metric of the newest chunk, in metrics.sqlite; a resumed run that
        computes that chunk again repeats it. `elsinore sync` brings it to the other sinks of a run
        that has ended, but for W&B.

        Args:
            seed: of the run; by default all.

        Raises:
            ConfigError: for a run without a chunk, a name that training uses itself, or a seed
                that this run does not have.
        """
        from elsinore.runs.actions import log_into

        log_into(self._folder.database, name, value, seed)

    @checked
    def export(
        self,
        form: str = "jax",
        out: str | Path | None = None,
        *,
        checkpoint: str | None = None,
        seed: int | None = None,
        agent: str | None = None,
    ) -> Path:
        """Write one seed's greedy policy, and return its folder (`elsinore.runs.export.export`).

        Args:
            form: `jax`, `onnx` or `mlflow`.
            out: a new or empty folder, which is not the current one; by default `export/<form>` in
                the run's, followed by `-seed<N>` and `-<agent>` where these are given, or for a
                policy that comes with the package `<env>-<algo>-<form>` in the current one.
            checkpoint, seed, agent: as for `policy`.

        Raises:
            ConfigError: for an unknown form, a folder that is not empty or is the current one, or a
                checkpoint that does not exist or does not match the run's config.
        """
        of = (form, *([] if seed is None else [f"seed{seed}"]), *([agent] if agent else []))
        folder = Path(out or default_folder(self.path, self.experiment, "-".join(of)))
        refuse_export(form, folder)
        found = self.checkpoint(checkpoint)
        policy = self.policy(seed, found.name, agent)
        facts = {"env": self.experiment.env, "run": self.name, "checkpoint": found.name}
        write_export(policy, form, folder, facts)
        return folder

    def _agent(self, name: str | None, default: int) -> int:
        names = self.experiment.agents.names
        if name is not None and name not in names:
            there = " to ".join(dict.fromkeys((names[0], names[-1])))
            there = ", ".join(names) if self.experiment.agents.each else there
            raise ConfigError(f"agent={name!r} is not of this run; it has {there}.")
        return default if name is None else names.index(name)

    @checked
    def evaluate(
        self, episodes: int = 128, checkpoint: str | None = None, sample: bool = False
    ) -> np.ndarray:
        """Returns of new episodes, [seed, episode], or of several agents [seed, episode x agent]
        (`.reshape(seeds, -1, agents)`), with the policies of a checkpoint: by default
        `Run.checkpoint()`, the best one.

        Raises:
            ConfigError: for fewer than one episode, or with `sample` where members of a population
                differ in the exploration; as `state` and `plan`.
        """
        return self.episodes(episodes, checkpoint, sample).returns

    @checked
    def episodes(
        self, episodes: int = 128, checkpoint: str | None = None, sample: bool = False
    ) -> Episodes:
        """New episodes as `evaluate` has them: their `returns`, `lengths`, `ended` (False: cut by
        the evaluation's `max_steps`) and `facts` (the environment's own statistics by name), all of
        one shape.

        Raises:
            ConfigError: as `evaluate`.
        """
        if episodes < 1:
            raise ConfigError(f"episodes={episodes} must be at least 1.")
        if sample:
            refuse_to_explore("--sample (in Python, sample=True)", self.experiment.varied)
        overrides = {"evaluation.final_episodes": episodes, "evaluation.greedy": not sample}
        plan = self.plan_with(overrides)
        return final_evaluation_of(plan, plan.layout)(self.state(checkpoint, buffers=False))


def best_replica_at(run: Run, which: str | None) -> tuple[int, RunState, str]:
    """The index of the best replica at a checkpoint, the state there, and the checkpoint's name."""
    found = run.checkpoint(which)
    state, mode = run.state(found.name, buffers=False), run.experiment.population.mode
    return best_replica(found, state.convergence.history, run.summary, mode), state, found.name
