"""The plan: work and memory of a run, computed before anything is compiled."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.config.agents import (
    check_number,
    config_of,
    groups_for,
    learner_for,
    multi_agent_env,
    with_all_learners,
)
from elsinore.config.curricula import curriculum_for
from elsinore.config.experiment import Experiment
from elsinore.config.host import (
    refuse_for_host,
    refuse_without_parts,
    with_tapes,
    without_tapes,
)
from elsinore.config.imitation import with_pretraining
from elsinore.config.memory import available_bytes, readable_size
from elsinore.config.parse import ConfigError
from elsinore.config.population import members_of, population_step_of, stacked_hyper
from elsinore.config.schedule import (
    max_steps_of,
    refuse_to_learn_nothing,
    rollout_sizes,
    schedule_for,
)
from elsinore.config.self_play import refuse_for_self_play, with_self_play
from elsinore.config.shards import (
    refuse_env,
    refuse_what_shards_do_not_have,
    shard_of,
)
from elsinore.envs.suites import is_on_host
from elsinore.envs.wrapped import modules_in
from elsinore.errors import names_custom_code, user_code
from elsinore.jaxtools.working_memory import working_bytes
from elsinore.training.agent_groups import AgentGroup
from elsinore.training.chunk import Program, build_program
from elsinore.training.layout import Layout, layout_for
from elsinore.training.population import PopulationStep
from elsinore.training.schedule import Schedule
from elsinore.training.shards import Shards
from elsinore.types import Algorithm, RunState
from elsinore.validation import import_callable

# What the host's share of a chunk costs when nothing runs meanwhile is milliseconds; a copy of a
# state with a replay buffer is gigabytes. Up to here the copy is the cheaper.
LOOKAHEAD_BYTES = 16 * 2**20
# To trace an update takes seconds; the activations of a smaller rollout are not worth them.
LARGE_ROLLOUT = 16 * 2**20


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
    groups: tuple[AgentGroup, ...] = ()  # of agents that differ

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
        """The placement of the seeds, and of their shards, on the devices of this process."""
        experiment = self.experiment
        found = layout_for(experiment.replicas, experiment.layout, self.together, experiment.shards)
        return found.for_program(self.program)

    @property
    def bytes_on_device(self) -> int:
        """An estimate: `bytes_of_arrays`, and the activations of large rollouts. What a chunk
        needs exactly is known once it is compiled (`Compiled.chunk_bytes`)."""
        return self.bytes_of_arrays + self._at_once * self._activation_bytes

    @property
    def bytes_of_arrays(self) -> int:
        """The least that a run needs, from shapes: every replica's state, its copy for the host
        where one is made, and what a chunk holds for the replicas that run at once: their states
        once more, a rollout and its learning. CPU devices share one memory; of accelerators it is
        each one's."""
        replicas, one = self.experiment.replicas, _bytes(self.state_shapes)
        again = 0  # alone on its device, a state is worked on where it is
        if replicas > self.layout.rows:
            # old and new, to choose from; of a population on a CPU the one at hand, cut out
            again = 2 if self._layout_is_vmap else int(self.population_step is not None)
        experience = 3 * self._rollout_bytes()  # the rollout, its table, a gathered copy
        held = self._held * one * (3 if self.looks_ahead else 1)
        return held + self._at_once * (again * one + experience)

    @property
    def _held(self) -> int:
        """Replicas in one memory."""
        replicas = self.experiment.replicas
        shared = jax.default_backend() == "cpu"
        return replicas if shared else -(-replicas // self.layout.rows)

    @property
    def _at_once(self) -> int:
        """Replicas in one memory that are computed at the same time."""
        if self._layout_is_vmap:
            return self._held
        return self.layout.rows if jax.default_backend() == "cpu" else 1

    @cached_property
    def _activation_bytes(self) -> int:
        """Of one replica's update, where its rollout is large enough to trace the update for it,
        and not too large to be run."""
        if self._rollout_bytes() < LARGE_ROLLOUT or self.bytes_of_arrays > available_bytes():
            return 0
        with _refusals(self.custom_code):
            update = jax.make_jaxpr(self.program.algo.update)
            return working_bytes(update(self.state_shapes.train).jaxpr)

    @property
    def state_bytes(self) -> int:
        """Of all replicas' states."""
        return self.experiment.replicas * _bytes(self.state_shapes)

    @property
    def replay_bytes(self) -> int:
        """Of one seed's memory of the past; 0 where the algorithm keeps none in its record's
        `buffer`."""
        learner = self.state_shapes.train.learner
        learners = learner.groups if self.has_groups else (learner,)
        return sum(_bytes(getattr(each, "buffer", ())) for each in learners)

    @property
    def together(self) -> bool:
        """True if one launch computes all seeds: where members of a population change places, and
        where the host steps the environments."""
        return self.population_step is not None or is_on_host(self.env)

    @property
    def looks_ahead(self) -> bool:
        """True if a chunk leaves the states it is given as they are, so that it is launched while
        the host still reads them; False if it takes their memory, and where the host itself steps
        the environments. Where a seed has several devices, those of two chunks could wait for each
        other, so none is launched ahead."""
        alone = not is_on_host(self.env) and self.layout.devices_per_seed == 1
        return alone and self.state_bytes <= LOOKAHEAD_BYTES

    @property
    def _layout_is_vmap(self) -> bool:
        return self.layout.kind == "vmap"

    def _rollout_bytes(self) -> int:
        actor = self.state_shapes.train.actor
        agents = self.experiment.agents
        sights = 1 + agents.number if agents.critic == "joint" else 1
        per_step = 2 * sights * _bytes(actor.obs) / max(actor.episode_length.size, 1) + 64
        return int(per_step * self.steps_per_update)

    def refuse_what_does_not_fit(self) -> None:
        """Raises:
        ConfigError: when the estimate is above what the device has free."""
        available = available_bytes()
        if self.bytes_of_arrays > available:
            raise self.too_large(f"about {readable_size(self.bytes_of_arrays)}", available)

    def too_large(self, needed: str, available: int) -> ConfigError:
        """The refusal of a run that needs more memory than is available."""
        return ConfigError(
            f"this run needs {needed} on the device and {readable_size(available)} are available;"
            f" lower {self.large_settings}."
        )

    @property
    def large_settings(self) -> str:
        """The settings to lower where there is not memory enough, with their values."""
        experiment = self.experiment
        members = " or the members in vary" if experiment.vary else ""
        at_once = self.layout.batch > 1
        turns = ", or set layout=map, with which seeds take turns on a device" if at_once else ""
        return f"{', '.join(self._what_is_large())} or seeds={experiment.seeds}{members}{turns}"

    def _what_is_large(self) -> list[str]:
        """The settings to lower where there is not room enough."""
        algo = self.experiment.algo
        replay = (
            [f"algo.buffer_size={algo.buffer_size}"]
            if self.replay_bytes and hasattr(algo, "buffer_size")
            else []
        )
        return replay + rollout_sizes(algo)


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
        if experiment.shards > 1:
            refuse_what_shards_do_not_have(experiment, network)
        env, env_params = _env_for(experiment, env)
        refuse_for_self_play(experiment, env, env_params, curriculum)
        refuse_for_host(experiment, env, env_params)
        network_of = _custom_network if network is None else lambda _: network
        schedule = schedule_for(experiment, env_params)
        refuse_to_learn_nothing(experiment, schedule)
        members = members_of(experiment)

        def learner_in(env: Any, env_params: PyTree, member: Experiment) -> Algorithm:
            own = network_of(config_of(member, 0))
            return learner_for(member, env, env_params, schedule.num_updates, own)

        game, game_params, rivals = with_self_play(
            experiment, partial(learner_in, member=members[0]), env, env_params
        )
        curriculum = curriculum if rivals is None else rivals

        def algorithm(member: Experiment) -> Algorithm:
            learner = learner_in(game, game_params, member)
            return with_pretraining(experiment, learner, env, env_params)

        learner, shards = algorithm(members[0]), None
        if experiment.shards > 1:
            refuse_env(experiment, is_on_host(env))
            part = algorithm(shard_of(experiment))
            shards = Shards(experiment.shards, learner, part)
        hyper_of = lambda member: algorithm(member).hyper  # noqa: E731
        hyper = stacked_hyper(experiment, members, hyper_of)
        population_step = population_step_of(experiment, members, hyper_of, schedule.num_chunks)
        groups = groups_for(experiment, env, env_params, schedule.num_updates, network_of)
        program = _program_for(
            experiment, learner, groups, env, env_params, schedule, curriculum, shards
        )
        if is_on_host(env):
            refuse_without_parts(learner, experiment.algo.name, experiment.env)
            program = with_tapes(program, env, env_params)
    name = experiment.env
    plan = Plan(
        experiment,
        program,
        env,
        env_params,
        name,
        hyper,
        population_step,
        learner,
        custom_code,
        groups,
    )
    if shards is not None:  # while it is traced, what shards share is found to be shared
        plan.trace()
    return plan


def _env_for(experiment: Experiment, env: Any) -> tuple[Any, PyTree]:
    """The environment of all agents, and its parameters; `env` is the object where one is given."""
    made, env_params = envs.make(
        env or experiment.env,
        experiment.env_kwargs,
        experiment.env_params,
        experiment.wrappers,
    )
    if experiment.agents.number == 1:
        check_number(experiment.agents, made)
        return made, env_params
    return multi_agent_env(experiment.agents, made, env_params)


def _custom_network(algo: Any) -> Any:
    """The factory that `algo.network.custom` names, or None."""
    custom = getattr(getattr(algo, "network", None), "custom", None)
    return import_callable(custom, "algo.network.custom") if custom else None


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
        **{f"wrappers[{i}]": code for i, code in enumerate(modules_in(experiment.wrappers))},
    }
    for i, each in enumerate(experiment.agents.each):
        own = getattr(each.algo, "network", None)
        settings |= {
            f"agents.each[{i}].algo": each.algo.name,
            f"agents.each[{i}].network.custom": getattr(own, "custom", None),
            f"agents.each[{i}].network.encoder": getattr(own, "encoder", None),
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


def _bytes(tree: PyTree) -> int:
    sizes = (
        x.size * (8 if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x.dtype.itemsize)
        for x in jax.tree.leaves(tree)
    )
    return int(sum(sizes))
