"""The scene of any state: its numbers as facts, its small arrays as pictures."""

from typing import Any

import numpy as np
from jaxtyping import PyTree

from elsinore.envs.scene import Facts, Panel, Scene, Shades, rounded
from elsinore.envs.view import env_name

MAX_PICTURE_SIZE = 64  # rows and columns of an array shown as a picture
MAX_LEAVES = 24  # of a state, shown as facts or pictures


def plain_scene(env: Any, params: PyTree, state: PyTree) -> Scene:
    """The state's numbers as facts and its small arrays as pictures."""
    facts, pictures = [], []
    for name, value in list(_named_leaves(state))[:MAX_LEAVES]:
        value = np.asarray(value)
        if value.size == 1:
            facts.append((name, format_value(value)))
        elif _is_picture(value):
            pictures.append(shades(name, value))
        else:
            facts.append((name, f"{value.dtype.name} {list(value.shape)}"))
    panels: list[Panel] = pictures
    if facts:
        panels = [*pictures, Facts("state", tuple(facts))]
    return Scene(env_name(env), tuple(panels))


def format_value(value: Any) -> str:
    """A number or boolean as text."""
    value = np.asarray(value).reshape(())
    return ("yes" if value else "no") if value.dtype == bool else rounded(value)


def shades(name: str, value: np.ndarray) -> Shades:
    """An array of one or two axes as a picture."""
    rows = np.atleast_2d(value).astype(float)
    finite = rows[np.isfinite(rows)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    scaled = np.nan_to_num((rows - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    return Shades(name, tuple(map(tuple, scaled.round(4).tolist())), rounded(low), rounded(high))


def _is_picture(value: np.ndarray) -> bool:
    return (
        value.ndim in (1, 2)
        and value.size > 0
        and max(value.shape) <= MAX_PICTURE_SIZE
        and value.dtype.kind in "biuf"
    )


def _named_leaves(state: PyTree):
    """Every leaf by its dotted name."""
    import jax

    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        yield jax.tree_util.keystr(path, simple=True, separator="."), leaf
