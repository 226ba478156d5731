"""Hyperparameter search: trials are members of populations, and each group of trials is a run."""
