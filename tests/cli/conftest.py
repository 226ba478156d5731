"""The whole run of tests/runs, to compare with."""

from tests.runs.conftest import whole as whole
