"""The plan: work and memory of a run, computed before anything is compiled."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.algos.continuous_q import ContinuousQConfig
from elsinore.algos.dqn import DQNConfig
from elsinore.algos.registry import steps_per_update
from elsinore.config.agents import learner_for, multi_agent_env, with_all_learners
from elsinore.config.curricula import (
    curriculum_for,
    curriculum_lines,
    env_warnings,
    longest_episode,
)
from elsinore.config.experiment import Experiment
from elsinore.config.imitation import with_pretraining
from elsinore.config.load import dotted
from elsinore.config.memory import available_bytes
from elsinore.config.parse import ConfigError, as_dict
from elsinore.config.population import members_of, population_step_of, stacked_hyper
from elsinore.config.presets import preset
from elsinore.errors import names_custom_code, user_code
from elsinore.training.chunk import Program, Schedule, build_program
from elsinore.training.population import PopulationStep
from elsinore.types import Algorithm, RunState
from elsinore.validation import import_callable

# What the host's share of a chunk costs when nothing runs meanwhile is milliseconds; a copy of a
# state with a replay buffer is gigabytes. Up to here the copy is the cheaper.
LOOKAHEAD_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Plan:
    """An experiment made concrete: its program, and how much of everything there will be."""

    experiment: Experiment
    program: Program
    env: Any
    env_params: PyTree
    env_name: str
    hyper: PyTree = None  # each replica's own numbers, [replica]; None: the algorithm's, for all
    population_step: PopulationStep | None = None  # step of the population between chunks
    learner: Algorithm | None = None  # the algorithm of one learner; the program's has them all
    custom_code: Mapping[str, Any] = field(default_factory=dict)  # settings that name such

    @property
    def schedule(self) -> Schedule:
        return self.program.schedule

    @property
    def steps_per_update(self) -> int:
        return self.program.algo.steps_per_update

    @property
    def has_learners_of_their_own(self) -> bool:
        """True for independent learners: leaves of a seed's learner are then [agent,
        ...]."""
        return self.experiment.agents.number > 1 and not self.experiment.agents.shared

    def shown_in(self, env_params: PyTree) -> PyTree:
        """The world's parameters to show a policy with that learns with `env_params`: a
        curriculum's own where it is evaluated with them, or else those it leads to."""
        config = self.experiment.curriculum
        return (
            env_params if config is not None and config.evaluate_on == "stage" else self.env_params
        )

    @property
    def env_steps(self) -> int:
        """Of each seed; exactly what will be taken if nothing stops it early."""
        return self.schedule.num_updates * self.steps_per_update

    @cached_property
    def state_shapes(self) -> RunState:
        """The shapes and types of one seed's state.

        Raises:
            ConfigError: for a network too large to initialise, or custom code that fails.
        """
        with _refusals(self.custom_code):
            return jax.eval_shape(self.program.init, jax.random.key(0))

    def trace(self) -> None:
        """Trace a chunk without compiling it.

        Raises:
            ConfigError: for custom code that fails.
        """
        with _refusals(self.custom_code):
            jax.eval_shape(self.program.chunk, self.state_shapes, jnp.int32(0))

    @property
    def num_parameters(self) -> int:
        return sum(
            int(np.prod(x.shape)) for x in jax.tree.leaves(self.state_shapes.train.learner.params)
        )

    @property
    def bytes_on_device(self) -> int:
        """An estimate from shapes: every replica's state, its copy for the host where one is made,
        and what a chunk holds for the replicas that run at once: their states once more, a rollout
        and its learning."""
        replicas, one = self.experiment.replicas, _bytes(self.state_shapes)
        at_once = replicas if self._layout_is_vmap else min(replicas, len(jax.devices()))
        again = 0  # alone on its device, a state is worked on where it is
        if replicas > len(jax.devices()):
            # old and new, to choose from; or the one at hand, cut out
            again = 2 if self._layout_is_vmap else 1
        experience = 3 * self._rollout_bytes()  # the rollout, its table, a gathered copy
        return self.state_bytes * (3 if self.looks_ahead else 1) + at_once * (
            again * one + experience
        )

    @property
    def state_bytes(self) -> int:
        """Of all replicas' states."""
        return self.experiment.replicas * _bytes(self.state_shapes)

    @property
    def replay_bytes(self) -> int:
        """Of one seed's memory of the past; 0 where the algorithm keeps none in its record's
        `buffer`."""
        return _bytes(getattr(self.state_shapes.train.learner, "buffer", ()))

    @property
    def looks_ahead(self) -> bool:
        """True if a chunk is launched while the host still reads the one before, from a copy of the
        states."""
        return self.state_bytes <= LOOKAHEAD_BYTES

    @property
    def _layout_is_vmap(self) -> bool:
        layout = self.experiment.layout
        return layout == "vmap" or (layout == "auto" and jax.default_backend() != "cpu")

    def _rollout_bytes(self) -> int:
        actor = self.state_shapes.train.actor
        per_step = 2 * _bytes(actor.obs) / max(actor.episode_length.size, 1) + 64
        return int(per_step * self.steps_per_update)

    def lines(self) -> list[str]:
        """For people, one fact a line."""
        schedule, experiment = self.schedule, self.experiment
        return [
            f"environment     {self.env_name}",
            f"algorithm       {experiment.algo.name}",
            f"preset          {self._preset_described()}",
            *_hyperparameter_lines(experiment.algo),
            *(
                [f"agents          {experiment.agents.described()}"]
                if experiment.agents.number > 1
                else []
            ),
            *(
                [f"members         {experiment.members}, each with every seed"]
                if experiment.vary
                else []
            ),
            (
                f"seeds           {experiment.seeds} ({experiment.seed} to"
                f" {experiment.seed + experiment.seeds - 1})"
            ),
            *(
                [f"imitation       {imitation.described}"]
                if (imitation := experiment.imitation)
                else []
            ),
            (
                f"env steps       {self.env_steps:,} a seed,"
                f" {self.env_steps * experiment.replicas:,} in all"
            ),
            (
                f"updates         {schedule.num_updates:,} a seed, of {self.steps_per_update:,} env"
                " steps"
            ),
            (
                f"chunks          {schedule.num_chunks}, of {schedule.updates_per_chunk} updates"
                " each at most"
            ),
            (
                f"evaluations     {schedule.num_chunks} of {experiment.evaluation.episodes}"
                f" episodes, and one of {experiment.evaluation.final_episodes} at the end"
            ),
            f"parameters      {self.num_parameters:,} a seed",
            *self._curriculum_lines(),
            *(f"warning         {text}" for text in env_warnings(self.env, self.env_params)),
            *([f"replay          {_human(self.replay_bytes)} a seed"] if self.replay_bytes else []),
            (
                f"device          {jax.default_backend()}, {len(jax.devices())} "
                f"device{'s' if len(jax.devices()) > 1 else ''}"
            ),
            (
                f"bytes on device {self.bytes_on_device:,} (about {_human(self.bytes_on_device)}; "
                f"{_human(available_bytes())} available)"
            ),
        ]

    def _preset_described(self) -> str:
        name = f"{self.experiment.algo.name}/{self.env_name}"
        return name if preset(name) else f"none for {name}: the algorithm's defaults"

    def _curriculum_lines(self) -> list[str]:
        config = self.experiment.curriculum
        return (
            []
            if config is None
            else curriculum_lines(config, self.env, self.env_params, self.env_steps)
        )

    def refuse_what_does_not_fit(self) -> None:
        """Raises:
        ConfigError: when the estimate is above what the device has free."""
        available = available_bytes()
        if self.bytes_on_device > available:
            raise ConfigError(
                f"this run needs about {_human(self.bytes_on_device)} on the device and"
                f" {_human(available)} are available; lower {self.large_settings}."
            )

    @property
    def large_settings(self) -> str:
        """The settings to lower where there is not memory enough, with their values."""
        members = " or the members in vary" if self.experiment.vary else ""
        return f"{', '.join(self._what_is_large())} or seeds={self.experiment.seeds}{members}"

    def _what_is_large(self) -> list[str]:
        """The settings to lower where there is not room enough."""
        algo = self.experiment.algo
        replay = (
            [f"algo.buffer_size={algo.buffer_size}"]
            if self.replay_bytes and hasattr(algo, "buffer_size")
            else []
        )
        return replay + _rollout_sizes(algo)


