"""`python -m elsinore` is `elsinore`."""

from elsinore.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
