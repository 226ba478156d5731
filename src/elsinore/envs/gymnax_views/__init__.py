"""How gymnax's worlds are seen, by the names of their classes."""

from elsinore.envs.gymnax_views import boards, classic, minatar

VIEWS = {**classic.VIEWS, **boards.VIEWS, **minatar.VIEWS}
