"""Every setting with its type, default, domain and meaning, read from the dataclasses themselves.

A field's meaning is the comment beside it, or the comment lines above it; its domain is what the
checks of `elsinore.validation` in its class allow.
"""

import ast
import dataclasses
import functools
import inspect
import math
import re
import textwrap
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from elsinore.algos.registry import ALGORITHMS, config_type
from elsinore.config.experiment import Experiment
from elsinore.config.search import SweepConfig
from elsinore.envs import make


class Setting(NamedTuple):
    """One setting, as texts."""

    name: str  # dotted, as `--set` takes it
    type: str
    default: str  # as YAML
    domain: str  # empty: any value of the type
    meaning: str
    traced: bool  # True: members of a population may have different values


class SettingsGroup(NamedTuple):
    """The settings of one dataclass."""

    name: str  # dotted; empty: the experiment
    meaning: str
    settings: tuple[Setting, ...]


# Each check of `elsinore.validation` as the domains that it leaves: {field: text}.
_DOMAINS: dict[str, Any] = {
    "above_zero_to_one": lambda *names: dict.fromkeys(names, "above 0, at most 1"),
    "at_least": lambda least, *names, null="": dict.fromkeys(names, f"at least {least}"),
    "counts": lambda least, *names: dict.fromkeys(names, f"at least {least}"),
    "in_unit_interval": lambda *names: dict.fromkeys(names, "0 to 1"),
    "not_negative": lambda *names: dict.fromkeys(names, "at least 0"),
    "one_of": lambda name, *choices: {name: " | ".join(choices)},
    "positive": lambda *names, off={}: (
        dict.fromkeys(names, "above 0")
        | {name: f"above 0, or {as_yaml(value)}" for name, value in off.items()}
    ),
}


def topics() -> dict[str, tuple[SettingsGroup, ...]]:
    """The settings of the experiment, of each algorithm and of a sweep, by topic."""
    return {
        "experiment": groups_of(Experiment),
        **{name: algo_settings(name) for name in ALGORITHMS},
        "sweep": groups_of(SweepConfig, "sweep"),
    }


def algo_settings(name: str) -> tuple[SettingsGroup, ...]:
    """The settings of an algorithm, built-in or `"module:function"`.

    Raises:
        ValueError: as `elsinore.algos.registry.config_type`.
    """
    return groups_of(config_type(name), "algo")


def env_settings(name: str) -> tuple[SettingsGroup, ...]:
    """The parameters of an environment.

    Raises:
        ValueError: as `elsinore.envs.make`.
    """
    _, params = make(name)
    values = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    meanings = dict.fromkeys(values, "")
    meanings |= meanings_of(type(params)) | {"max_steps_in_episode": "The time limit, in steps."}
    kind = lambda x: "number" if np.ndim(x) == 0 else f"numbers of shape {np.shape(x)}"  # noqa: E731
    settings = tuple(
        Setting(
            f"env_params.{key}", kind(x), as_yaml(np.asarray(x).tolist()), "", meanings[key], False
        )
        for key, x in values.items()
    )
    return (
        SettingsGroup(
            "env_params", f"Parameters of {name}; a curriculum may change them.", settings
        ),
    )


def groups_of(cls: type, name: str = "", default: Any = None) -> tuple[SettingsGroup, ...]:
    """The settings of a dataclass and then those of the dataclasses in it.

    Args:
        name: the place of the dataclass in the config.
        default: an instance whose values are the defaults, where they are not the class's own.
    """
    return tuple(_groups(cls, name, default, set()))


def _groups(cls: type, path: str, default: Any, seen: set[type]) -> Iterator[SettingsGroup]:
    hints, meanings, domains = typing.get_type_hints(cls), meanings_of(cls), domains_of(cls)
    seen.add(cls)
    settings, inner = [], []
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        name = f"{path}.{field.name}" if path else field.name
        value, hint = _default(field, default), hints[field.name]
        member = _dataclass_in(hint)
        if member is not None and not any(issubclass(other, member) for other in seen):
            own = value if isinstance(value, member) else None
            many = "[]" if typing.get_origin(hint) is tuple else ""
            inner += _groups(member, name + many, own, seen)
        if not dataclasses.is_dataclass(hint):
            choices, meaning = _split(meanings.get(field.name, ""))
            domain, traced = domains.get(field.name, choices), "traced" in field.metadata
            setting = Setting(name, _type_text(hint), as_yaml(value), domain, meaning, traced)
            settings.append(setting)
    yield SettingsGroup(path, _first_paragraph(cls), tuple(settings))
    yield from inner


