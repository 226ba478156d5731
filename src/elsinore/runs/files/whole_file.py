"""Files that people ask for, each written whole or not at all."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from elsinore.errors import ConfigError, why_unreadable
from elsinore.runs.failures import MACHINE_LIMITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, of the same ending in the same folder, which is renamed to `path` once it
    is written; a failure leaves nothing of it, and the file of before. A device or a pipe is
    written to as it is.

    Raises:
        ConfigError: if the file cannot be written, such as on a full disk.
    """
    renames = path.is_file() or not path.exists()
    target = path.resolve() if renames else path  # a link stays one; /dev/stdout has no other path
    name = f".{uuid.uuid4().hex[:12]}.unfinished{path.suffix}"
    unfinished = target.with_name(name) if renames else target
    try:
        yield unfinished
        if renames:
            unfinished.replace(target)
    except OSError as error:
        why = MACHINE_LIMITS.get(error.errno or 0) or f"{why_unreadable(error)}; choose another"
        raise ConfigError(f"{path} cannot be written: {why}.") from error
    finally:
        if renames:
            with contextlib.suppress(OSError):  # there may be no such folder
                unfinished.unlink()


def figure_path(path: Path, name: str = "path") -> Path:
    """The path of a figure, with .png where it has no ending; a device keeps its name.

    Raises:
        ConfigError: naming the setting, for an ending that is no format.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    if not path.suffix and path.name not in ("", ".."):
        device = path.exists() and not (path.is_file() or path.is_dir())
        return path if device else path.with_name(f"{path.name}.png")
    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in known:
        raise ConfigError(f"{name}={str(path)!r} must end in one of .{', .'.join(known)}.")
    return path


def write_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that the ending of the path names, by default .png.

    Raises:
        ConfigError: for an ending that is no format, or if it cannot be written.
    """
    path = figure_path(path)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format=path.suffix[1:] or "png")
