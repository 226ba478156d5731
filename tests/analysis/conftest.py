"""Fixtures of runs, for tests of what is made from runs."""

from tests.runs.conftest import mlflow_uri, whole  # noqa: F401
