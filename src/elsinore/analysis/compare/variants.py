"""Variants: an algorithm, its settings and its label.

ppo                                an algorithm
ppo/CartPole-v1                    an algorithm with the settings of a preset, in any environment
my.module:make                     a custom algorithm
fast=ppo:algo.learning_rate=0.003  any of these with a label and settings:
                                   LABEL=ALGO:key=value:key=value
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elsinore.algos.registry import ALGORITHMS
from elsinore.config.mappings import dotted
from elsinore.config.presets import PRESETS
from elsinore.config.yaml_files import parse_set
from elsinore.errors import ConfigError
from elsinore.runs.run_dir import FOLDER_NAMES, is_folder_name

VARIANT_FORM = "LABEL=ALGO:key=value:key=value, such as fast=ppo:algo.gamma=0.9"


@dataclass(frozen=True)
class Variant:
    """A labelled algorithm and its dotted settings."""

    label: str
    algo: str
    settings: dict[str, Any] = field(default_factory=dict)
    preset: dict[str, Any] = field(default_factory=dict)  # settings of the preset that it names


def split_algos(text: str) -> list[str]:
    """Split `"ppo,wide=ppo:algo.network.hidden=[64,64]"` at the commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def variants_of(algos: Sequence[str] | Mapping[str, Any]) -> list[Variant]:
    """Parse a list of texts, or a mapping from label to algorithm name or dotted settings.

    Raises:
        ConfigError: for an invalid text, a label used twice, or an empty list.
    """
    if isinstance(algos, Mapping):
        variants = [_from_settings(label, settings) for label, settings in algos.items()]
    else:
        variants = [parse_variant(text) for text in ([algos] if isinstance(algos, str) else algos)]
    if not variants:
        raise ConfigError("--algos (in Python, algos) is empty; name at least one algorithm.")
    for i, variant in enumerate(variants):
        if variant.label in (other.label for other in variants[:i]):
            raise ConfigError(
                f"--algos (in Python, algos) has the label {variant.label!r} twice; give one"
                f" another label: {VARIANT_FORM}."
            )
    return variants


def parse_variant(text: str) -> Variant:
    """Parse `LABEL=ALGO:key=value:key=value`; label and settings are optional.

    Raises:
        ConfigError: for a text of another form.
    """
    head, settings = _at_colons(text)
    label, equals, algo = head.rpartition("=")
    known, _, rest = algo.partition(":")
    # a setting with no value
    if not algo or (equals and not label) or (known in (*ALGORITHMS, *PRESETS) and rest):
        raise ConfigError(f"algos={text!r} must have the form {VARIANT_FORM}.")
    return _variant(label or _default_label(algo), algo, parse_set(settings))


def _at_colons(text: str) -> tuple[str, list[str]]:
    """Split into the algorithm and its `key=value` parts; a part without `=` belongs to the part
    before it, as in `module:function`."""
    parts: list[str] = []
    for part in text.split(":"):
        if not parts or re.match(r"[A-Za-z_][\w.]*=", part):
            parts.append(part)
        else:
            parts[-1] += f":{part}"
    return parts[0], parts[1:]


def _from_settings(label: str, settings: Any) -> Variant:
    if isinstance(settings, str):
        settings = {"algo": settings}
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"algos[{label!r}]={settings!r} must be an algorithm's name or a mapping of dotted"
            " settings."
        )
    own = dict(settings)
    name = own.pop("algo", "ppo")
    return _variant(label, name, own)


def _variant(label: str, algo: Any, settings: dict[str, Any]) -> Variant:
    if not isinstance(label, str) or not is_folder_name(label):
        raise ConfigError(f"algos: the label {label!r} is not a folder name; use {FOLDER_NAMES}.")
    if not isinstance(algo, str):
        raise ConfigError(f"algos: the algorithm of {label!r} is {algo!r}; it must be a name.")
    if "/" not in algo:
        return Variant(label, algo, settings)
    if algo not in PRESETS:
        raise ConfigError(f"algos={algo!r} is not a preset; choose from {', '.join(PRESETS)}.")
    own = {f"algo.{key}": value for key, value in dotted(PRESETS[algo].get("algo", {})).items()}
    return Variant(label, algo.split("/")[0], settings, own)


def _default_label(algo: str) -> str:
    return algo.rpartition(":")[2].replace("/", "-")
