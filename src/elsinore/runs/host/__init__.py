"""Runs on environments that are stepped on the host: rollouts, evaluations, recordings."""
