"""Figures of an agent's progress: `python demos/progression.py [cartpole]`; trains it if needed."""

import sys
from pathlib import Path

from elsinore import demo

name = sys.argv[1] if len(sys.argv) > 1 else "hamlet"
made = demo(name)
print(made.progression(Path(f"{name}-progression.png")))
print(made.learning(Path(f"{name}-learning.png")))
