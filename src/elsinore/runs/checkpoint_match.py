"""The refusal of a checkpoint of another config, other versions or another layout."""

import contextlib

from elsinore.config.experiment import Experiment
from elsinore.config.load import with_defaults
from elsinore.config.parse import as_dict
from elsinore.errors import ConfigError, counted
from elsinore.runs.checkpoints import Checkpoint, check_format
from elsinore.runs.manifest import differences, versions_of
from elsinore.runs.named_code import marked
from elsinore.runs.redaction import redacted
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import Store, refused_if_broken
from elsinore.training.layout import layout_for

# Settings that may change while a run continues.
BUDGETS = ("env_steps", "earlier_env_steps", "stop")


class NotAccepted(ConfigError):
    """A checkpoint of other versions or another layout, from which an option would resume."""


def check_match(
    checkpoint: Checkpoint, experiment: Experiment, accept_versions: bool = False
) -> None:
    """Refuse a checkpoint of another config, or of other versions of libraries or custom code.

    Raises:
        ConfigError: with the list of differences; for versions a NotAccepted.
    """
    manifest = checkpoint.manifest
    check_format(checkpoint)
    differing = differences(
        redacted(with_defaults(marked(manifest["config"]))), redacted(as_dict(experiment))
    )
    differing = [text for text in differing if text.split()[0].split(".")[0] not in BUDGETS]
    if differing:
        raise ConfigError(
            f"checkpoint {checkpoint.path} was made with another config; then and now:"
            f" {'; '.join(differing)}. Put the run's config.yaml back, or begin a new run."
        )
    if accept_versions:
        return
    if differing := other_versions(checkpoint, experiment):
        raise NotAccepted(
            f"checkpoint {checkpoint.path} was made with other versions; then and now:"
            f" {'; '.join(differing)}. The resumed run may differ from an uninterrupted one: pass"
            " --accept-versions (in Python, accept_versions=True) to resume it."
        )


def other_versions(checkpoint: Checkpoint, experiment: Experiment) -> list[str]:
    """Versions then and now that differ, by name. The code that the settings name may be imported.

    A module on one side alone is left out: one that is missing now fails by its import.
    """
    then, now = checkpoint.manifest.get("versions", {}), versions_of(experiment)
    both = [name for name in then if name in now]
    return differences({name: then[name] for name in both}, {name: now[name] for name in both})


def other_layout(checkpoint: Checkpoint, experiment: Experiment) -> str | None:
    """The layout then and now, where their results differ by rounding; None where they do not."""
    then = checkpoint.manifest.get("layout")
    now = layout_for(experiment.replicas, experiment.layout, shards=experiment.shards).described()
    if then is None or then.get("batch") == now["batch"]:
        return None
    on = counted(then["devices"], "device")
    return f"then {then['kind']} on {on}, now {now['kind']} on {now['devices']}"


def check_layout(checkpoint: Checkpoint, experiment: Experiment) -> None:
    """Refuse a checkpoint of a layout whose results differ.

    Raises:
        NotAccepted: a ConfigError, with the layout then and now.
    """
    if differs := other_layout(checkpoint, experiment):
        raise NotAccepted(
            f"checkpoint {checkpoint.path} was made with another layout: {differs}. The resumed run"
            " would differ by rounding from an uninterrupted one: use as many devices as then, or"
            " pass --accept-layout (in Python, accept_layout=True) to resume it."
        )


def agree_on_layout(
    folder: RunDir, checkpoint: Checkpoint, experiment: Experiment, accept: bool
) -> None:
    """Refuse another layout of seeds on devices, or note in the run's store that it was accepted.

    Raises:
        ConfigError: as `check_layout`.
    """
    if not accept:
        check_layout(checkpoint, experiment)
    elif differs := other_layout(checkpoint, experiment):
        with (
            refused_if_broken(folder.database),
            contextlib.closing(Store(folder.database)) as store,
        ):
            store.add_event(checkpoint.update, "layout", f"another layout is accepted: {differs}")
