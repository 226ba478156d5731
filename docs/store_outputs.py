"""Run notebooks and store in them what readers see: `docs/store_outputs.py [NOTEBOOK ...]`.

Results, pictures and printed text stay; warnings, progress bars and paths of this machine do not.
"""

import argparse
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

REPOSITORY = Path(__file__).resolve().parent.parent
SHOWN = ("text/html", "text/plain", "image/png", "image/gif")  # of a result
PROGRESS = re.compile(r"\[[# ]{20}\]")
MOST = 2_000_000  # bytes of a notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; all in notebooks/ if none")
    paths = parser.parse_args().notebooks or sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=1200, resources={"metadata": {"path": path.parent}}
        ).execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.execution_count, cell.metadata = None, without_times(cell.metadata)
                cell.outputs = [kept for output in cell.outputs if (kept := shown(output))]
        text = nbformat.writes(notebook) + "\n"
        if len(text) > MOST:
            raise SystemExit(f"{path}: {len(text):,} bytes with outputs; show less, or smaller.")
        path.write_text(text)
        print(f"{path.name}: {len(text):,} bytes")


def without_times(metadata: dict) -> nbformat.NotebookNode:
    return nbformat.from_dict({k: v for k, v in metadata.items() if k != "execution"})


def shown(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The part of an output that is stored; None if nothing is."""
    if output.output_type == "stream":
        lines = [x for x in without_paths(output.text).splitlines() if not PROGRESS.match(x)]
        text = "\n".join(lines).strip("\n")
        if output.name != "stdout" or not text:
            return None
        return nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n")
    data = {kind: value for kind, value in output.get("data", {}).items() if kind in SHOWN}
    if not data or any(kind.endswith("widget-view+json") for kind in output.data):
        return None
    if any(kind.startswith("image/") for kind in data):
        data.pop("text/plain", None)
    data = {
        kind: value if kind.startswith("image/") else without_paths(value)
        for kind, value in data.items()
    }
    return nbformat.v4.new_output("display_data", data=data)


def without_paths(text: str) -> str:
    """`text` with the folders of this machine shortened."""
    temporary = re.escape(tempfile.gettempdir())
    text = re.sub(rf"{temporary}/tmp\w+", "runs", text)
    return text.replace(f"{REPOSITORY}{os.sep}", "").replace(str(Path.home()), "~")


if __name__ == "__main__":
    main()
