"""What a seed is taught next, decided on the device from the episodes it has finished.

A stage of a curriculum changes numbers of the world's parameters, which are traced: changing stage never recompiles.
`conditions` are statements about what was lived, as data; `judge` says whether they hold; `stages` moves along them,
and is where a curriculum of one's own begins; `lessons` teaches by one, update after update; `config` describes one.
"""

from elsinore.training.curriculum.stages import Course, Curriculum, Lived, staged

__all__ = ["Course", "Curriculum", "Lived", "staged"]
