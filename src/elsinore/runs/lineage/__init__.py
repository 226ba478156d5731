"""Runs that begin from another run, or continue it."""
