"""A film of an untrained and a trained agent: `demos/untrained_beside_trained.py [cartpole]`."""

import sys
from pathlib import Path

from elsinore import demo

name = sys.argv[1] if len(sys.argv) > 1 else "hamlet"
print(demo(name).untrained_beside_trained(Path(f"{name}-untrained-beside-trained.gif")))
