"""Everything that decides what a run does, as one frozen record."""

from dataclasses import dataclass, field
from typing import Any

from elsinore.algos.ppo import PPOConfig
from elsinore.training.convergence import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.halving import HalvingConfig
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
class MLflowConfig:
    enabled: bool = True
    tracking_uri: str | None = None  # null: MLFLOW_TRACKING_URI, or else mlflow.db in the runs folder
    experiment: str = "elsinore"
    register: bool = True  # a model version, with the alias, once a seed has converged
    model_name: str | None = None  # null: elsinore-<algo>-<env>
    alias: str = "champion"


@dataclass(frozen=True, kw_only=True)
class SinksConfig:
    """Where the run is told. metrics.sqlite is always written: it is the truth that the others are filled from."""

    console: bool = True
    tensorboard: bool = True
    jsonl: bool = True
    mlflow: MLflowConfig = MLflowConfig()


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
    env_steps: int = 500_000  # of each seed; rounded down to whole updates
    seeds: int = 1  # how many, side by side
    seed: int = 0  # the first; the others follow it
    vary: dict[str, list[Any]] = field(default_factory=dict)  # {"algo.gamma": [0.9, 0.99]}: a member a value
    population: PopulationConfig = PopulationConfig()
    layout: str = "auto"  # of the seeds: auto | map | vmap (the results do not depend on it)
    rows_per_chunk: int = 10  # rows of metrics between two evaluations
    evaluation: EvaluationConfig = EvaluationConfig()
    convergence: ConvergenceConfig = ConvergenceConfig()
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    sinks: SinksConfig = SinksConfig()

    def __post_init__(self):
        for name in ("env_steps", "seeds", "rows_per_chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        self._check_vary()
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
