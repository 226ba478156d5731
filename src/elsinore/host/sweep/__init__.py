"""Hyperparameter search: trials as members of populations, group after group, each an ordinary run."""
