"""The grid of environments and algorithms, checked completely before any training."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from elsinore.analysis.compare.variants import Variant
from elsinore.config.experiment import Experiment
from elsinore.config.load import read_settings
from elsinore.config.mappings import dotted, in_full, plain, set_dotted
from elsinore.config.parse import as_dict
from elsinore.config.start import StartConfig
from elsinore.config.units import has_budget
from elsinore.errors import ConfigError, counted
from elsinore.runs import api, preparation
from elsinore.runs.call import asked_experiment
from elsinore.runs.checkpoints.manifest import other_settings
from elsinore.runs.lineage.continuation import with_source
from elsinore.runs.lineage.source import as_asked
from elsinore.runs.lineage.start import check_start
from elsinore.runs.run_dir import RunDir, as_file_name, runs_inside
from elsinore.runs.summary import is_finished

# Defaults of a comparison: an equal budget for all runs, and one line of output per run.
DEFAULTS = {
    "seeds": 10,
    "convergence.enabled": False,
    "sinks.console": False,
    "sinks.tensorboard": False,
    "sinks.mlflow.enabled": False,
}


@dataclass(frozen=True)
class GridCell:
    """One environment and one algorithm: a run, trained by `api.train(**call)`."""

    variant: Variant
    call: dict[str, Any]  # the arguments of `resolve_experiment`
    experiment: Experiment
    env: Any  # the environment object, if one was given
    folder: Path
    env_steps: int = 0  # of each seed, at most; known once the cell is planned

    @property
    def name(self) -> str:
        return f"{self.experiment.env}, {self.variant.label}"


def grid_cells(
    envs: Sequence[Any],
    variants: Sequence[Variant],
    folder: Path,
    config: str | Path | None,
    overrides: Mapping[str, Any],
    check: bool,
    begun: Mapping[Path, Experiment] = MappingProxyType({}),
) -> list[GridCell]:
    """Build and check all cells; those of one environment have the same budget.

    Precedence: settings of a variant, `overrides`, `config`, presets.

    Args:
        begun: the settings of the runs in `folder`, by theirs.

    Raises:
        ConfigError: naming the cell that cannot be run.
    """
    given = dotted(in_full(read_settings(config)[0])) if config is not None else {}
    envs = list(envs) or [given.get("env")]
    if envs == [None]:
        raise ConfigError(
            "no environment is named; give --env (in Python, envs), such as --env CartPole-v1."
        )
    cells = []
    for env in envs:
        call = {"env": env, "config": config}
        row = [
            _cell(
                call | {"algo": v.algo, "overrides": _with_defaults(given, overrides, v)}, v, folder
            )
            for v in variants
        ]
        equal = has_budget(given) or has_budget(overrides)
        cells += row if equal else _with_largest_budget(row, folder, begun)
    _refuse_shared_folders(cells)
    _refuse_shared_copies(cells)
    cells = _with_sources(cells, folder)
    preparation.prepare()
    return [_planned(cell, check and cell.variant is variants[0]) for cell in cells]


def _with_defaults(
    given: Mapping[str, Any], overrides: Mapping[str, Any], variant: Variant
) -> dict[str, Any]:
    """The settings of a cell, with those of the variant's preset and the defaults of a comparison
    where none is given, also in a group."""
    named: dict[str, Any] = {}
    for name, value in {**overrides, **variant.settings}.items():
        set_dotted(named, name, plain(value))
    chosen = given.keys() | dotted(in_full(named)).keys()
    beneath = {
        name: value
        for name, value in (DEFAULTS | variant.preset).items()
        if not any(f"{name}.".startswith(f"{each}.") for each in chosen)
    }
    return {**overrides, **variant.settings, **beneath}


def _planned(cell: GridCell, check: bool) -> GridCell:
    with naming_cell(cell.name):
        plan = preparation.checked_plan(cell.experiment, cell.env, None, None, check)
        if not (cell.folder / "config.yaml").exists():
            check_start(plan)
    return replace(cell, env_steps=plan.env_steps)


def _cell(call: dict[str, Any], variant: Variant, folder: Path) -> GridCell:
    """Build the cell for arguments of `resolve_experiment`."""
    with naming_cell(f"{call['env']}, {variant.label}"):
        _refuse_another(call["overrides"])
        experiment, env = asked_experiment(**call, runs_dir=folder.parent)
        _refuse_population(experiment, variant)
    return GridCell(
        variant, call, experiment, env, folder / folder_name(experiment.env) / variant.label
    )


def _with_sources(cells: list[GridCell], folder: Path) -> list[GridCell]:
    """The cells with the checkpoints that they begin from: one that has begun with its own, and
    others with that of a cell which asked for the same and has begun."""
    asked = {}
    for cell in cells:
        if cell.experiment.start is not None:
            own = cell.folder / "config.yaml"
            with naming_cell(cell.name):
                asked[own] = _asked_by(cell.experiment.start, own, folder.parent)
    begun = [run / "config.yaml" for run in runs_inside(folder)]

    def with_its_own(cell: GridCell) -> GridCell:
        own = cell.folder / "config.yaml"
        if own not in asked:
            return cell
        alike = [path for path in begun if asked.get(path, asked[own]) == asked[own]]
        alike.sort(key=lambda path: path != own)
        with naming_cell(cell.name):
            experiment = with_source(cell.experiment, folder.parent, cell.env, alike)
        # the same, wherever the cell is trained
        given = {x: y for x, y in cell.call["overrides"].items() if x.partition(".")[0] != "start"}
        call = cell.call | {"overrides": given | {"start": as_dict(experiment.start)}}
        return replace(cell, call=call, experiment=experiment)

    return [with_its_own(cell) for cell in cells]


def _asked_by(start: StartConfig, own: Path, runs_dir: Path) -> tuple[str, str | None]:
    """The run and the checkpoint that a cell asks for; of a run that is gone its own config, if it
    has begun."""
    try:
        start = as_asked(start, runs_dir)
    except ConfigError:
        if not own.is_file():
            raise
        return str(own), None
    return start.run, start.checkpoint


def _refuse_another(settings: Mapping[str, Any]) -> None:
    """Refuse a setting that would give a run another environment or algorithm than its cell has."""
    given = dotted(settings)
    for name, several in (("env", "envs"), ("algo", "algos"), ("algo.name", "algos")):
        if name in given:
            option = "--env" if several == "envs" else "--algos"
            raise ConfigError(
                f"{name}={given[name]!r} is a setting of one run; name what is compared with"
                f" {option} (in Python, {several})."
            )


def _refuse_population(experiment: Experiment, variant: Variant) -> None:
    if experiment.members > 1:
        name, values = next(iter(experiment.vary.items()))
        raise ConfigError(
            f"vary has {counted(experiment.members, 'member')} with different settings, and a"
            " comparison is of seeds, which have the same; give each value a label, such as"
            f" {variant.label}_0={variant.algo}:{name}={values[0]}, or train the population with"
            " `elsinore train`."
        )


def _with_largest_budget(
    row: list[GridCell], folder: Path, begun: Mapping[Path, Experiment]
) -> list[GridCell]:
    """Give all the budget of the runs that have begun, or else the largest of the presets, but for
    variants with a budget of their own, which is that variant's alone."""
    own = {cell.folder for cell in row if has_budget(cell.variant.settings)}
    presets = [cell.experiment.env_steps for cell in row if cell.folder not in own]
    budgets = {
        then.env_steps
        for run, then in begun.items()
        if run.parent == row[0].folder.parent and run not in own and then.stop.unit is None
    }
    largest = budgets.pop() if len(budgets) == 1 else max(presets, default=0)

    def budgeted(cell: GridCell) -> GridCell:
        if cell.folder in own:
            return cell
        overrides = {**cell.call["overrides"], "env_steps": largest}
        return _cell({**cell.call, "overrides": overrides}, cell.variant, folder)

    return [budgeted(cell) for cell in row]


