"""The commit of the code that a run was started from."""

import subprocess

DESCRIBE = ("-c", "core.fsmonitor=false", "describe", "--always", "--dirty", "--exclude=*")


def current_commit() -> str:
    """The commit of the current folder's repository, with `-dirty` after it if files differ from
    it; empty outside of a repository and without git."""
    try:
        found = subprocess.run(  # the user's own git, wherever it is
            ("git", *DESCRIBE),  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
