"""All settings of a run, as one frozen record."""

from dataclasses import dataclass, field
from typing import Any

from elsinore.algos.ppo import PPOConfig
from elsinore.config.agents import AgentsConfig
from elsinore.training.convergence import ConvergenceConfig
from elsinore.training.curriculum.config import CurriculumConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.halving import HalvingConfig
from elsinore.training.imitation import ImitationConfig
from elsinore.training.population import PBTConfig
from elsinore.validation import at_least, one_of

# metrics that can rank policies
SCORES = ("eval/return", "eval/length", "episode/return", "episode/length")
MAX_MEMBERS = 1_000  # of a population


@dataclass(frozen=True, kw_only=True)
class CheckpointsConfig:
    """Checkpoints during a run; its end is always saved. A resumed run recomputes everything after
    its last checkpoint."""

    # The longest time between two saves of `latest`; 0 saves after every chunk.
    interval_seconds: float = 30.0
    best: int = 1  # The number of best checkpoints to keep; 0 keeps none.
    metric: str = "eval/return"  # The metric that ranks checkpoints, as the mean over seeds.
    mode: str = "max"  # max | min: whether a higher or a lower metric is better.
    period: int = 0  # Chunks between checkpoints that are never deleted; 0 keeps none.

    def __post_init__(self):
        at_least(self, 0, "interval_seconds", "best", "period")
        one_of(self, "metric", *SCORES)
        one_of(self, "mode", "max", "min")


@dataclass(frozen=True, kw_only=True)
class ReplaysConfig:
    """Episodes recorded during training. Runs shorter than about a minute record none."""

    share: float = 0.02  # The largest share of the run time spent on recording; 0 records none.
    every_seconds: float = 10.0  # The shortest time between two recordings.
    seed_index: int = 0  # The seed whose policy is recorded, counted from 0.
    keep: int = 50  # The number of files to keep, spread evenly over the training.
    max_steps: int = 1_000  # The number of steps after which a recorded episode is cut.

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share} must be between 0 (none) and 1.")
        at_least(self, 0, "every_seconds", "seed_index")
        at_least(self, 1, "keep", "max_steps")


@dataclass(frozen=True, kw_only=True)
class MLflowConfig:
    """Tracking and model registration with MLflow."""

    enabled: bool = True  # Log to MLflow.
    # The tracking server; null uses MLFLOW_TRACKING_URI, or else mlflow.db in the runs folder.
    tracking_uri: str | None = None
    experiment: str = "elsinore"  # The name of the MLflow experiment.
    register: bool = True  # Register a model version, with the alias, if a seed has converged.
    model_name: str | None = None  # The registered model; null names it elsinore-<algo>-<env>.
    alias: str = "champion"  # The alias of the newest model version.


@dataclass(frozen=True, kw_only=True)
class WandbConfig:
    """Weights & Biases, which needs `pip install "elsinore[wandb]"`."""

    enabled: bool = False  # Log to Weights & Biases.
    project: str = "elsinore"  # The name of the project.
    entity: str | None = None  # The team or user; null uses the default of your login.
    mode: str | None = None  # online | offline; null uses WANDB_MODE, or else online.

    def __post_init__(self):
        if self.mode not in (None, "online", "offline"):
            raise ValueError(
                f"mode={self.mode!r} is unknown; choose online or offline, or leave it to"
                " WANDB_MODE."
            )


@dataclass(frozen=True, kw_only=True)
class SinksConfig:
    """Metric sinks besides metrics.sqlite, which is always written and fills the others."""

    console: bool = True  # The progress line in the terminal.
    tensorboard: bool = True  # TensorBoard event files in tensorboard/.
    jsonl: bool = True  # metrics.jsonl, one line for each seed and update.
    mlflow: MLflowConfig = MLflowConfig()  # MLflow.
    wandb: WandbConfig = WandbConfig()  # Weights & Biases.


