"""Memory that a run needs, estimated before anything is compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import PyTree

from elsinore.config.custom_code import refusals
from elsinore.config.experiment import Experiment
from elsinore.config.host import without_tapes
from elsinore.config.memory import available_bytes, readable_size
from elsinore.config.schedule import rollout_sizes
from elsinore.errors import ConfigError
from elsinore.jaxtools.working_memory import working_bytes
from elsinore.training.agent_groups import GroupLearners
from elsinore.training.layout import Layout
from elsinore.types import Algorithm, RunState

# What the host's share of a chunk costs when nothing runs meanwhile is milliseconds; a copy of a
# state with a replay buffer is gigabytes. Up to here the copy is the cheaper.
LOOKAHEAD_BYTES = 16 * 2**20
# To trace an update takes seconds; the activations of a smaller rollout are not worth them.
LARGE_ROLLOUT = 16 * 2**20


@dataclass(frozen=True)
class PlannedMemory:
    """Bytes of an experiment's states, rollouts and learning in a layout. CPU devices share one
    memory; of accelerators it is each one's."""

    experiment: Experiment
    algo: Algorithm
    state_shapes: RunState  # of one seed
    layout: Layout
    has_population: bool  # whose members change places between chunks
    on_host: bool  # the environment is stepped by the host
    custom_code: Mapping[str, Any]

    @property
    def on_device(self) -> int:
        """An estimate: `of_arrays`, and the activations of large rollouts. What a chunk needs
        exactly is known once it is compiled (`Compiled.chunk_bytes`)."""
        return self.of_arrays + self._at_once * self._of_activations()

    @property
    def of_arrays(self) -> int:
        """The least that a run needs, from shapes: every replica's state, its copies for the host
        and for a save, and what a chunk holds for the replicas that run at once: their states once
        more, a rollout and its learning."""
        replicas, one = self.experiment.replicas, _bytes(self.state_shapes)
        again = 0  # alone on its device, a state is worked on where it is
        copies = 3 if self.looks_ahead else 1
        if self.on_host:  # beside all that have learnt, the states before, which can be saved
            copies = 2 + self.has_population
        elif replicas > self.layout.rows:
            # old and new, to choose from; of a population on a CPU the one at hand, cut out
            again = 2 if self._is_vmap else int(self.has_population)
        # the rollout, its table (of images: what networks make of them), a gathered copy; or the
        # envs of an evaluation, before and after
        experience = max(3 * self._of_a_rollout(), 2 * self._of_an_evaluation())
        held = self._held * one * copies
        return held + self.of_a_save + self._at_once * (again * one + experience)

    @property
    def of_a_save(self) -> int:
        """Of the copy of all states that is written while training continues, where devices share
        the host's memory and no chunk needs a copy anyway."""
        shared = jax.default_backend() == "cpu"
        return self.of_states if shared and not self.looks_ahead else 0

    @property
    def of_states(self) -> int:
        """Of all replicas' states."""
        return self.experiment.replicas * _bytes(self.state_shapes)

    @property
    def of_replay(self) -> int:
        """Of one seed's memory of the past; 0 where the algorithm keeps none in its record's
        `buffer`."""
        learner = self.state_shapes.train.learner
        learners = learner.groups if isinstance(learner, GroupLearners) else (learner,)
        return sum(_bytes(getattr(each, "buffer", ())) for each in learners)

    @property
    def looks_ahead(self) -> bool:
        """True if a chunk may be launched while the host reads the states before it: they are few
        enough bytes to be copied for each chunk."""
        may = not self.on_host and self.layout.devices_per_seed == 1
        return may and self.of_states <= LOOKAHEAD_BYTES

    def refuse_what_does_not_fit(self) -> None:
        """Raises:
        ConfigError: when the estimate is above what the device has free."""
        available = available_bytes()
        if self.of_arrays > available:
            raise self.too_large(f"about {readable_size(self.of_arrays)}", available)

    def too_large(self, needed: str, available: int) -> ConfigError:
        """The refusal of a run that needs more memory than is available."""
        return ConfigError(
            f"this run needs {needed} on the device and {readable_size(available)} are available;"
            f" lower {self.large_settings}."
        )

    @property
    def large_settings(self) -> str:
        """The settings to lower where there is not memory enough, with their values."""
        experiment, algo = self.experiment, self.experiment.algo
        has_buffer = self.of_replay and hasattr(algo, "buffer_size")
        replay = [f"algo.buffer_size={algo.buffer_size}"] if has_buffer else []
        pool = [f"self_play.pool={experiment.self_play.pool}"] if experiment.self_play else []
        members = " or the members in vary" if experiment.vary else ""
        at_once = self.layout.batch > 1
        turns = ", or set layout=map, with which seeds take turns on a device" if at_once else ""
        evaluation = 2 * self._at_once * self._of_an_evaluation()
        is_most = evaluation > self.of_arrays / 2
        large = ", ".join(
            pool + replay + (self._evaluation_sizes() if is_most else rollout_sizes(algo))
        )
        return f"{large} or seeds={experiment.seeds}{members}{turns}"

    @property
    def _is_vmap(self) -> bool:
        return self.layout.kind == "vmap"

    @property
    def _held(self) -> int:
        """Replicas in one memory."""
        replicas = self.experiment.replicas
        shared = jax.default_backend() == "cpu"
        return replicas if shared else -(-replicas // self.layout.rows)

    @property
    def _at_once(self) -> int:
        """Replicas in one memory that are computed at the same time."""
        if self._is_vmap:
            return self._held
        return self.layout.rows if jax.default_backend() == "cpu" else 1

    def _of_a_rollout(self) -> int:
        """Of one replica's rollout."""
        actor = self.state_shapes.train.actor
        agents = self.experiment.agents
        sights = 1 + agents.number if agents.critic == "joint" else 1
        per_step = 2 * sights * _bytes(actor.obs) / max(actor.episode_length.size, 1) + 64
        return int(per_step * self.algo.steps_per_update)

    def _of_an_evaluation(self) -> int:
        """Of one replica's largest evaluation, of which every episode has an env. The host plays
        those of its environments a few at a time."""
        if self.on_host:
            return 0
        actor, evaluation = self.state_shapes.train.actor, self.experiment.evaluation
        envs = max(actor.episode_length.size // self.experiment.agents.number, 1)
        each = _bytes((actor.env_state, actor.obs)) / envs
        return int(each * max(evaluation.episodes, evaluation.final_episodes))

    def _evaluation_sizes(self) -> list[str]:
        evaluation = self.experiment.evaluation
        name = max("episodes", "final_episodes", key=lambda name: getattr(evaluation, name))
        return [f"evaluation.{name}={getattr(evaluation, name)}"]

    def _of_activations(self) -> int:
        """Of one replica's update, where its rollout is large enough to trace the update for it,
        and not too large to be run."""
        if self._of_a_rollout() < LARGE_ROLLOUT or self.of_arrays > available_bytes():
            return 0
        state = without_tapes(self.state_shapes)
        with refusals(self.custom_code):
            return working_bytes(jax.make_jaxpr(self.algo.update)(state.train).jaxpr)


def _bytes(tree: PyTree) -> int:
    sizes = (
        x.size * (8 if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x.dtype.itemsize)
        for x in jax.tree.leaves(tree)
    )
    return int(sum(sizes))
