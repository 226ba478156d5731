"""Views of gymnax's environments, by class name."""

from elsinore.envs.suites.gymnax_views import boards, classic, minatar

VIEWS = {**classic.VIEWS, **boards.VIEWS, **minatar.VIEWS}
