"""The checkpoint of another run that a run begins from."""

from dataclasses import dataclass

from elsinore.validation import at_least, one_of

PARTS = ("policy", "learner", "all")


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """A run that begins with what another run learnt; `elsinore train --from RUN` writes this."""

    run: str  # The folder of the other run.
    # Its checkpoint: best, latest or a name such as best/0000000390; null: the best, or with parts:
    # all the latest.
    checkpoint: str | None = None
    # policy | learner | all: parameters and normalisers; also optimiser, target networks and
    # exploration bonus; also the replay buffer and, where the settings are equal, all else.
    parts: str = "policy"
    leave: tuple[str, ...] = ()  # Parts that begin anew, such as network.head or params.value.
    # The seed of the other run that every seed begins from; null: each its own where both runs
    # have as many (of each member of a population), or else the best one.
    seed: int | None = None

    @property
    def described(self) -> str:
        """The run's name, the checkpoint and the parts, as text."""
        name = self.run.rstrip("/").rpartition("/")[2]
        return f"{self.parts} of {name}@{self.checkpoint}"

    def __post_init__(self) -> None:
        one_of(self, "parts", *PARTS)
        at_least(self, 0, "seed", null="begins each seed from its own, or from the best")
