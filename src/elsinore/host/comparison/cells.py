"""Every (environment, algorithm) to be trained, made concrete and checked before the first of them is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elsinore.config.build import ConfigError, as_dict
from elsinore.config.experiment import Experiment
from elsinore.config.load import read_yaml
from elsinore.host import api
from elsinore.host.comparison.variants import Variant, dotted
from elsinore.host.folder import RunFolder, as_file_name

# What a comparison does unless it is told otherwise: everyone has the same budget, and one line a cell is enough.
DEFAULTS = {
    "seeds": 10,
    "convergence.enabled": False,
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
}


@dataclass(frozen=True)
class Cell:
    """One environment and one algorithm: an ordinary run, to be trained by `api.train(**call)`."""

    variant: Variant
    call: dict[str, Any]  # the arguments of `api.describe`
    experiment: Experiment
    env: Any  # the environment itself where it was given as an object
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.experiment.env}, {self.variant.label}"


def cells_of(
    envs: Sequence[Any],
    variants: Sequence[Variant],
    folder: Path,
    config: str | Path | None,
    overrides: Mapping[str, Any],
    check: bool,
) -> list[Cell]:
    """All cells, known to be sound; those of one environment have the same budget.

    A variant's own settings win over `overrides`, these over `config`, this over the presets.

    Raises:
        ConfigError: naming the cell that cannot be run.
    """
    given = dotted(read_yaml(Path(config))) if config is not None else {}
    envs = list(envs) or [given.get("env")]
    if envs == [None]:
        raise ConfigError("no environment is named; give --env, such as --env CartPole-v1.")
    settings = {k: v for k, v in DEFAULTS.items() if k not in given} | dict(overrides)
    cells = []
    for env in envs:
        row = [
            _cell({"env": env, "algo": v.algo, "config": config, "overrides": settings | v.settings}, v, folder)
            for v in variants
        ]
        if "env_steps" not in {*given, *overrides}:
            row = _with_the_largest_budget(row, folder)
        cells += row
    _refuse_shared_folders(cells)
    api.prepare()
    for cell in cells:
        with naming(cell.name):
            api.ready_plan(cell.experiment, cell.env, None, None, check and cell.variant is variants[0])
    return cells


def _cell(call: dict[str, Any], variant: Variant, folder: Path) -> Cell:
    """The cell of `api.describe`'s arguments, in its place under the comparison's folder."""
    with naming(f"{call['env']}, {variant.label}"):
        experiment, env = api.describe(**call)
    return Cell(variant, call, experiment, env, folder / folder_name(experiment.env) / variant.label)


def _with_the_largest_budget(row: list[Cell], folder: Path) -> list[Cell]:
    """Presets may differ in env_steps, a comparison may not; who sets it for one algorithm is taken at his word."""
    largest = max(cell.experiment.env_steps for cell in row)

    def budgeted(cell: Cell) -> Cell:
        if "env_steps" in cell.variant.settings:
            return cell
        overrides = {**cell.call["overrides"], "env_steps": largest}
        return _cell({**cell.call, "overrides": overrides}, cell.variant, folder)

    return [budgeted(cell) for cell in row]


def _refuse_shared_folders(cells: list[Cell]) -> None:
    taken: dict[Path, Cell] = {}
    for cell in cells:
        other = taken.setdefault(cell.folder, cell)
        if other is not cell:
            both = f"{other.experiment.env!r} and {cell.experiment.env!r}"
            raise ConfigError(f"--env: {both} are the same, or share a folder's name; give it once.")


def folder_name(env: str) -> str:
    return as_file_name(env).lstrip(".") or "env"


@contextmanager
def naming(cell: str) -> Iterator[None]:
    """Errors of one cell say which."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{cell}: {error}") from error


def state_of(cell: Cell) -> str:
    """`new`, `unfinished` or `finished`, of a cell's folder.

    Raises:
        ConfigError: where there is a run of other settings, listing what differs.
    """
    if not (cell.folder / "config.yaml").is_file():
        if cell.folder.exists():
            raise ConfigError(f"{cell.folder} is in the way: it is no run. Move it, or choose another --name.")
        return "new"
    run = api.load(cell.folder)
    differing = differences(run.experiment, cell.experiment)
    if differing:
        raise ConfigError(
            f"{cell.name}: {cell.folder} was made with other settings; then and now: {'; '.join(differing)}. "
            "Put them back, or choose another --name."
        )
    if run.summary.get("stopped_by") not in (None, "interrupted"):
        return "finished"
    if RunFolder(cell.folder).is_locked():
        raise ConfigError(f"{cell.folder} is being trained by another process; wait for it, or stop it.")
    return "unfinished"


def differences(then: Experiment, now: Experiment) -> list[str]:
    """What differs between two experiments, by dotted name."""
    a, b = dotted(as_dict(then)), dotted(as_dict(now))
    return [
        f"{name} {a.get(name)!r}, {b.get(name)!r}" for name in dict.fromkeys((*a, *b)) if a.get(name) != b.get(name)
    ]
