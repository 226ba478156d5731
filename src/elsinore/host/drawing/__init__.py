"""Scenes made visible: in a terminal, as images, as films."""
