"""Metric sinks. Each fills itself from the run's store, except the console."""
