"""One command from nothing to a picture: a short training, and what the agent was like on the way.

`recipes` says what is trained, `moments` has the policies of the way, `album` the episodes they played; `portraits`
draws several agents side by side, and `show` does so in a terminal.
"""
