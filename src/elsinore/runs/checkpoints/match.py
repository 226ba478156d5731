"""The refusal of a checkpoint of another config, other versions or another layout."""

import contextlib

from elsinore.config.experiment import Experiment
from elsinore.config.load import with_defaults
from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.errors import ConfigError, counted
from elsinore.runs.checkpoints.arrays import check_format
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.checkpoints.manifest import differences, versions_of
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store, refused_if_broken
from elsinore.runs.trust.named_code import marked
from elsinore.runs.trust.redaction import redacted

# Settings that may change while a run continues.
MAY_CHANGE = ("env_steps", "earlier_env_steps", "stop")


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
    differing = [text for text in differing if text.split()[0].split(".")[0] not in MAY_CHANGE]
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


def other_layout(checkpoint: Checkpoint, plan: Plan) -> str | None:
    """The layout then and now, where their results differ by rounding; None where they do not. A
    manifest of before may lack its platform, or all of it."""
    then, now = checkpoint.manifest.get("layout"), plan.layout.described()
    if then is None:
        return None
    if then.get("platform", now["platform"]) != now["platform"]:
        return f"then {then['kind']} on {then['platform']}, now {now['kind']} on {now['platform']}"
    # of environments on the host replicas are learnt from one by one, whatever the batch was
    if then.get("batch") == now["batch"] or is_on_host(plan.env):
        return None
    on = counted(then["devices"], "device")
    return f"then {then['kind']} on {on}, now {now['kind']} on {now['devices']}"


def check_layout(checkpoint: Checkpoint, plan: Plan) -> None:
    """Refuse a checkpoint of a layout whose results differ.

    Raises:
        NotAccepted: a ConfigError, with the layout then and now.
    """
    if differs := other_layout(checkpoint, plan):
        then = checkpoint.manifest["layout"].get("platform")
        same = "use as many devices as then"
        if then not in (None, plan.layout.described()["platform"]):
            jax_name = "cuda" if then == "gpu" else then  # by gpu JAX means ROCm's, too
            same = (
                f"resume it on {then} (JAX_PLATFORMS={jax_name}), begin a new run from it with"
                " --from"
            )
        raise NotAccepted(
            f"checkpoint {checkpoint.path} was made with another layout: {differs}. The resumed run"
            f" would differ by rounding from an uninterrupted one: {same}, or"
            " pass --accept-layout (in Python, accept_layout=True) to resume it."
        )


def agree_on_layout(folder: RunDir, checkpoint: Checkpoint, plan: Plan, accept: bool) -> None:
    """Refuse another layout of seeds on devices, or note in the run's store that it was accepted.

    Raises:
        ConfigError: as `check_layout`.
    """
    if not accept:
        check_layout(checkpoint, plan)
    elif differs := other_layout(checkpoint, plan):
        with (
            refused_if_broken(folder.database),
            contextlib.closing(Store(folder.database)) as store,
        ):
            store.add_event(checkpoint.update, "layout", f"another layout is accepted: {differs}")
