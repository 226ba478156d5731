"""Adapters for other training libraries: environments in the APIs of Gymnasium and PettingZoo."""