def _split(comment: str) -> tuple[str, str]:
    """The choices that a comment begins with, as in "max | min: the better one.", and the rest."""
    choices = re.match(r"(\w+(?: \| \w+)+): (.*)", comment)
    found, meaning = choices.groups() if choices else ("", comment)
    return found, meaning[:1].upper() + meaning[1:]


def _default(field: dataclasses.Field, instance: Any) -> Any:
    if instance is not None:
        return getattr(instance, field.name)
    return (
        field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    )


def _dataclass_in(hint: Any) -> type | None:
    """The dataclass that a value of this type is, or holds."""
    for part in (hint, *typing.get_args(hint)):
        if isinstance(part, type) and dataclasses.is_dataclass(part):
            return part
    return None


def _type_text(hint: Any) -> str:
    args = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else _type_text(a) for a in args)
    if typing.get_origin(hint) is tuple:
        return f"list of {_type_text(args[0])}"
    if typing.get_origin(hint) is dict or hint is dict:
        return "mapping"
    if dataclasses.is_dataclass(hint):
        return "mapping"
    return {str: "text", Any: "any"}.get(hint, getattr(hint, "__name__", str(hint)))


def as_yaml(value: Any) -> str:
    """A default as the text that a config file would have."""
    if value is dataclasses.MISSING:
        return "required"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return ".inf" if value == math.inf else repr(float(f"{value:.6g}"))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {as_yaml(v)}' for k, v in value.items())}}}"
    if dataclasses.is_dataclass(value):
        return str(getattr(value, "name", type(value).__name__))
    return '""' if value == "" else str(value)


def _first_paragraph(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


@functools.cache
def _class_source(cls: type) -> tuple[str, ast.ClassDef] | None:
    """The lines of a class and its syntax tree; None where there is no source file."""
    try:
        text = textwrap.dedent(inspect.getsource(cls))
        node = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    return (text, node) if isinstance(node, ast.ClassDef) else None


def meanings_of(cls: type) -> dict[str, str]:
    """The comment of each field of a dataclass, by name; inherited fields are included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        source = _class_source(base)
        if source is None:
            continue
        comments, alone = _comments(source[0])
        for node in source[1].body:
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            above, line = [], node.lineno - 1
            while line in alone:
                above.insert(0, comments[line])
                line -= 1
            beside = comments.get(node.end_lineno or 0)
            if text := " ".join([*above, *([beside] if beside else [])]):
                found[node.target.id] = text
    return found


def _comments(text: str) -> tuple[dict[int, str], set[int]]:
    """Comments by line number, and the lines that hold nothing else."""
    comments, alone = {}, set()
    lines = iter(text.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.lstrip("# ").strip()
            if not token.line[: token.start[1]].strip():
                alone.add(token.start[0])
    return comments, alone


def domains_of(cls: type) -> dict[str, str]:
    """The domain of each field that a check of `elsinore.validation` bounds, by name."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        source = _class_source(base)
        for node in ast.walk(source[1]) if source is not None else ():
            if isinstance(node, ast.Call):
                found |= _domain_of(node, vars(inspect.getmodule(base)))
    return found


def _domain_of(call: ast.Call, namespace: dict[str, Any]) -> dict[str, str]:
    """The domains that a check in a class leaves; none for any other call."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    if name not in _DOMAINS or not call.args or getattr(call.args[0], "id", None) != "self":
        return {}
    values = []
    try:
        for node in call.args[1:]:
            starred = isinstance(node, ast.Starred)
            value = _value(node.value if starred else node, namespace)
            values += list(value) if starred else [value]
        more = {k.arg: _value(k.value, namespace) for k in call.keywords if k.arg is not None}
    except (KeyError, ValueError):  # names of a loop
        return {}
    return _DOMAINS[name](*values, **more)


def _value(node: ast.expr, namespace: dict[str, Any]) -> Any:
    """A literal, a name of the module, or a mapping of them, such as `{"target_kl": None}`."""
    if isinstance(node, ast.Name):
        return namespace[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, namespace), node.attr)
    if isinstance(node, ast.Dict):
        keys = [_value(key, namespace) for key in node.keys if key is not None]
        return dict(zip(keys, (_value(x, namespace) for x in node.values), strict=True))
    return ast.literal_eval(node)
