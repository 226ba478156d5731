"""The part of summary.json that its readers need, by which it is checked where it is read."""

from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError


@dataclass
class _Returns:
    mean: float | None
    iqm: float | None
    ci95: list[float] | None
    per_seed: list[float | None]
    per_agent: list[list[float | None]] | None = None  # [seed, agent], of several agents


@dataclass
class _Summary:
    env: str
    algo: str
    seeds: int
    first_seed: int
    stopped_by: str
    env_steps: int
    env_steps_per_seed: list[int]
    updates: int
    converged_at_env_steps: list[int | None]
    plateau_at_env_steps: list[int | None]
    diverged_at_env_steps: list[int | None]
    steps_per_second: float
    compile_seconds: float
    train_seconds: float
    evaluation_seconds: float
    versions: dict[str, str]
    eval_return: _Returns
    eval_episodes: int
    members: list[dict] = field(default_factory=lambda: [{}])


_SUMMARY = TypeAdapter(_Summary)
BY_REPLICA = (
    "env_steps_per_seed",
    "converged_at_env_steps",
    "plateau_at_env_steps",
    "diverged_at_env_steps",
)


def unusable_part(summary: dict) -> str | None:
    """The first entry that is missing, of another type or of another length than the numbers of
    seeds and members say, such as `eval_return.per_seed`; None for a summary that can be read."""
    try:
        found = _SUMMARY.validate_python(summary)
    except ValidationError as error:
        return ".".join(map(str, error.errors()[0]["loc"]))
    replicas = found.seeds * len(found.members)
    lists = {
        "eval_return.per_seed": found.eval_return.per_seed,
        **{name: getattr(found, name) for name in BY_REPLICA},
    }
    if (of_agents := found.eval_return.per_agent) is not None:
        lists["eval_return.per_agent"] = of_agents
    return next((name for name, values in lists.items() if len(values) != replicas), None)
