"""A run on disk: config, summary, metrics, checkpoints, policies."""

import html
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.arguments import checked
from elsinore.config.experiment import Experiment
from elsinore.config.load import read_yaml, with_settings
from elsinore.config.parse import ConfigError
from elsinore.config.plan import Plan, plan_for
from elsinore.runs import checkpoints
from elsinore.runs.curves import curve_svg, training_figure
from elsinore.runs.policy import Policy
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import Store
from elsinore.runs.summary import read_summary
from elsinore.runs.trust import Trust, is_own
from elsinore.training.evaluation import Episodes
from elsinore.training.replicas import (
    Layout,
    layout_for,
    over_seeds,
    place,
    stacked_shapes,
    wrap_keys,
)
from elsinore.types import PolicyState, RunState, agent_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Run:
    """A run on disk: config, summary, metrics, checkpoints, policies."""

    def __init__(
        self,
        folder: RunDir,
        plan: Plan | None = None,
        env: Any = None,
        network: Any = None,
        trust: Trust = False,
    ):
        self.path = folder.path
        self._folder, self._plan, self._env, self._network = folder, plan, env, network
        self._trust = trust

    def __repr__(self) -> str:
        how = self.summary.get("stopped_by", "unfinished")
        recorded = self._folder.recorded()
        return f"Run({str(self.path)!r}, {recorded.algo.name} on {recorded.env}, {how})"

    def _repr_html_(self) -> str:
        """The run in a notebook: its repr, and the evaluation returns of every seed."""
        curve = curve_svg(self._folder.database) if self._folder.database.exists() else ""
        return f"<code>{html.escape(repr(self))}</code><br>{curve}"

    @property
    def name(self) -> str:
        return self._folder.name

    @cached_property
    def experiment(self) -> Experiment:
        """The settings; of a run that is neither this user's nor trusted as data alone, in which
        a custom algorithm's are a mapping."""
        if self._trust is True or is_own(self._folder.config):
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
        """All metrics as a pandas table: update, env_steps, seed, agent, name, value."""
        import pandas as pd

        rows, info = [], {}
        if self._folder.database.exists():
            store = Store(self._folder.database, read_only=True)
            rows, info = store.rows(), store.info()
            store.close()
        table = pd.DataFrame(rows, columns=["update", "seed", "agent", "name", "value"])
        table.insert(1, "env_steps", table["update"] * int(info.get("steps_per_update", 0)))
        return table

    @cached_property
    def plan(self) -> Plan:
        """The run, ready to be compiled.

        Raises:
            ConfigError: if it names code that is neither this user's nor trusted.
        """
        return self._plan or plan_for(self._allowed_experiment, self._env, self._network)

    @checked
    def checkpoint(self, which: str = "latest") -> checkpoints.Checkpoint:
        """A checkpoint by kind (the newest of `latest` or `periodic`, the best of `best`) or by
        name (`best/0000000390`).

        Raises:
            ConfigError: for a checkpoint that does not exist.
        """
        kinds = (
            ("latest", "emergency")
            if which == "latest"
            else (which,)
            if which in checkpoints.CHECKPOINT_KINDS
            else None
        )
        found = checkpoints.list_checkpoints(self._folder.checkpoints)
        chosen = [
            c for c in found if (c.kind in kinds if kinds else which in (c.name, c.path.name))
        ]
        if not chosen:
            names = ", ".join(c.name for c in found) or "none"
            raise ConfigError(f"--checkpoint {which!r} is not in {self.path}; it has: {names}.")
        if which == "best":
            sign = 1.0 if self.experiment.checkpoints.mode == "max" else -1.0
            return max(
                chosen,
                key=lambda c: sign * (c.manifest.get("metric") or {}).get("value", -np.inf * sign),
            )
        return chosen[0]

    @checked
    def state(self, which: str = "latest") -> RunState:
        """The state of all seeds in a checkpoint, [seed, ...] in host memory.

        Raises:
            ConfigError: for a checkpoint that does not exist, or was made with another config.
        """
        found, plan = self.checkpoint(which), self.plan
        written = json.loads(json.dumps(read_yaml(self._folder.config), default=str))
        # equal texts are of one config, also where this elsinore has settings that they lack
        if found.manifest.get("config", written) != written:
            checkpoints.check_match(found, self._allowed_experiment, accept_versions=True)
        return restore_state(found, plan)

    @checked
    def policy(
        self, seed: int | None = None, checkpoint: str = "latest", agent: str | None = None
    ) -> Policy:
        """One seed's policy, callable on numpy arrays.

        Args:
            seed: by default the seed with the best final evaluation.
            agent: for independent agents, a name such as `"agent_3"`; by default the best agent.

        Raises:
            ConfigError: for a seed or an agent that this run does not have; as `state` and `plan`.
        """
        seeds = range(self.experiment.seed, self.experiment.seed + self.experiment.replicas)
        if seed is None:
            returns = self.summary.get("eval_return", {}).get("per_seed") or [0.0]
            seed = seeds[int(np.argmax([-np.inf if r is None else r for r in returns]))]
        if seed not in seeds:
            raise ConfigError(
                f"seed={seed} is not of this run; it has {seeds.start} to {seeds.stop - 1}."
            )
        own = self.summary.get("eval_return", {}).get("per_agent")
        best = (
            np.argmax([-np.inf if r is None else r for r in own[seed - seeds.start]]) if own else 0
        )
        return policy_of(self.plan, self.state(checkpoint), seed, self._agent(agent, int(best)))

    @checked
    def plot(self, path: str | Path | None = None) -> "Figure":
        """The training curves as a matplotlib figure, written to `path` where one is given.

        Raises:
            ConfigError: for a run without metrics.
        """
        if not self._folder.database.exists():
            raise ConfigError(f"{self.path} has no metrics yet; nothing can be plotted.")
        experiment = self.experiment
        each, goal = "replica" if experiment.vary else "seed", experiment.convergence.target
        title = f"{experiment.algo.name} on {experiment.env}"
        figure = training_figure(self._folder.database, title, goal, each)
        if path is not None:
            figure.savefig(path)
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
    ) -> Path | None:
        """Show episodes in the terminal, or write a film (.gif, .mp4) to `path`.

        Args:
            seed, policy, episodes, sample: as for `elsinore.play`.

        Raises:
            ConfigError: for an option that does not apply, or a path that cannot be a film.
        """
        from elsinore import play

        return play(
            str(self.path), path, seed=seed, policy=policy, episodes=episodes, sample=sample
        )

    @checked
    def export(
        self,
        form: str = "jax",
        out: str | Path | None = None,
        *,
        checkpoint: str = "latest",
        seed: int | None = None,
        agent: str | None = None,
    ) -> Path:
        """Write one seed's greedy policy, and return its folder (`elsinore.runs.export`).

        Args:
            form: `jax` or `mlflow`.
            out: a new or empty folder; by default `export/<form>` in the run's.
            checkpoint, seed, agent: as for `policy`.

        Raises:
            ConfigError: for an unknown form, or a folder that is not empty.
        """
        from elsinore.runs.export import export

        folder = None if out is None else Path(out)
        return export(self, form, folder, checkpoint=checkpoint, seed=seed, agent=agent)

    def _agent(self, name: str | None, default: int) -> int:
        names = agent_names(self.experiment.agents.number)
        if name is not None and name not in names:
            raise ConfigError(
                f"agent={name!r} is not of this run; it has {names[0]} to {names[-1]}."
            )
        return default if name is None else names.index(name)

    @checked
    def evaluate(
        self, episodes: int = 128, checkpoint: str = "latest", sample: bool = False
    ) -> np.ndarray:
        """Returns of new episodes, [seed, episode], with the policies of a checkpoint.

        Raises:
            ConfigError: for fewer than one episode; as `state` and `plan`.
        """
        if episodes < 1:
            raise ConfigError(f"--episodes {episodes} must be at least 1.")
        overrides = {"evaluation.final_episodes": episodes, "evaluation.greedy": not sample}
        plan = plan_for(
            with_settings(self._allowed_experiment, overrides), self._env, self._network
        )
        layout = layout_for(plan.experiment.replicas, plan.experiment.layout)
        state = place(
            wrap_keys(self.state(checkpoint), stacked_shapes(plan.program, layout.num_seeds)),
            layout,
        )
        return final_evaluation(plan, layout, state)


