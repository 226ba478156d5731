"""Checks of environments and algorithms, as functions that users can call."""
