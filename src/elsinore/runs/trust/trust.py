"""Trust in what a run's files name: code as `"module:name"`, and where its sinks send data.

A run of this user's is known by its signature. Names in the files of any other run become
`UntrustedName`s, which nothing imports, unless this user agrees.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, quoted
from elsinore.runs.sinks.destinations import default_of, destinations_in
from elsinore.runs.trust.named_code import code_in, marked
from elsinore.runs.trust.signature import is_own, is_signed

# True, False, or a function that asks the user a question
Trust = bool | Callable[[str], bool]


def confirmed(
    data: dict[str, Any],
    config: Path,
    trust: Trust,
    given: Collection[str] = (),
    sends: bool = False,
) -> dict[str, Any]:
    """The `data` of a config, for use: as it is if the config is this user's or trusted, else with
    its code marked as untrusted.

    Args:
        given: settings whose code is not imported, since the caller has the objects.
        sends: its sinks will be written, too.

    Raises:
        ConfigError: if it names code, or where `sends` a place to send data to, and is neither this
            user's nor trusted.
    """
    own = is_own(config)
    if sends and not own and trust is not True:
        refuse_to_send(data, config, trust)
    return _confirmed(data, config, trust, own, given)


def refuse_to_send(
    data: Mapping[str, Any], config: Path, trust: Trust, chosen: Mapping[str, Any] | None = None
) -> None:
    """Refuse a stranger's config whose sinks would send data where it says, unless that is agreed.

    Args:
        chosen: settings that this user's command gives instead of the config's, by dotted name.

    Raises:
        ConfigError: naming the settings, and their defaults.
    """
    chosen = chosen or {}
    named = {
        name: value
        for name, value in destinations_in(data).items()
        if name not in chosen and not _is_switched_off(name, chosen)
    }
    said = f"{config} sends data by {_listed(named)}, and carries no signature of yours"
    if named and not (trust if isinstance(trust, bool) else trust(f"{said}. Send it?")):
        leave = " ".join(f"--set {name}={default_of(name) or 'null'}" for name in named)
        own = (
            f"a sweep of your own by `elsinore sweep {quoted(config)}` (in Python, elsinore.sweep)"
            if "sweep" in data
            else "a run of your own from it (--from; in Python, from_run)"
        )
        raise ConfigError(
            f"{said}; allow it with --trust (in Python, trust=True), or begin {own} with {leave}."
        )


def _is_switched_off(destination: str, chosen: Mapping[str, Any]) -> bool:
    sink = destination.rpartition(".")[0]
    return chosen.get(f"{sink}.enabled", chosen.get(sink)) is False


def _confirmed(
    data: dict[str, Any], config: Path, trust: Trust, own: bool, given: Collection[str] = ()
) -> dict[str, Any]:
    if trust is True or own:
        return data
    named = {name: code for name, code in code_in(data).items() if name not in given}
    if named and not _agreed(config, named, trust):
        modules = sorted({code.partition(":")[0] for code in named.values()})
        raise ConfigError(
            f"{config} names code, {_listed(named)}, and carries no signature of yours; read the"
            f" module {', '.join(map(repr, modules))}, then allow it with --trust (in Python,"
            " trust=True)."
        )
    return data if named else marked(data)


def confirmed_settings(
    data: dict[str, Any], text: str, signature: str, file: Path, trust: Trust
) -> dict[str, Any]:
    """The settings that a file holds in `text`, for use, if the text has this user's signature or
    names no code; as `confirmed` does for a config.

    Raises:
        ConfigError: if they name code, and are neither this user's nor trusted.
    """
    return _confirmed(data, file, trust, is_signed(text, signature))


def confirmed_header(about: dict[str, Any], replay: Path, trust: Trust) -> dict[str, Any]:
    """The header of a replay, the code of its environment marked as untrusted unless it is trusted
    or that of the run whose folder holds the replay, which is this user's."""
    code = code_in({name: about.get(name) for name in ("env", "wrappers")})
    if trust is True or (code and _is_of_own_run(replay, about)):
        return about
    if code and _agreed(replay, code, trust):
        return about
    return marked(about)


def _listed(named: Mapping[str, str]) -> str:
    return ", ".join(f"{setting}={code!r}" for setting, code in named.items())


def _agreed(file: Path, named: Mapping[str, str], trust: Trust) -> bool:
    if isinstance(trust, bool):
        return trust
    return trust(
        f"{file} names code, {_listed(named)}, and carries no signature of yours. Import it?"
    )


def _is_of_own_run(replay: Path, about: dict[str, Any]) -> bool:
    config = replay.absolute().parent.parent / "config.yaml"
    if not is_own(config):
        return False
    data = read_yaml(config)
    same = all(data.get(name) == about[name] for name in ("env", "env_kwargs"))
    return same and (data.get("wrappers") or []) == about.get("wrappers", [])
