"""Everything that decides what a run does, as one frozen record."""

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

SCORES = ("eval/return", "eval/length", "episode/return", "episode/length")  # what a policy can be ranked by


@dataclass(frozen=True, kw_only=True)
class CheckpointsConfig:
    """What is saved, besides the end of the run. Between saves nothing is lost: a resumed run recomputes it."""

    interval_seconds: float = 30.0  # at most this long between saves of `latest`; 0: after every chunk
    best: int = 1  # how many of the best to keep; 0: none
    metric: str = "eval/return"  # mean over seeds, that decides which are best
    mode: str = "max"  # max | min
    period: int = 0  # chunks between checkpoints that are kept for good; 0: none

    def __post_init__(self):
        if not self.interval_seconds >= 0:
            raise ValueError(f"interval_seconds={self.interval_seconds} must not be negative.")
        for name in ("best", "period"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 (none) or more.")
        if self.metric not in SCORES:
            raise ValueError(f"metric={self.metric!r} is unknown; choose one of {', '.join(SCORES)}.")
        if self.mode not in ("max", "min"):
            raise ValueError(f"mode={self.mode!r} is unknown; choose max or min.")


@dataclass(frozen=True, kw_only=True)
class ReplaysConfig:
    """Episodes recorded while training, to be looked at then or later. A run of a minute or so makes none."""

    share: float = 0.02  # of the time, at most, that is spent on them, compiling included; 0: none
    every_seconds: float = 10.0  # at least, between two
    seed_index: int = 0  # which of the seeds is recorded, from 0
    keep: int = 50  # files, spread over the training
    max_steps: int = 1_000  # after which an episode is cut

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share} must be between 0 (none) and 1.")
        for name, least in (("every_seconds", 0), ("seed_index", 0), ("keep", 1), ("max_steps", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}.")


@dataclass(frozen=True, kw_only=True)
class MLflowConfig:
    enabled: bool = True
    tracking_uri: str | None = None  # null: MLFLOW_TRACKING_URI, or else mlflow.db in the runs folder
    experiment: str = "elsinore"
    register: bool = True  # a model version, with the alias, once a seed has converged
    model_name: str | None = None  # null: elsinore-<algo>-<env>
    alias: str = "champion"


@dataclass(frozen=True, kw_only=True)
class WandbConfig:
    """Weights & Biases, which needs `pip install "elsinore[wandb]"`."""

    enabled: bool = False
    project: str = "elsinore"
    entity: str | None = None  # a team; null: your own
    mode: str | None = None  # online | offline; null: WANDB_MODE, or else online

    def __post_init__(self):
        if self.mode not in (None, "online", "offline"):
            raise ValueError(f"mode={self.mode!r} is unknown; choose online or offline, or leave it to WANDB_MODE.")


@dataclass(frozen=True, kw_only=True)
class SinksConfig:
    """Where the run is told. metrics.sqlite is always written: it is the truth that the others are filled from."""

    console: bool = True
    tensorboard: bool = True
    jsonl: bool = True
    mlflow: MLflowConfig = MLflowConfig()
    wandb: WandbConfig = WandbConfig()


@dataclass(frozen=True, kw_only=True)
class PopulationConfig:
    """What happens between the members of a population (`vary`), from chunk to chunk."""

    mode: str = "max"  # max | min: which members' evaluations are better
    halving: HalvingConfig | None = None  # freeze the worse ones early; null: none
    pbt: PBTConfig | None = None  # let them copy the better ones; null: never

    def __post_init__(self):
        if self.mode not in ("max", "min"):
            raise ValueError(f"mode={self.mode!r} is unknown; choose max or min.")
        if self.halving is not None and self.pbt is not None:
            raise ValueError("halving and pbt cannot both be set: one freezes the worse members, the other moves them.")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A run, but for its name and folder."""

    env: str = "CartPole-v1"  # a known name, or "module:Class"
    env_kwargs: dict[str, Any] = field(default_factory=dict)  # of its constructor: they fix shapes
    env_params: dict[str, Any] = field(default_factory=dict)  # of its parameters, e.g. max_steps_in_episode
    algo: Any = PPOConfig()
    agents: AgentsConfig = AgentsConfig()  # that live in each world
    imitation: ImitationConfig | None = None  # of a teacher, before anything is learnt from reward; null: none
    env_steps: int = 500_000  # of each seed; rounded down to whole updates
    seeds: int = 1  # how many, side by side
    seed: int = 0  # the first; the others follow it
    vary: dict[str, list[Any]] = field(default_factory=dict)  # {"algo.gamma": [0.9, 0.99]}: a member a value
    population: PopulationConfig = PopulationConfig()
    layout: str = "auto"  # of the seeds: auto | map | vmap (the results do not depend on it)
    rows_per_chunk: int = 10  # rows of metrics between two evaluations
    curriculum: CurriculumConfig | None = None  # stages that change env_params on the way; in YAML also a file's path
    evaluation: EvaluationConfig = EvaluationConfig()
    convergence: ConvergenceConfig = ConvergenceConfig()
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    replays: ReplaysConfig = ReplaysConfig()
    sinks: SinksConfig = SinksConfig()

    def __post_init__(self):
        for name in ("env_steps", "seeds", "rows_per_chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        self._check_vary()
        self._check_agents()
        if self.members > 1 and self.curriculum is not None and self.curriculum.evaluate_on == "stage":
            raise ValueError(
                "curriculum.evaluate_on='stage' judges each member of a population in a world of its own, which cannot "
                "be compared; use target."
            )
        if not 0 <= self.seed < 2**31 - self.replicas:
            raise ValueError(f"seed={self.seed} must be at least 0 and below 2^31 - seeds.")
        if self.layout not in ("auto", "map", "vmap"):
            raise ValueError(f"layout={self.layout!r} is unknown; choose auto, map or vmap.")

    @property
    def members(self) -> int:
        """Of the population, each with its own numbers: the first has the first of each list in `vary`."""
        return len(next(iter(self.vary.values()), [None]))

    @property
    def replicas(self) -> int:
        """Runs side by side: `seeds` of each member, member after member."""
        return self.members * self.seeds

    @property
    def member_values(self) -> list[dict[str, Any]]:
        """What each member has for the settings that vary."""
        return [{name: values[i] for name, values in self.vary.items()} for i in range(self.members)]

    def _check_agents(self) -> None:
        if self.agents.number == 1 or self.agents.shared:
            return
        remedy = "agents.sharing: shared has one learner for them"
        if self.curriculum is not None:
            raise ValueError(
                f"curriculum would need a stage for each of the independent agents; {remedy}, and curriculum: null "
                "leaves it out."
            )
        if self.population.pbt is not None:
            raise ValueError(f"population.pbt cannot copy one of several independent agents; {remedy}.")

    def _check_vary(self) -> None:
        for name, values in self.vary.items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"vary.{name}={values!r} must be a list with a value for each member.")
            if len(values) != self.members:
                first = next(iter(self.vary))
                raise ValueError(
                    f"vary.{name}={values!r} has {len(values)} values and vary.{first} has {self.members}; each needs "
                    "one for every member."
                )
        for name in ("halving", "pbt"):
            if getattr(self.population, name) is not None and self.members < 2:
                raise ValueError(f"population.{name} needs at least two members; list their values in vary.")
