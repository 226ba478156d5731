"""Balatro's hands are learnt: to play the best of them, and to discard for better ones."""

import pytest

from benchmarks.cases import BALATRO
from benchmarks.learning import reached

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# the return over one ante of a rule that discards what does not score; 0.60 without discards
DISCARDING = 1.53


def test_two_seeds_learn_to_discard_in_400_000_steps():
    """Each as well as by a written rule; who never discards, or not for a reason, has half of that
    at most."""
    case = next(case for case in BALATRO if case.key == ("Balatro-stage0", "ppo", "preset"))
    row = reached(
        case._replace(settings={"env_steps": 400_000, "evaluation.episodes": 16}), seeds=2
    )
    assert min(row["G"]) > DISCARDING
