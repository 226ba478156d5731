"""The end of a session, as sinks report it; `info.ended` of the store has that of the last one, if
an error or a signal ended it before a summary."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from elsinore.runs.summary import has_ended, read_summary

End = Literal["finished", "interrupted", "failed"]


def forget_interruption(folder: RunDir) -> None:
    """Remove the summary of an interrupted run, which trains on from here."""
    if read_summary(folder.summary).get("stopped_by") == "interrupted":
        folder.summary.unlink()


def note_end(database: Path, error: BaseException) -> None:
    """Record that this ends a session. A store that cannot be written has no record: the error is
    on its way."""
    end: End = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    with contextlib.suppress(Exception), contextlib.closing(Store(database)) as store:
        store.describe(ended=end)


def end_of(summary: Mapping[str, Any], info: Mapping[str, Any]) -> End:
    """The end of a run's last session, by its summary and the facts of its store."""
    if has_ended(summary):
        return "finished"
    noted = info.get("ended")
    return noted if noted in ("interrupted", "failed") else "interrupted" if summary else "failed"
