"""Libraries that only some features need: extras of the package."""

import importlib.util

from elsinore.errors import ConfigError

# extra -> the modules that its features import
EXTRAS = {
    "onnx": ("onnx",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "watch": ("starlette", "uvicorn", "websockets"),
}


def has_extra(extra: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in EXTRAS[extra])


def require(extra: str, feature: str, instead: str) -> None:
    """Refuse a feature whose libraries are missing; `instead` is how to do without it.

    Raises:
        ConfigError: with the command that installs them.
    """
    if not has_extra(extra):
        raise ConfigError(
            f"{feature} needs a library that is not installed; pip install 'elsinore[{extra}]', or"
            f" {instead}."
        )
