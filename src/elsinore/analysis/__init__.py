"""Conclusions from many runs: comparisons, hyperparameter searches, queries."""
