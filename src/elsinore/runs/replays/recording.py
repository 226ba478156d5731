"""An episode as arrays and facts, as replays and films have it."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.errors import ConfigError
from elsinore.runs.members import learner_names
from elsinore.training.recording import EACH_STEP, Recording
from elsinore.types import agent_name

FORMAT = 2  # episodes of several agents; format 1 is an episode of one agent
AGENT_KEYS = ("lengths", "returns", "endings")  # one value for each of several agents
SCORE_PREFIX = "preferences."  # before the names of action scores in a file


class EpisodeRecording(NamedTuple):
    """An episode as it is stored in a file.

    `about` has: `format`, `env` (a name or "module:Class"), `env_kwargs`, `wrappers` (absent in
    older files), `length` (steps), `return` (sum of the rewards), `terminated`, `truncated`,
    `time` (of the recording, Unix), and the origin of the policy, where it is known: `algo`, `run`,
    `seed`, `update`, `env_steps`, `greedy`.

    An episode of several agents has their number `agents`, and `lengths`, `returns` and `endings`
    of each (terminated, truncated, or cut); `length` is then the greatest, `return` the mean, and
    `terminated` is true if all agents terminated. Its arrays have one more axis: [time, agent,
    ...], and `params<path>` [agent, ...].
    """

    about: dict[str, Any]
    # `state<path>` [length + 1, ...], `action` [length, ...] ..., `params<path>`, and
    # `observation<path>` [length, ...] where it was asked for
    arrays: dict[str, np.ndarray]

    @property
    def agents(self) -> int:
        return int(self.about.get("agents", 1))

    def of_agent(self, agent: int) -> "EpisodeRecording":
        """The episode of one of several agents, up to its own end."""
        if self.agents == 1:
            return self
        length = self.about["lengths"][agent]

        def own(name: str, x: np.ndarray) -> np.ndarray:
            if name.startswith("params"):
                return x[agent]
            return x[: length + name.startswith("state"), agent]

        ending = self.about["endings"][agent]
        facts = {
            "format": 1,
            "length": length,
            "return": self.about["returns"][agent],
            "agent": agent,
            "terminated": ending == "terminated",
            "truncated": ending == "truncated",
        }
        rest = {name: x for name, x in self.about.items() if name not in ("agents", *AGENT_KEYS)}
        arrays = {name: own(name, x) for name, x in self.arrays.items()}
        return EpisodeRecording(
            rest | facts, {name: x for name, x in arrays.items() if not _is_of_others(name, x)}
        )

    @property
    def agent_names(self) -> list[str]:
        """The name of each agent."""
        names = self.about.get("agent_names")
        given = isinstance(names, list) and len(names) == self.agents
        return list(map(str, names if given else map(agent_name, range(self.agents))))

    def film(self, state_like: PyTree) -> Recording:
        """The episode, its states in the structure of `state_like`.

        Raises:
            ConfigError: if the environment's state has another structure than when it was recorded.
        """
        state = self._tree("state", state_like, lead=1 + (self.agents > 1))
        scores = {
            k.removeprefix(SCORE_PREFIX): x
            for k, x in self.arrays.items()
            if k.startswith(SCORE_PREFIX)
        }
        each = {name: self.arrays.get(name) for name in EACH_STEP}
        each |= {"action_scores": scores, "observation": ()}  # which nothing draws
        return Recording(state=state, **each, length=np.int32(self.about["length"]))

    def params(self, params_like: PyTree) -> PyTree:
        """The environment's parameters during the episode."""
        return self._tree("params", params_like, lead=int(self.agents > 1))

    def _tree(self, prefix: str, like: PyTree, lead: int) -> PyTree:
        """The arrays of a pytree, with `lead` axes before those of `like`."""
        named, tree = jax.tree_util.tree_flatten_with_path(like)
        leaves = []
        for path, leaf in named:
            name = prefix + jax.tree_util.keystr(path)
            found, wanted = self.arrays.get(name), np.shape(leaf)
            if found is None or (not _is_key(leaf) and found.shape[lead:] != wanted):
                has = (
                    "is missing"
                    if found is None
                    else f"is {list(found.shape[lead:])} and should be {list(wanted)}"
                )
                raise ConfigError(
                    f"this replay of {self.about['env']} was made with another version of that"
                    f" environment: {name} {has}; record it again."
                )
            leaves.append(found)
        return jax.tree.unflatten(tree, leaves)


