"""`elsinore train` as a script, with the flags of the old DQN trainer (see `--help`)."""

import sys

from old_flags import parser

from elsinore.cli import main

if __name__ == "__main__":
    sys.exit(main(parser=parser()))
