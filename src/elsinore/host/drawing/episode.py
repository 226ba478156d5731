"""An episode as scenes: the world as it shows itself, beside it what the policy thought and what came of it."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.build import ConfigError
from elsinore.envs import make
from elsinore.envs.scene import Choice, Choices, Facts, Panel, Scene, number
from elsinore.envs.views import View, view_of
from elsinore.experience.autoreset import reset
from elsinore.host.replays import Replay

MOST = 8  # actions that are shown


def world_of(replay: Replay, env: Any = None) -> tuple[Any, PyTree, PyTree]:
    """The world of a replay, made again unless it is given; parameters and a state as one agent's are.

    Raises:
        ConfigError: where it cannot be made.
    """
    try:
        env, params = make(env or replay.about["env"], {} if env else replay.about["env_kwargs"])
    except ValueError as error:
        raise ConfigError(f"the world of this replay cannot be made: {error}") from error
    return env, params, jax.eval_shape(lambda key: reset(env, key, params)[1], jax.random.key(0))


class Episode:
    """A replay in its world, to be looked at step by step.

    Raises:
        ConfigError: where the world cannot be made again, or is another than it was.
    """

    def __init__(self, replay: Replay, env: Any = None):
        self.about = replay.about
        self.env, params, state = world_of(replay, env)
        self.params, self.film = replay.params(params), replay.film(state)
        self.view: View = view_of(self.env)
        self._returns = np.concatenate([[0.0], np.cumsum(self.film.reward, dtype=np.float64)])
        self._names = self.view.action_names(self.env, self.params)

    def __len__(self) -> int:
        """Scenes: one for each state, the last being what the last step led to."""
        return int(self.film.length) + 1

    def scene(self, time: int) -> Scene:
        """What there is to see after `time` steps."""
        world = self.world(time)
        return Scene(self.title(world.title), (*world.panels, *self.beside(time)))

    def world(self, time: int) -> Scene:
        """The world as it shows itself."""
        state = jax.tree.map(lambda x: x[time], self.film.state)
        if time < len(self) - 1 and self.view.deciding is not None:
            return self.view.deciding(self.env, self.params, state, self.film.action[time])
        return self.view.scene(self.env, self.params, state)

    def beside(self, time: int) -> tuple[Panel, ...]:
        """What the policy thought of its actions there, and what has come of it all so far."""
        decision = self._decision(time) if time < len(self) - 1 else ()
        return *decision, self._facts(time)

    def title(self, world: str) -> str:
        """The world, and who lives in it."""
        who = [self.about["algo"]] if self.about.get("algo") else []
        who += [f"seed {self.about['seed']}"] if "seed" in self.about and who else []
        steps = self.about.get("env_steps")
        return " · ".join([world, *who, *([f"after {steps:,} env steps"] if steps is not None else [])])

    def _decision(self, time: int) -> tuple[Panel, ...]:
        """What the policy thought of its actions, and which it took."""
        taken = np.asarray(self.film.action[time])
        panels = []
        for measure, values in self.film.preferences.items():
            values = np.asarray(values[time])
            if measure in ("mean", "standard deviation"):
                continue
            for i, row in enumerate(np.atleast_2d(values)):
                title = "action" if values.ndim == 1 else f"choice {i + 1}"
                panels.append(self._choices(title, measure, row, int(taken.reshape(-1)[i])))
        return tuple(panels) or (Facts("action", tuple(self._continuous(time, taken))),)

    def _choices(self, title: str, measure: str, values: np.ndarray, taken: int) -> Choices:
        legal = np.isfinite(values) if measure == "action value" else values > 0.0
        shown = range(len(values))
        if len(values) > MOST:
            shown = sorted({*np.argsort(-values, kind="stable")[: MOST - 1].tolist(), taken})
        choices = (Choice(self.action_name(i), float(values[i]) if legal[i] else 0.0, i == taken, bool(legal[i]))
                   for i in shown)  # fmt: skip
        return Choices(title, measure, tuple(choices))

    def _continuous(self, time: int, taken: np.ndarray):
        """Rows about an action that is numbers, or of which nothing is known."""
        if not np.issubdtype(taken.dtype, np.floating):
            yield "taken", ", ".join(self.action_name(int(i)) for i in taken.reshape(-1))
            return
        mean, spread = (self.film.preferences.get(name) for name in ("mean", "standard deviation"))
        for i, x in enumerate(taken.reshape(-1)):
            which = f" {i + 1}" if taken.size > 1 else ""
            yield f"taken{which}", f"{x:+.2f}"
            if mean is not None and spread is not None:
                yield f"meant{which}", f"{mean[time].reshape(-1)[i]:+.2f} ± {spread[time].reshape(-1)[i]:.2f}"

    def action_name(self, action: int) -> str:
        return self._names[action] if self._names and action < len(self._names) else f"action {action}"

    def _facts(self, time: int) -> Facts:
        length = len(self) - 1
        rows = [("step", f"{time:,} of {length:,}"), ("return", number(self._returns[time]))]
        rows += [("last reward", number(self.film.reward[time - 1]))] if time else [("last reward", "-")]
        if self.film.value is not None:
            rows.append(("value", number(self.film.value[time]) if time < length else "-"))
        rows.append(("outcome", self.outcome if time == length else "going on"))
        return Facts("episode", tuple(rows))

    @property
    def outcome(self) -> str:
        """How it ended."""
        if self.about.get("terminated"):
            return "the world ended it"
        return "time ran out" if self.about.get("truncated") else "recording ended"
