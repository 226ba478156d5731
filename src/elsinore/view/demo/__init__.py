"""Demos: a short training, then episodes of the agent before, during and after it.

`snapshots` recomputes policies of the run, `episodes` plays and records them, `learning` draws the
curve, `side_by_side` draws several agents, `show` prints them in the terminal.
"""
