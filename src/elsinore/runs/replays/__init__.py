"""Replays of a run: episodes recorded in the background, as files."""
