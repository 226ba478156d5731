"""A comparison's report, on disk."""

import os
from typing import TYPE_CHECKING

from elsinore.config.build import ConfigError
from elsinore.host.comparison.figures import FIGURES
from elsinore.host.comparison.figures.style import RC, rendered
from elsinore.host.comparison.html import as_html
from elsinore.host.comparison.markdown import as_markdown
from elsinore.host.comparison.sections import document_of

if TYPE_CHECKING:
    from elsinore.host.comparison.api import Comparison


def write_report(comparison: "Comparison") -> "Comparison":
    """`report.html`, `report.md` and `figures/*.png`, in the comparison's folder.

    Raises:
        ConfigError: where they cannot be written.
    """
    from matplotlib import rc_context

    document = document_of(comparison.scores)
    svgs, pngs = {}, {}
    with rc_context(RC):
        for name in document.pictures:
            figure = FIGURES[name](comparison.scores)
            svgs[name], pngs[name] = rendered(figure, "svg"), rendered(figure, "png")
    try:
        folder = comparison.path / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        for name, png in pngs.items():
            (folder / f"{name}.png").write_bytes(png)
        (comparison.path / "report.md").write_text(as_markdown(document))
        (comparison.path / "report.html").write_text(as_html(document, svgs))
    except OSError as error:
        reason = f"{os.strerror(error.errno or 0)}; choose another --out."
        raise ConfigError(f"the report cannot be written to {comparison.path}: {reason}") from error
    return comparison
