"""All settings of a run, as one frozen record."""

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from elsinore.algos.ppo import PPOConfig
from elsinore.algos.precision import PRECISIONS
from elsinore.algos.registry import known_steps
from elsinore.config.agents import AgentsConfig
from elsinore.config.sinks import SinksConfig
from elsinore.config.start import StartConfig
from elsinore.config_records import record
from elsinore.training.curriculum.config import CurriculumConfig
from elsinore.training.early_stopping import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig, refuse_to_explore
from elsinore.training.halving import HalvingConfig
from elsinore.training.imitation import ImitationConfig
from elsinore.training.population import PBTConfig
from elsinore.training.self_play import SelfPlayConfig
from elsinore.validation import a_period, at_least, one_of, positive

# metrics of every run that can rank policies
SCORES = ("eval/return", "eval/length", "episode/return", "episode/length")
MAX_MEMBERS = 1_000  # of a population


@record
class CheckpointsConfig:
    """Checkpoints during a run; its end is always saved. A resumed run recomputes everything after
    its last checkpoint."""

    # The longest time between two saves of `latest`; 0 saves after every chunk.
    interval_seconds: float = 30.0
    # Mean hours between failures of the machines that train the run; the time between two saves is
    # then planned from it and from the seconds for which a save holds the training.
    mtbf_hours: float | None = None
    latest: int = 2  # The number of most recent checkpoints to keep; 1 leaves none to fall back on.
    best: int = 1  # The number of best checkpoints to keep; 0 keeps none.
    # Best checkpoints also hold replay buffers, so that a run can continue from them.
    best_buffers: bool = False
    metric: str = "eval/return"  # The logged metric that ranks them, as the mean over seeds.
    mode: str = "max"  # max | min: whether a higher or a lower metric is better.
    # Chunks between periodic checkpoints, or text, such as "50 episodes"; 0 saves none.
    period: int | str = 0
    periodic: int | None = None  # The number of periodic checkpoints to keep; null keeps all.

    def __post_init__(self) -> None:
        at_least(self, 0, "interval_seconds", "best")
        a_period(self, "period", "chunks")
        at_least(self, 1, "latest", "periodic")
        positive(self, off={"mtbf_hours": None})
        one_of(self, "mode", "max", "min")


@record
class ReplaysConfig:
    """Episodes recorded during training: the first and the last policy's, and others between them
    in runs longer than about a minute."""

    # The largest share of the run time spent on recording between the two ends; 0 records none.
    share: float = 0.02
    ends: bool = True  # Record the policies before and after the training, however short it is.
    # Chunks between recordings that are made in any case, or text, such as "50 episodes"; 0: none.
    period: int | str = 0
    observations: bool = False  # Store the observations of each step, too.
    every_seconds: float = 10.0  # The shortest time between two recordings.
    seed_index: int = 0  # The seed whose policy is recorded, counted from 0.
    keep: int = 50  # The number of files to keep, spread evenly over the training.
    max_steps: int = 1_000  # The number of steps after which a recorded episode is cut.

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share} must be between 0 (none) and 1.")
        at_least(self, 0, "every_seconds", "seed_index")
        a_period(self, "period", "chunks")
        at_least(self, 1, "keep", "max_steps")


@record
class PopulationConfig:
    """Selection between the members of a population (`vary`), after each chunk."""

    mode: str = "max"  # max | min: whether a higher or a lower evaluation return is better.
    halving: HalvingConfig | None = None  # Successive halving: freeze the worse members early.
    pbt: PBTConfig | None = None  # Population-based training: copy the better members.

    def __post_init__(self) -> None:
        one_of(self, "mode", "max", "min")
        if self.halving is not None and self.pbt is not None:
            raise ValueError(
                "halving and pbt cannot both be set: one freezes the worse members, the other moves"
                " them."
            )


@record
class HostConfig:
    """Environments in Python or C++, which are stepped on the host (`gym/...`, `envpool/...`)."""

    # Collect a rollout, with the policy before the latest learning, while the device learns from
    # the rollout before it. This gains time on CPUs only: a GPU acts after it has learnt.
    overlap: bool = False


@record
class StopConfig:
    """A budget in another unit than `env_steps`: the run ends after the chunk in which it is spent.
    `stop.updates` and `stop.env_steps` are other ways to set `env_steps`. One of `--set` replaces
    that of a file, in whichever unit."""

    # Finished training episodes of each seed; env_steps is then what they take at most.
    episodes: int | None = None
    # Seconds of training, within env_steps; compiling, pauses and the final evaluation not counted.
    seconds: float | None = None

    def __post_init__(self) -> None:
        at_least(self, 1, "episodes")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds={self.seconds} must be above 0 and finite; null: no limit.")

    @property
    def unit(self) -> str | None:
        """The unit of the budget, which only a run can count; None where it is in env steps."""
        given = (unit for unit in ("episodes", "seconds") if getattr(self, unit) is not None)
        return next(given, None)


# Settings of agents that learn as a team: a value, the value without, and the algorithms that have
# it.
TEAMS = {"critic": ("joint", "own", ("ppo", "a2c")), "mixing": ("sum", "none", ("dqn", "pqn"))}


