"""The plan: work and memory of a run, computed before anything is compiled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.algos.registry import custom_network
from elsinore.config.curricula import curriculum_for
from elsinore.config.custom_code import custom_code_in, refusals
from elsinore.config.experiment import Experiment
from elsinore.config.host import (
    refuse_for_host,
    refuse_without_parts,
    with_tapes,
    without_tapes,
)
from elsinore.config.imitation import with_pretraining
from elsinore.config.learners import (
    check_number,
    config_of,
    groups_for,
    learner_for,
    multi_agent_env,
    refusals_of_agent,
    with_all_learners,
)
from elsinore.config.planned_memory import PlannedMemory
from elsinore.config.population import (
    members_of,
    population_step_of,
    refuse_absent_seed,
    stacked_hyper,
)
from elsinore.config.schedule import (
    max_steps_of,
    refuse_endless_survival,
    refuse_to_learn_nothing,
    schedule_for,
)
from elsinore.config.self_play import refuse_for_self_play, with_self_play
from elsinore.config.shards import (
    refuse_env,
    refuse_what_shards_do_not_have,
    shard_of,
)
from elsinore.envs.array_trees import no_array_in
from elsinore.envs.suites import is_on_host
from elsinore.errors import ConfigError
from elsinore.jaxtools.platform import refuse_jax_settings
from elsinore.training.agent_groups import AgentGroup
from elsinore.training.chunk import Program, build_program
from elsinore.training.layout import Layout, layout_for
from elsinore.training.population import PopulationStep
from elsinore.training.schedule import Schedule
from elsinore.training.shards import Shards
from elsinore.types import Algorithm, RunState


@dataclass(frozen=True)
class Plan:
    """An experiment made concrete: its program, and how much of everything there will be."""

    experiment: Experiment
    program: Program
    env: Any
    env_params: PyTree
    hyper: PyTree = None  # each replica's own numbers, [replica]; None: the algorithm's, for all
    population_step: PopulationStep | None = None  # step of the population between chunks
    learner: Algorithm | None = None  # the algorithm of one learner; the program's has them all
    custom_code: Mapping[str, Any] = field(default_factory=dict)  # settings that name such
    groups: tuple[AgentGroup, ...] = ()  # of agents that differ
    on_stage: bool = False  # evaluations are on the stage that a curriculum has come to
    given: tuple[str, ...] = ()  # arguments that were objects: env, network, curriculum

    @property
    def has_groups(self) -> bool:
        """True if several algorithms learn in one env; the leaves of a state are then by group."""
        return len(self.groups) > 1

    @property
    def schedule(self) -> Schedule:
        return self.program.schedule

    @property
    def steps_per_update(self) -> int:
        return self.program.algo.steps_per_update

    @property
    def has_learners_of_their_own(self) -> bool:
        """True for independent learners: leaves of a seed's learner are then [agent,
        ...], or those of a group."""
        return self.experiment.agents.number > 1 and not self.experiment.agents.shared

    def shown_in(self, env_params: PyTree) -> PyTree:
        """The env params to show a policy with that learns with `env_params`: a
        curriculum's own where it is evaluated with them, or else those it leads to."""
        return env_params if self.on_stage else self.env_params

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
        with refusals(self.custom_code):
            return jax.eval_shape(self.program.init, jax.random.key(0))

    def trace(self) -> None:
        """Trace a chunk, and the beginning with numbers that vary, without compiling them.

        Raises:
            ConfigError: for custom code that fails.
        """
        with refusals(self.custom_code):
            jax.eval_shape(self.program.init, jax.random.key(0), self.program.algo.hyper)
            jax.eval_shape(self.program.chunk, without_tapes(self.state_shapes), jnp.int32(0))

    @property
    def num_parameters(self) -> int:
        return sum(
            int(np.prod(x.shape)) for x in jax.tree.leaves(self.state_shapes.train.learner.params)
        )

    @property
    def devices_used(self) -> int:
        """Devices that have a seed, or shards of one, to train; the others are idle."""
        return len(self.layout.devices)

    @property
    def layout(self) -> Layout:
        """The placement of the seeds, and of their shards, on the devices of all processes. Where
        the host steps the environments, seeds take turns on one device."""
        experiment, kind, devices = self.experiment, self.experiment.layout, None
        if is_on_host(self.env):
            kind, devices = "map", jax.devices()[:1]
        found = layout_for(
            experiment.replicas, kind, self.single_launch, experiment.shards, devices
        )
        return found.for_program(self.program)

    @property
    def single_launch(self) -> bool:
        """True if one launch computes all seeds: where members of a population change places, and
        where the host steps the environments."""
        return self.population_step is not None or is_on_host(self.env)

    @property
    def looks_ahead(self) -> bool:
        """True if a chunk leaves the states it is given as they are, so that it is launched while
        the host still reads them; False if it takes their memory, and where the host itself steps
        the environments. Where a seed has several devices, those of two chunks could wait for each
        other, so none is launched ahead."""
        return self.memory.looks_ahead

    @property
    def memory(self) -> PlannedMemory:
        """The memory that the run needs."""
        layout = self.layout
        return PlannedMemory(
            self.experiment,
            self.program.algo,
            self.state_shapes,
            layout,
            has_population=self.population_step is not None,
            on_host=is_on_host(self.env),
            custom_code=self.custom_code,
        )


