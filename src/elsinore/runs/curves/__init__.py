"""Curves of a run's metrics: as values, as figures and as SVG."""
