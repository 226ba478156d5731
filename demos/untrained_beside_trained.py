"""An agent before and after it learnt, as a film: `python demos/untrained_beside_trained.py`, or with `cartpole`."""

import sys
from pathlib import Path

from elsinore.host.demo.api import demo

name = sys.argv[1] if len(sys.argv) > 1 else "hamlet"
print(demo(name).untrained_beside_trained(Path(f"{name}-untrained-beside-trained.gif")))