def plan_for(
    experiment: Experiment, env: Any = None, network: Any = None, curriculum: Any = None
) -> Plan:
    """Build everything but the compiled program; `env` and `network` may be objects instead of
    names.

    Raises:
        ConfigError: for whatever could not be run, naming the field, its value and a remedy.
    """
    refuse_jax_settings()
    custom_code = custom_code_in(experiment, env, network, curriculum)
    objects = {"env": env, "network": network, "curriculum": curriculum}
    given = tuple(name for name, x in objects.items() if x is not None)
    with refusals(custom_code):
        if experiment.shards > 1:
            refuse_what_shards_do_not_have(experiment, network)
        env, env_params = _env_for(experiment, env)
        schedule = _schedule_for(experiment, env, env_params, curriculum)
        network_of = custom_network if network is None else lambda _: network
        learners = _learners_for(experiment, env, env_params, schedule, network_of, curriculum)
        learner, shards, curriculum = learners.first, learners.shards, learners.curriculum
        groups = groups_for(experiment, env, env_params, schedule.num_updates, network_of)
        program = _program_for(
            experiment, learner, groups, env, env_params, schedule, curriculum, shards
        )
        if is_on_host(env):
            refuse_without_parts(learner, experiment.algo.name, experiment.env)
            program = with_tapes(program, env, env_params)
    plan = Plan(
        experiment=experiment,
        program=program,
        env=env,
        env_params=env_params,
        hyper=learners.hyper,
        population_step=learners.population_step,
        learner=learner,
        custom_code=custom_code,
        groups=groups,
        on_stage=getattr(curriculum or experiment.curriculum, "evaluate_on", "target") == "stage",
        given=given,
    )
    if shards is not None:  # while it is traced, what shards share is found to be shared
        plan.trace()
    return plan


def _env_for(experiment: Experiment, env: Any) -> tuple[Any, PyTree]:
    """The environment of all agents, and its parameters; `env` is the object where one is given."""
    # of an object, env_kwargs record how it was made
    of_name = (experiment.env, experiment.env_kwargs)
    made, env_params = envs.make(
        *((env, {}) if env is not None else of_name), experiment.env_params, experiment.wrappers
    )
    if not is_on_host(made) and (strange := no_array_in("default_params", env_params)):
        raise ConfigError(f"env={experiment.env!r}: {strange}")
    if experiment.agents.number == 1:
        check_number(experiment.agents, made)
        return made, env_params
    return multi_agent_env(experiment.agents, made, env_params)


def _schedule_for(
    experiment: Experiment, env: Any, env_params: PyTree, curriculum: Any
) -> Schedule:
    """The schedule of an experiment that is not refused in this environment."""
    refuse_for_self_play(experiment, env, env_params, curriculum)
    refuse_for_host(experiment, env, env_params, curriculum)
    if curriculum is not None:
        experiment.check_curriculum(curriculum.evaluate_on)
    schedule = schedule_for(experiment, env_params)
    refuse_to_learn_nothing(experiment, schedule)
    refuse_endless_survival(experiment, env_params)
    refuse_absent_seed(experiment)
    return schedule


class _Learners(NamedTuple):
    """The first member's learner of a population, and what is made from those of all members."""

    first: Algorithm
    shards: Shards | None
    hyper: PyTree
    population_step: PopulationStep | None
    curriculum: Any  # the given one, or the rivals of self-play


def _learners_for(
    experiment: Experiment,
    env: Any,
    env_params: PyTree,
    schedule: Schedule,
    network_of: Callable[[Any], Any],
    curriculum: Any,
) -> _Learners:
    members = members_of(experiment)

    def learner_in(env: Any, env_params: PyTree, member: Experiment) -> Algorithm:
        with refusals_of_agent(member, 0):
            own = network_of(config_of(member, 0))
            return learner_for(member, env, env_params, schedule.num_updates, own)

    game, game_params, rivals = with_self_play(
        experiment, partial(learner_in, member=members[0]), env, env_params
    )

    def algorithm(member: Experiment) -> Algorithm:
        learner = learner_in(game, game_params, member)
        return with_pretraining(member, learner, env, env_params)

    learner = algorithm(members[0])
    shards = None
    if experiment.shards > 1:
        refuse_env(experiment, is_on_host(env))
        part = algorithm(shard_of(members[0]))  # whose numbers say what is compiled
        shards = Shards(experiment.shards, learner, part)
    own = shard_of if experiment.shards > 1 else lambda member: member
    hyper_of = lambda member: algorithm(own(member)).hyper  # noqa: E731
    hyper = stacked_hyper(experiment, members, hyper_of)
    population_step = population_step_of(
        experiment, members, hyper_of, schedule.num_chunks, learner.policy.initial_carry
    )
    return _Learners(
        first=learner,
        shards=shards,
        hyper=hyper,
        population_step=population_step,
        curriculum=curriculum if rivals is None else rivals,
    )


def _program_for(
    experiment: Experiment,
    learner: Algorithm,
    groups: tuple[AgentGroup, ...],
    env: Any,
    env_params: PyTree,
    schedule: Schedule,
    curriculum: Any,
    shards: Shards | None,
) -> Program:
    num_envs = getattr(experiment.algo, "num_envs", 1)
    algo, evaluation = with_all_learners(experiment.agents, learner, env, groups, num_envs)
    if experiment.curriculum is not None and curriculum is None:
        curriculum = curriculum_for(experiment.curriculum, env, env_params, algo)
    return build_program(
        algo,
        env,
        env_params,
        schedule,
        experiment.evaluation,
        experiment.convergence,
        max_steps_of(experiment, env_params),
        curriculum,
        evaluation,
        experiment.rows == "episode",
        shards,
    )._replace(trains_in_init=experiment.imitation is not None)
