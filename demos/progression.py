"""How an agent got better: `python demos/progression.py`, or with `cartpole`. Trains it if it has to."""

import sys
from pathlib import Path

from elsinore.host.demo.api import demo

name = sys.argv[1] if len(sys.argv) > 1 else "hamlet"
made = demo(name)
print(made.progression(Path(f"{name}-progression.png")), made.learning(Path(f"{name}-learning.png")))