def _refuse_shared_folders(cells: list[GridCell]) -> None:
    taken: dict[Path, GridCell] = {}
    for cell in cells:
        other = taken.setdefault(cell.folder, cell)
        if other is not cell:
            both = f"{other.experiment.env!r} and {cell.experiment.env!r}"
            raise ConfigError(
                f"--env (in Python, envs): {both} are the same, or share a folder name; give it"
                " once."
            )


def _refuse_shared_copies(cells: list[GridCell]) -> None:
    """Refuse copies of one name: they are named after the run's folder, without its environment."""
    taken: dict[tuple[str | None, str], GridCell] = {}
    for cell in cells:
        url = cell.experiment.sinks.remote.url
        other = taken.setdefault((url, cell.folder.name), cell)
        if url is not None and other is not cell:
            raise ConfigError(
                f"sinks.remote.url={url!r}: {other.name} and {cell.name} would share the copy"
                f" {cell.folder.name!r} there; compare one environment at a time, each with"
                " another url, or leave it out."
            )


def folder_name(env: str) -> str:
    """The folder of an environment's runs."""
    return as_file_name(env).lstrip(".") or "env"


@contextmanager
def naming_cell(cell: str) -> Iterator[None]:
    """Prefix errors with the name of the cell."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{cell}: {error}") from error


def cell_state(cell: GridCell) -> str:
    """State of the cell's folder: `new`, `unfinished` or `finished`.

    Raises:
        ConfigError: if the folder holds a run with other settings, listing the differences.
    """
    if not (cell.folder / "config.yaml").is_file():
        if cell.folder.exists():
            raise ConfigError(
                f"{cell.folder} exists and is not a run; move it, or choose another name."
            )
        return "new"
    differing = other_settings(api.load(cell.folder).experiment, cell.experiment)
    if differing:
        raise ConfigError(
            f"{cell.name}: {cell.folder} was made with other settings (then, now):"
            f" {'; '.join(differing)}. Restore them, or choose another name."
        )
    if is_finished(RunDir(cell.folder)):
        return "finished"
    if RunDir(cell.folder).is_locked():
        raise ConfigError(
            f"{cell.folder} is being trained by another process; wait for it, or stop it."
        )
    return "unfinished"
