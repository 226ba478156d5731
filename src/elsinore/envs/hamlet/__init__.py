"""The Hamlet worlds: small lives of meters to keep up, and places to do it."""

from elsinore.envs.hamlet.env import Hamlet, hamlet

__all__ = ["Hamlet", "hamlet"]
