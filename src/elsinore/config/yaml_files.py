"""Settings as YAML: files, texts, and `--set name=value`."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from elsinore.errors import ConfigError, one_line, shown, why_unreadable
from elsinore.validation import why_no_path

MAX_YAML_CHARACTERS, MAX_YAML_DEPTH = 1_000_000, 50
NO_SETTINGS = "it must hold settings, such as `env: CartPole-v1`."


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # pyright: ignore
    """YAML 1.1, which reads 1e-3 as text, with the exponents of YAML 1.2."""


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """A whole number of at most 64 bits, in decimals or with 0x or 0b: YAML 1.1 reads 010 as 8, and
    1:30 as 90."""
    if re.fullmatch(r"[-+]?0[0-7_]+|[-+]?[0-9_]+(:[0-9]+)+", node.value):
        raise ValueError(f"{node.value[:20]} is not a decimal number; write it without 0 or colon")
    number = loader.construct_yaml_int(node)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{node.value[:20]}... is beyond 64 bits; use at most 2^63 - 1")
    return number


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    """A number in decimals: YAML 1.1 reads 1:30.5 as 90.5."""
    if ":" in node.value:
        raise ValueError(f"{node.value[:20]} is not a decimal number; write it without a colon")
    return loader.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def parsed_yaml(text: str) -> Any:
    """The data of a YAML text.

    Raises:
        ValueError: for a text that is no YAML, too long (aliases written out), nested too deeply,
            or has a key twice in one mapping.
    """
    if len(text) > MAX_YAML_CHARACTERS:
        raise ValueError(f"it has more than {MAX_YAML_CHARACTERS:,} characters")
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_YAML_DEPTH:
                raise ValueError(f"it is nested more than {MAX_YAML_DEPTH} levels deep")
        loader = _Loader(text)
        if (node := loader.get_single_node()) is None:
            return None
        if _written_out(node, {}) > MAX_YAML_CHARACTERS:
            raise ValueError("its aliases, written out, are too long or hold themselves")
        return loader.construct_document(node)
    except (yaml.YAMLError, OverflowError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(one_line(error)) from error


def _written_out(node: yaml.Node, seen: dict[int, float]) -> float:
    """Characters of a node with every alias in it written out; infinite where it holds itself.

    Raises:
        ValueError: for a mapping with a key twice.
    """
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) + 2
    if id(node) not in seen:
        seen[id(node)], parts = math.inf, node.value
        if isinstance(node, yaml.MappingNode):
            keys = Counter((k.tag, k.value) for k, _ in node.value if isinstance(k.value, str))
            for (_, name), count in keys.items():
                if count > 1:
                    raise ValueError(f"the key {name!r} stands twice in one mapping")
            parts = itertools.chain.from_iterable(node.value)
        seen[id(node)] = 2 + sum(_written_out(part, seen) for part in parts)
    return seen[id(node)]


class _Dumper(yaml.SafeDumper):
    """Quotes text that `_Loader` would read as a number."""


_Dumper.add_multi_representer(str, yaml.SafeDumper.represent_str)  # an `UntrustedName`, too

for _yaml in (_Loader, _Dumper):
    _yaml.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


def shipped(path: Path) -> Path:
    """The path itself where it exists; else a path such as `configs/hamlet/mood6.yaml` among the
    configs that come with the package, or lie beside its sources."""
    if path.parts[:1] == ("configs",) and not path.exists():
        package = Path(__file__).parents[1]
        return next((p for p in (package / path, package.parents[1] / path) if p.exists()), path)
    return path


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, or in one that is shipped under that name.

    Raises:
        ConfigError: for a file that does not exist, cannot be read, is no YAML, or is no mapping.
    """
    data = read_data(path)
    if not isinstance(data, dict):
        raise ConfigError(f"config {shown(path)} is a {type(data).__name__}; {NO_SETTINGS}")
    return data


def read_data(path: Path) -> Any:
    """The data in a YAML file; refused as by `read_yaml`, which takes a mapping alone."""
    if odd := why_no_path(str(path)):
        raise ConfigError(f"config {str(path)!r} is no path; use one without {odd}.")
    try:
        with shipped(path).open(encoding="utf-8") as file:
            data = parsed_yaml(file.read(MAX_YAML_CHARACTERS + 1))
    except OSError as error:
        raise ConfigError(
            f"config {shown(path)} cannot be read: {why_unreadable(error)}."
        ) from error
    except ValueError as error:
        raise ConfigError(f"config {shown(path)} is not valid YAML: {error}.") from error
    if not data:
        raise ConfigError(f"config {shown(path)} is empty; {NO_SETTINGS}")
    return data


def yaml_text(data: Any) -> str:
    """Plain data as the YAML text that `read_yaml` reads."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False)


def parse_set(assignments: Iterable[str]) -> dict[str, Any]:
    """`["algo.gamma=0.9", ...]` as a mapping; values are read as YAML."""
    overrides = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(
                f"--set {text!r} must have the form name=value, such as --set algo.gamma=0.9."
            )
        try:
            overrides[name.strip()] = parsed_yaml(value)
        except ValueError as error:
            raise ConfigError(
                f"--set {name}: the value {value!r} is not valid YAML: {error}."
            ) from error
    return overrides
