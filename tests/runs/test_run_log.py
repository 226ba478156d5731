"""Lines of a run's log, and where they go."""

import logging

from elsinore.runs.run_log import logging_to
from elsinore.runs.sinks.console import PROGRESS


def test_progress_lines_go_to_the_file_alone_where_other_libraries_log_too(tmp_path, caplog):
    log, progress = logging.getLogger("elsinore"), logging.getLogger(PROGRESS)
    with logging_to(tmp_path / "outer.log"), logging_to(tmp_path / "inner.log"):
        log.info("compiled")
        progress.info("50%")
    assert caplog.messages == ["compiled"]
    for name in ("outer.log", "inner.log"):
        lines = (tmp_path / name).read_text().splitlines()
        assert [line.split()[-1] for line in lines] == ["compiled", "50%"]
    assert (log.handlers, progress.handlers, progress.propagate) == ([], [], True)
