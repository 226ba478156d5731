"""`python -m elsinore.cli` is `elsinore`."""

import sys

from elsinore.cli import main

if __name__ == "__main__":
    sys.exit(main())