def plan_for(
    experiment: Experiment, env: Any = None, network: Any = None, curriculum: Any = None
) -> Plan:
    """Build everything but the compiled program; `env` and `network` may be objects instead of
    names.

    Raises:
        ConfigError: for whatever could not be run, naming the field, its value and a remedy.
    """
    custom_code = _custom_code(experiment, env, network, curriculum)
    with _refusals(custom_code):
        made, env_params = envs.make(
            env or experiment.env, experiment.env_kwargs, experiment.env_params
        )
        company = experiment.agents.number > 1
        world, env_params = (
            multi_agent_env(experiment.agents, made, env_params) if company else (made, env_params)
        )
        custom = getattr(getattr(experiment.algo, "network", None), "custom", None)
        if network is None and custom:
            network = import_callable(custom, "algo.network.custom")
        schedule = schedule_for(experiment)
        _refuse_to_learn_nothing(experiment, schedule)
        members = members_of(experiment)

        def algorithm(member: Experiment) -> Algorithm:
            learner = learner_for(member, world, env_params, schedule.num_updates, network)
            return with_pretraining(experiment, learner, world, env_params)

        learner = algorithm(members[0])
        algo, evaluation = with_all_learners(experiment.agents, learner, world)
        hyper_of = lambda member: algorithm(member).hyper  # noqa: E731
        hyper = stacked_hyper(experiment, members, hyper_of)
        population_step = population_step_of(experiment, members, hyper_of, schedule.num_chunks)
        if experiment.curriculum is not None and curriculum is None:
            curriculum = curriculum_for(experiment.curriculum, world, env_params, algo)
        program = build_program(
            algo,
            world,
            env_params,
            schedule,
            experiment.evaluation,
            experiment.convergence,
            max_steps_of(experiment, env_params),
            curriculum,
            evaluation,
        )._replace(trains_in_init=experiment.imitation is not None)
    return Plan(
        experiment,
        program,
        world,
        env_params,
        experiment.env,
        hyper,
        population_step,
        learner,
        custom_code,
    )


