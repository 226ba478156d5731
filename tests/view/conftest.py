"""Fixtures of runs, for tests of episodes."""

from tests.runs.conftest import whole  # noqa: F401
