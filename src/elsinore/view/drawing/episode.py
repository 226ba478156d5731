"""Episodes as scenes: the environment's panels, the policy's action scores, and the outcome."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.envs import make
from elsinore.envs.scene import Choice, Choices, Facts, Panel, Scene, rounded
from elsinore.envs.suites import is_on_host
from elsinore.envs.view import View
from elsinore.envs.views import view_of
from elsinore.errors import ConfigError
from elsinore.experience.autoreset import reset
from elsinore.runs.replays.recording import EpisodeRecording, learner_name
from elsinore.runs.trust.redaction import has_mask

MAX_ACTIONS = 8  # actions shown in a scene


def env_of(replay: EpisodeRecording, env: Any = None) -> tuple[Any, PyTree, PyTree]:
    """Environment of a replay, with the structure of one agent's parameters and state.

    Raises:
        ConfigError: if the environment cannot be made.
    """
    try:
        about = replay.about
        made_of = (about["env"], about["env_kwargs"], {}, about.get("wrappers", ()))
        if env is None and has_mask(made_of):
            raise ValueError(
                f"a secret in env_kwargs={about['env_kwargs']!r} is masked; play the replay in the"
                " folder of its run, whose config.yaml has it."
            )
        env, params = make(*((env,) if env else made_of))
    except ValueError as error:
        raise ConfigError(f"the environment of this replay cannot be made: {error}") from error
    state = jax.eval_shape(lambda key: reset(env, key, params)[1], jax.random.key(0))
    return env, params, env.filmed(state) if is_on_host(env) else state


class Episode:
    """A replay with its environment, as one scene per state.

    Raises:
        ConfigError: if the environment cannot be made, or has changed since the recording.
    """

    def __init__(self, replay: EpisodeRecording, env: Any = None):
        self.about = replay.about
        self.env, params, state = env_of(replay, env)
        self.params, self.recording = replay.params(params), replay.film(state)
        self.view: View = view_of(self.env)
        self._returns = np.concatenate([[0.0], np.cumsum(self.recording.reward, dtype=np.float64)])
        self._names = self.view.action_names(self.env, self.params)

    def __len__(self) -> int:
        """Number of states, one more than the steps."""
        return int(self.recording.length) + 1

    def scene(self, time: int) -> Scene:
        """The scene after `time` steps."""
        scene = self.env_scene(time)
        return Scene(self.title(scene.title), (*scene.panels, *self.policy_panels(time)))

    def env_scene(self, time: int) -> Scene:
        """The scene of the environment alone."""
        state = jax.tree.map(lambda x: x[time], self.recording.state)
        if time < len(self) - 1 and self.view.deciding is not None:
            return self.view.deciding(self.env, self.params, state, self.recording.action[time])
        return self.view.scene(self.env, self.params, state)

    def policy_panels(self, time: int) -> tuple[Panel, ...]:
        """Preferences of the policy, the action it takes, and the return so far."""
        decision = self._decision(time) if time < len(self) - 1 else ()
        return *decision, self._facts(time)

    def title(self, env_title: str) -> str:
        """Environment, algorithm, seed and env steps, as far as they are known."""
        parts = [env_title]
        if self.about.get("algo"):
            parts.append(self.about["algo"])
            parts += filter(None, [learner_name(self.about)])
        if (steps := self.about.get("env_steps")) is not None:
            parts.append(f"after {steps:,} env steps")
        return " · ".join(parts)

    def _decision(self, time: int) -> tuple[Panel, ...]:
        taken = np.asarray(self.recording.action[time])
        panels = []
        for measure, values in self.recording.action_scores.items():
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
        if len(values) > MAX_ACTIONS:
            shown = sorted({*np.argsort(-values, kind="stable")[: MAX_ACTIONS - 1].tolist(), taken})
        choices = (
            Choice(
                self.action_name(i),
                float(values[i]) if legal[i] else 0.0,
                i == taken,
                bool(legal[i]),
            )
            for i in shown
        )
        return Choices(title, measure, tuple(choices))

    def _continuous(self, time: int, taken: np.ndarray):
        """Rows of a continuous action, or of one without scores."""
        if not np.issubdtype(taken.dtype, np.floating):
            yield "taken", ", ".join(self.action_name(int(i)) for i in taken.reshape(-1))
            return
        mean, spread = (
            self.recording.action_scores.get(name) for name in ("mean", "standard deviation")
        )
        for i, x in enumerate(taken.reshape(-1)):
            which = f" {i + 1}" if taken.size > 1 else ""
            yield f"taken{which}", f"{x:+.2f}"
            if mean is not None:
                within = "" if spread is None else f" ± {spread[time].reshape(-1)[i]:.2f}"
                yield f"mean{which}", f"{mean[time].reshape(-1)[i]:+.2f}{within}"

    def action_name(self, action: int) -> str:
        return (
            self._names[action] if self._names and action < len(self._names) else f"action {action}"
        )

    def _facts(self, time: int) -> Facts:
        length = len(self) - 1
        rows = [("step", f"{time:,} of {length:,}"), ("return", rounded(self._returns[time]))]
        rows += (
            [("last reward", rounded(self.recording.reward[time - 1]))]
            if time
            else [("last reward", "-")]
        )
        if self.recording.value is not None:
            rows.append(("value", rounded(self.recording.value[time]) if time < length else "-"))
        rows.append(("outcome", self.outcome if time == length else "running"))
        return Facts("episode", tuple(rows))

    @property
    def outcome(self) -> str:
        """`terminated`, `truncated` by a time limit, or `cut` at the end of the recording."""
        if self.about.get("terminated"):
            return "terminated"
        return "truncated" if self.about.get("truncated") else "cut"