MAX_TAGS, MAX_TAG, MAX_DESCRIPTION = 16, 40, 5_000  # tags of a run, characters of each text


def check_words(description: str, tags: Sequence[str]) -> None:
    """Refuse what MLflow or the page would not take.

    Raises:
        ValueError: naming the text and the limit.
    """
    if len(description) > MAX_DESCRIPTION:
        raise ValueError(
            f"description={description[:40]!r}... has {len(description):,} characters; use at most"
            f" {MAX_DESCRIPTION:,}."
        )
    if len(tags) > MAX_TAGS:
        raise ValueError(f"tags={list(tags)} are {len(tags)}; a run has at most {MAX_TAGS}.")
    for tag in tags:
        if not 0 < len(tag.strip()) <= MAX_TAG or not tag.isprintable() or "," in tag:
            raise ValueError(
                f"tags={list(tags)}: {tag[:MAX_TAG]!r} must be 1 to {MAX_TAG} printable characters"
                " without a comma."
            )


@record
class Experiment:
    """All settings of a run, except its name and its directory."""

    env: str = "CartPole-v1"  # The name of an environment, or "module:Class".
    # Arguments of the environment's constructor; they fix shapes.
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    # Values that replace defaults of the environment's parameters, such as max_steps_in_episode.
    env_params: dict[str, Any] = field(default_factory=dict)
    # Wrappers of the environment, the innermost first, such as [{frame_stack: 4}, flatten].
    wrappers: tuple[Any, ...] = ()
    algo: Any = PPOConfig()  # The algorithm's config; in YAML a mapping with its `name`.
    agents: AgentsConfig = AgentsConfig()  # The agents in each environment.
    imitation: ImitationConfig | None = None  # Pre-training on a teacher; null trains from scratch.
    env_steps: int = 500_000  # Environment steps of each seed, rounded down to whole updates.
    stop: StopConfig = StopConfig()  # Budgets in other units.
    # Budgets that this run had before it was lengthened; chunks of updates also end there.
    earlier_env_steps: tuple[int, ...] = ()
    start: StartConfig | None = None  # Another run to begin from; null begins with new networks.
    seeds: int = 1  # The number of seeds trained in parallel.
    seed: int = 0  # The first seed; the others are seed + 1, seed + 2 ...
    # A population: one value for each member, such as {"algo.gamma": [0.9, 0.99]}.
    vary: dict[str, list[Any]] = field(default_factory=dict)
    population: PopulationConfig = PopulationConfig()  # Selection between members.
    # Parts of each seed's envs, which can be on several devices; results depend on their number.
    shards: int = 1
    # auto | map | vmap: how seeds share a device. `auto` is `map` on CPUs and with shards, and
    # `vmap` on accelerators, where seeds that share a device differ by rounding from the same seeds
    # alone.
    layout: str = "auto"
    # The precision of products of float32 matrices on an accelerator, by jax's names; null leaves
    # it to jax, which is `default` unless JAX_DEFAULT_MATMUL_PRECISION is set.
    matmul_precision: str | None = None
    rows_per_chunk: int = 10  # Rows of metrics between two evaluations.
    # update | episode: whether metrics.sqlite also has a row for each finished training episode.
    rows: str = "update"
    # Stages that change env_params during training; in YAML also the path of a file.
    curriculum: CurriculumConfig | None = None
    self_play: SelfPlayConfig | None = None  # Rivals that are frozen copies of the policy.
    # wait | stop: what a run does whose metrics find the disk full: train on while they wait in
    # memory, up to a million of them, and then stop; or stop at once.
    on_full_disk: str = "wait"
    evaluation: EvaluationConfig = EvaluationConfig()  # Evaluations.
    convergence: ConvergenceConfig = ConvergenceConfig()  # Early stopping.
    checkpoints: CheckpointsConfig = CheckpointsConfig()  # Checkpoints.
    replays: ReplaysConfig = ReplaysConfig()  # Recorded episodes.
    sinks: SinksConfig = SinksConfig()  # Metric sinks.
    host: HostConfig = HostConfig()  # Environments that are stepped on the host.
    description: str = ""  # The purpose of the run, for people; MLflow and W&B show it, too.
    tags: tuple[str, ...] = ()  # Words by which the page, MLflow and W&B find the run.

    def __post_init__(self) -> None:
        check_words(self.description, self.tags)
        at_least(self, 1, "env_steps", "seeds", "shards", "rows_per_chunk")
        if any(budget < 1 for budget in self.earlier_env_steps):
            raise ValueError(f"earlier_env_steps={list(self.earlier_env_steps)} must be above 0.")
        self._check_vary()
        self._check_agents()
        if self.curriculum is not None:
            self.check_curriculum(self.curriculum.evaluate_on)
        if not 0 <= self.seed < 2**31 - self.replicas:
            raise ValueError(f"seed={self.seed} must be at least 0 and below 2^31 - seeds.")
        one_of(self, "layout", "auto", "map", "vmap")
        if self.matmul_precision is not None:
            one_of(self, "matmul_precision", *PRECISIONS)
        one_of(self, "rows", "update", "episode")
        one_of(self, "on_full_disk", "wait", "stop")

    @property
    def algorithms(self) -> str:
        """The algorithm's name, or the names of those that agents learn by: `ppo, dqn`."""
        return ", ".join(dict.fromkeys(algo.name for algo in self.learners))

    @property
    def learners(self) -> list[Any]:
        """The config of each algorithm that learns: those of `agents.each`, or `algo`."""
        return [each.algo for each in self.agents.each] or [self.algo]

    @property
    def members(self) -> int:
        """The number of members of the population; 1 without `vary`."""
        return len(next(iter(self.vary.values()), [None]))

    @property
    def replicas(self) -> int:
        """The number of learners trained in parallel: `seeds` of each member, member by member."""
        return self.members * self.seeds

    @property
    def replica_seeds(self) -> range:
        """The seed of each replica, by which metrics name it."""
        return range(self.seed, self.seed + self.replicas)

    @property
    def member_values(self) -> list[dict[str, Any]]:
        """The varied settings of each member."""
        return [
            {name: values[i] for name, values in self.vary.items()} for i in range(self.members)
        ]

    @property
    def varied(self) -> tuple[str, ...]:
        """The settings in which the members of the population differ, or come to differ."""
        return (*self.vary, *(self.population.pbt.space if self.population.pbt else ()))

    @property
    def evaluates_stages(self) -> bool:
        """True if evaluations are of the stage that a curriculum's seed has reached."""
        return self.curriculum is not None and self.curriculum.evaluate_on == "stage"

    def check_curriculum(self, evaluate_on: str) -> None:
        """Check that stages which are evaluated on `evaluate_on` go with the rest.

        Raises:
            ValueError: naming the setting, its value and a remedy.
        """
        if self.members > 1 and evaluate_on == "stage":
            raise ValueError(
                "curriculum.evaluate_on='stage' evaluates each member of a population at another"
                " stage, so their scores cannot be compared; use target."
            )
        if self.convergence.counts_episodes:
            raise ValueError(
                "convergence.counts='episodes' cannot be compared between the stages of a"
                " curriculum; count evaluations, or leave the curriculum out."
            )

    def check_equal_rollouts(self) -> None:
        """Check that all agents take as many steps in an update.

        Raises:
            ValueError: naming the agent and its setting.
        """
        expected = _update_of(self.algo)
        for i, each in enumerate(self.agents.each):
            for name, own in _update_of(each.algo).items():
                if own != expected[name]:
                    raise ValueError(
                        f"agents.each[{i}].{name}={own} cannot differ: all agents of an environment"
                        f" step together; leave it out, or change algo.{name}={expected[name]} for"
                        " all."
                    )

    def _check_agents(self) -> None:
        learner = self.learners[0]
        for name, (value, alone, algos) in TEAMS.items():
            if getattr(self.agents, name) == value and learner.name not in algos:
                raise ValueError(
                    f"agents.{name}={value!r} is of algo: {' or '.join(algos)}, and not of"
                    f" algo={learner.name!r}; use one that has it, or agents.{name}: {alone}."
                )
        independent = self.agents.number > 1 and not self.agents.shared
        if independent:
            self.check_equal_rollouts()
        if independent and self.population.pbt is not None:
            raise ValueError(
                "population.pbt cannot copy one of several independent agents; agents.sharing:"
                " shared trains one learner for all."
            )
        if self.agents.each and self.vary and (independent or learner != self.algo):
            raise ValueError(
                f"vary.{next(iter(self.vary))} changes algo, and the agents in agents.each have"
                " settings of their own; leave one of them out."
            )

    def _check_vary(self) -> None:
        for name, values in self.vary.items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(
                    f"vary.{name}={values!r} must be a list with a value for each member."
                )
            if len(values) != self.members:
                first = next(iter(self.vary))
                raise ValueError(
                    f"vary.{name}={values!r} has {len(values)} values and vary.{first} has"
                    f" {self.members}; each needs one for every member."
                )
        if not self.evaluation.greedy:
            refuse_to_explore("evaluation.greedy=False", self.varied)
        if self.members > MAX_MEMBERS:
            raise ValueError(
                f"vary has {self.members} members; at most {MAX_MEMBERS} can train side by side."
            )
        for name in ("halving", "pbt"):
            if getattr(self.population, name) is not None and self.members < 2:
                raise ValueError(
                    f"population.{name} needs at least two members; list their values in vary."
                )
            if getattr(self.population, name) is not None and self.evaluation.on_request:
                raise ValueError(
                    f"population.{name} selects by the evaluation of each chunk, and"
                    f" evaluation.period={self.evaluation.period!r} leaves chunks without one; give"
                    " it in updates or env steps."
                )


def _update_of(algo: Any) -> dict[str, int | None]:
    """The environments and the steps of an algorithm's update, those that its settings say."""
    named = {name: getattr(algo, name, None) for name in ("num_envs", "rollout_length")}
    return named | {"steps_per_update": known_steps(algo)}