def _is_of_others(name: str, x: np.ndarray) -> bool:
    """True for a score that this agent's algorithm does not have, beside agents whose has it."""
    return name.startswith(SCORE_PREFIX) and bool(np.isnan(x).all())


def recording_of(film: Recording, params: PyTree, about: dict[str, Any]) -> EpisodeRecording:
    """An episode without its padding, ready for `write`.

    With several agents `params` are [agent, ...] (`episode_player.params_of_each`).
    """
    film = jax.tree.map(np.asarray, film)
    length = int(film.length)
    arrays = {
        **_named("state", jax.tree.map(lambda x: x[: length + 1], film.state)),
        **{f"{SCORE_PREFIX}{name}": x[:length] for name, x in film.action_scores.items()},
        **_named("observation", jax.tree.map(lambda x: x[:length], film.observation)),
        **{
            name: x[:length]
            for name in EACH_STEP
            if name not in ("action_scores", "observation")
            and (x := getattr(film, name)) is not None
        },
        **_named("params", jax.tree.map(np.asarray, params)),
    }
    facts = _facts(arrays, length) if film.reward.ndim == 1 else _facts_of_each(arrays, length)
    return EpisodeRecording({"env_kwargs": {}, **facts, "time": time.time(), **about}, arrays)


def _facts(arrays: dict[str, np.ndarray], length: int) -> dict[str, Any]:
    return {
        "format": 1,
        "length": length,
        "return": float(arrays["reward"].sum(dtype=np.float64)),
        "terminated": bool(arrays["terminated"][-1]),
        "truncated": bool(arrays["truncated"][-1]),
    }


def _facts_of_each(arrays: dict[str, np.ndarray], length: int) -> dict[str, Any]:
    returns = arrays["reward"].sum(axis=0, dtype=np.float64)
    terminated, truncated = arrays["terminated"], arrays["truncated"]
    over = terminated | truncated
    died, ended = terminated.any(axis=0), over.any(axis=0)
    lengths = np.where(ended, over.argmax(axis=0) + 1, length)
    return {
        "format": FORMAT,
        "agents": len(returns),
        "length": length,
        "return": float(returns.mean()),
        "lengths": lengths.tolist(),
        "returns": returns.tolist(),
        "endings": np.where(died, "terminated", np.where(ended, "truncated", "cut")).tolist(),
        "terminated": bool(died.all()),
        "truncated": bool(ended.all() and not died.all()),
    }


def provenance(
    experiment: Experiment, run: str, seed: int, update: int, steps_per_update: int, greedy: bool
) -> dict[str, Any]:
    """The origin of a replay, for its `about`."""
    return {
        "env": experiment.env,
        "env_kwargs": experiment.env_kwargs,
        "wrappers": list(experiment.wrappers),
        **_of_agents(experiment),
        "run": run,
        "seed": seed,
        "update": update,
        "env_steps": update * steps_per_update,
        "greedy": greedy,
        **_of_members(experiment, seed),
    }


def learner_name(about: Mapping[str, Any]) -> str:
    """The learner of a replay: `seed 3`, in a population with its member's settings; "" where its
    seed is not known."""
    return str(about.get("replica") or (f"seed {about['seed']}" if "seed" in about else ""))


def _of_members(experiment: Experiment, seed: int) -> dict[str, Any]:
    """In a population, whose members have the same seeds, the name of the learner."""
    names = learner_names(experiment) if experiment.vary else []
    return {"replica": names[seed - experiment.seed]} if names else {}


def _of_agents(experiment: Experiment) -> dict[str, Any]:
    """The algorithm, and where agents have names or settings of their own, those of each."""
    names = {"agent_names": experiment.agents.names} if experiment.agents.each else {}
    return {"algo": experiment.algorithms, **names}


def _named(prefix: str, tree: PyTree) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {prefix + jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key)