@dataclass(frozen=True, kw_only=True)
class PopulationConfig:
    """Selection between the members of a population (`vary`), after each chunk."""

    mode: str = "max"  # max | min: whether a higher or a lower evaluation return is better.
    halving: HalvingConfig | None = None  # Successive halving: freeze the worse members early.
    pbt: PBTConfig | None = None  # Population-based training: copy the better members.

    def __post_init__(self):
        one_of(self, "mode", "max", "min")
        if self.halving is not None and self.pbt is not None:
            raise ValueError(
                "halving and pbt cannot both be set: one freezes the worse members, the other moves"
                " them."
            )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """All settings of a run, except its name and its directory."""

    env: str = "CartPole-v1"  # The name of an environment, or "module:Class".
    # Arguments of the environment's constructor; they fix shapes.
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    # Values that replace defaults of the environment's parameters, such as max_steps_in_episode.
    env_params: dict[str, Any] = field(default_factory=dict)
    algo: Any = PPOConfig()  # The algorithm's config; in YAML a mapping with its `name`.
    agents: AgentsConfig = AgentsConfig()  # The agents in each environment.
    imitation: ImitationConfig | None = None  # Pre-training on a teacher; null trains from scratch.
    env_steps: int = 500_000  # Environment steps of each seed, rounded down to whole updates.
    seeds: int = 1  # The number of seeds trained in parallel.
    seed: int = 0  # The first seed; the others are seed + 1, seed + 2 ...
    # A population: one value for each member, such as {"algo.gamma": [0.9, 0.99]}.
    vary: dict[str, list[Any]] = field(default_factory=dict)
    population: PopulationConfig = PopulationConfig()  # Selection between members.
    # auto | map | vmap: how seeds share a device. Under `vmap`, seeds that share one differ by
    # rounding from the same seeds alone.
    layout: str = "auto"
    rows_per_chunk: int = 10  # Rows of metrics between two evaluations.
    # Stages that change env_params during training; in YAML also the path of a file.
    curriculum: CurriculumConfig | None = None
    evaluation: EvaluationConfig = EvaluationConfig()  # Evaluations.
    convergence: ConvergenceConfig = ConvergenceConfig()  # Early stopping.
    checkpoints: CheckpointsConfig = CheckpointsConfig()  # Checkpoints.
    replays: ReplaysConfig = ReplaysConfig()  # Recorded episodes.
    sinks: SinksConfig = SinksConfig()  # Metric sinks.

    def __post_init__(self):
        at_least(self, 1, "env_steps", "seeds", "rows_per_chunk")
        self._check_vary()
        self._check_agents()
        if (
            self.members > 1
            and self.curriculum is not None
            and self.curriculum.evaluate_on == "stage"
        ):
            raise ValueError(
                "curriculum.evaluate_on='stage' evaluates each member of a population at another"
                " stage, so their scores cannot be compared; use target."
            )
        if not 0 <= self.seed < 2**31 - self.replicas:
            raise ValueError(f"seed={self.seed} must be at least 0 and below 2^31 - seeds.")
        one_of(self, "layout", "auto", "map", "vmap")

    @property
    def members(self) -> int:
        """The number of members of the population; 1 without `vary`."""
        return len(next(iter(self.vary.values()), [None]))

    @property
    def replicas(self) -> int:
        """The number of learners trained in parallel: `seeds` of each member, member by member."""
        return self.members * self.seeds

    @property
    def member_values(self) -> list[dict[str, Any]]:
        """The varied settings of each member."""
        return [
            {name: values[i] for name, values in self.vary.items()} for i in range(self.members)
        ]

    def _check_agents(self) -> None:
        if self.agents.number == 1 or self.agents.shared:
            return
        remedy = "agents.sharing: shared trains one learner for all"
        if self.curriculum is not None:
            raise ValueError(
                f"curriculum would need a stage for each of the independent agents; {remedy}, and"
                " curriculum: null leaves it out."
            )
        if self.population.pbt is not None:
            raise ValueError(
                f"population.pbt cannot copy one of several independent agents; {remedy}."
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
        if self.members > MAX_MEMBERS:
            raise ValueError(
                f"vary has {self.members} members; at most {MAX_MEMBERS} can train side by side."
            )
        for name in ("halving", "pbt"):
            if getattr(self.population, name) is not None and self.members < 2:
                raise ValueError(
                    f"population.{name} needs at least two members; list their values in vary."
                )
