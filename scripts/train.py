"""`elsinore train`, as a script, which takes the flags of the old DQN trainer as well (`--help` lists them)."""

import sys

from elsinore.cli import main

if __name__ == "__main__":
    sys.exit(main(["train-script", *sys.argv[1:]]))
