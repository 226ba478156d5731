"""metrics.sqlite of a run: written, read and repaired."""
