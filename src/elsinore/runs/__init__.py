"""Training runs: their directories, metrics, checkpoints, sinks, controls and exported policies."""