def _custom_code(experiment: Experiment, env: Any, network: Any, curriculum: Any) -> dict[str, Any]:
    """The settings that name custom code, with their values."""
    config = getattr(experiment.algo, "network", None)
    settings = {
        "env": experiment.env if env is None else env,
        "algo": experiment.algo.name,
        "algo.network.custom": network or getattr(config, "custom", None),
        "algo.network.encoder": getattr(config, "encoder", None),
        "curriculum": curriculum,
        "imitation.teacher": getattr(experiment.imitation, "teacher", None),
    }
    return {name: x for name, x in settings.items() if names_custom_code(x)}


@contextmanager
def _refusals(custom_code: Mapping[str, Any]) -> Iterator[None]:
    """Turn refusals (ValueError), and all that custom code raises, into a ConfigError."""
    try:
        with user_code(**custom_code):
            yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def schedule_for(experiment: Experiment) -> Schedule:
    """Whole updates only, cut into about 20 chunks unless `evaluation.period` says otherwise."""
    steps = steps_per_update(experiment.algo) * experiment.agents.number
    updates = experiment.env_steps // steps
    if updates < 1:
        raise ConfigError(
            f"env_steps={experiment.env_steps} is less than one update of {steps} steps "
            f"({' x '.join(_rollout_sizes(experiment.algo))}); raise it."
        )
    if updates >= 2**31:
        raise ConfigError(
            f"env_steps={experiment.env_steps} is {updates} updates; at most 2^31 - 1 can be"
            " counted."
        )
    per_chunk = min(experiment.evaluation.period or max(1, updates // 20), updates)
    return Schedule(updates, per_chunk, -(-per_chunk // experiment.rows_per_chunk))


def _refuse_to_learn_nothing(experiment: Experiment, schedule: Schedule) -> None:
    """A run that is over before its buffer is learnt from would end without a word of it."""
    # of each learner
    algo, env_steps = experiment.algo, schedule.num_updates * steps_per_update(experiment.algo)
    if isinstance(algo, DQNConfig | ContinuousQConfig) and algo.learning_starts >= env_steps:
        raise ConfigError(
            f"algo.learning_starts={algo.learning_starts} is not below the {env_steps} env steps of"
            " this run: nothing would be learnt; lower it, or raise"
            f" env_steps={experiment.env_steps}."
        )


def _rollout_sizes(algo: Any) -> list[str]:
    """The settings that make a rollout as large as it is, or where an algorithm has none, its
    name."""
    named = [
        f"algo.{name}={getattr(algo, name)}"
        for name in ("num_envs", "rollout_length")
        if hasattr(algo, name)
    ]
    return named or [f"the env steps of an update of algo={algo.name!r}"]


def max_steps_of(experiment: Experiment, env_params: PyTree) -> int:
    """The bound on an evaluation's episodes: the config's, or else the environment's own time
    limit."""
    own = getattr(env_params, "max_steps_in_episode", None)
    longest = (
        own if experiment.curriculum is None else longest_episode(experiment.curriculum, env_params)
    )
    limit = experiment.evaluation.max_steps or (0 if longest is None else np.max(longest))
    if not limit or limit < 1:
        has = "has none" if longest is None else f"has {limit}"
        raise ConfigError(
            f"evaluation.max_steps=0 means the environment's own limit, and {experiment.env} {has};"
            " set it."
        )
    return int(limit)


def _hyperparameter_lines(algo: Any) -> list[str]:
    """The algorithm's settings, wrapped; those of a bonus that is off are left out."""
    settings = dotted(as_dict(algo))
    bonus_off = settings.get("rnd.weight") == 0.0
    text = lambda value: json.dumps(value, separators=(",", ":")).replace("Infinity", ".inf")  # noqa: E731
    pairs = [
        f"{name}={text(value)}".replace('"', "")
        for name, value in settings.items()
        if name != "name" and not (bonus_off and name.startswith("rnd."))
    ]
    lines = textwrap.wrap(" ".join(pairs), 84, break_on_hyphens=False)
    return [f"{'' if i else 'settings':16}{line}" for i, line in enumerate(lines)]


def _bytes(tree: PyTree) -> int:
    sizes = (
        x.size * (8 if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x.dtype.itemsize)
        for x in jax.tree.leaves(tree)
    )
    return int(sum(sizes))


def _human(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