def restore_state(checkpoint: checkpoints.Checkpoint, plan: Plan) -> RunState:
    """The state in a checkpoint of this plan's run, as numpy arrays [seed, ...]."""
    like = jax.tree.map(_host_like, stacked_shapes(plan.program, plan.experiment.replicas))
    return checkpoints.restore(checkpoint, like)


def _host_like(x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    """The shape of a leaf after `fetch`, which turns PRNG keys into their data."""
    return (
        jax.eval_shape(jax.random.key_data, x)
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        else x
    )


def agent_names(number: int) -> list[str]:
    return [agent_name(i) for i in range(number)]


def policy_of(plan: Plan, state: RunState, seed: int, agent: int = 0) -> Policy:
    """A seed's policy; with independent agents, that of one agent."""
    index: tuple[int, ...] = (seed - plan.experiment.seed,)
    if plan.has_learners_of_their_own:
        index = (*index, agent)
    policy_state: PolicyState = jax.tree.map(lambda x: x[index], state.train.policy_state)
    obs_like: PyTree = jax.tree.map(  # [env, ...], or [agent, env, ...]
        lambda x: jax.ShapeDtypeStruct(x.shape[len(index) :], x.dtype),
        plan.state_shapes.train.actor.obs,
    )
    return Policy(plan.learner, policy_state, obs_like, seed)


def final_evaluation(plan: Plan, layout: Layout, state: RunState) -> np.ndarray:
    """Returns [seed, episode] of `evaluation.final_episodes` new episodes of every seed."""
    return final_evaluation_of(plan, layout)(state).returns


def final_evaluation_of(plan: Plan, layout: Layout) -> Callable[[RunState], Episodes]:
    """The final evaluation as a function that compiles once; its result is [seed, episode] each."""

    def evaluate(state: RunState) -> Episodes:
        return plan.program.evaluate(
            state.train.policy_state, state.train.env_params, state.train.key
        )

    launch = over_seeds(evaluate, layout)
    return lambda state: jax.tree.map(lambda x: np.asarray(x)[: layout.num_seeds], launch(state))
