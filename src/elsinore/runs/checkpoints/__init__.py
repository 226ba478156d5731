"""Checkpoints of a run: written, chosen, matched with its config, and read."""
