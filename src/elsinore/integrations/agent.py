"""An agent for your own loop in Python: the compiled learner, given transitions by hand.

    agent = elsinore.Agent("dqn", env.observation_space, env.action_space, seed=0)
    obs, _ = env.reset()
    for _ in range(10_000):
        action = agent.act(obs)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        agent.observe(reward, terminated, truncated, next_obs)
        agent.learn()
        obs = env.reset()[0] if terminated or truncated else next_obs

It acts, explores and learns as `elsinore.train` does: an update is a rollout of `rollout_length`
steps, and all the learning from it. Several environments are stepped side by side with `num_envs`;
then observations, actions, rewards and flags are [env, ...].
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.algos.registry import algorithm_of, custom_network, steps_per_update
from elsinore.algos.replay import truncate_running
from elsinore.arguments import checked
from elsinore.config.mappings import plain, set_dotted
from elsinore.config.parse import as_dict, build_algo
from elsinore.errors import ConfigError, ElsinoreError, counted, user_code
from elsinore.experience.normalisation import restart_returns
from elsinore.integrations.agent_files import not_saved, read_agent, write_agent
from elsinore.integrations.agent_program import compiled
from elsinore.integrations.agent_spaces import (
    ACTIONS,
    OBSERVATIONS,
    SpacesOnly,
    actions,
    observations,
    space_settings,
)
from elsinore.integrations.step_results import flags_of, rewards_of
from elsinore.jaxtools.platform import refuse_jax_settings
from elsinore.nets.network import reset_carry
from elsinore.types import Actor, Decision, TrainState, Transition


class Agent:
    """A learner outside of a compiled run, on any environment that Python can step.

    Args:
        algo: an algorithm's name, such as "ppo" or "dqn", or a mapping with its `name`.
        observation_space: a Box, Discrete, MultiDiscrete, MultiBinary or Dict of these, of
            Gymnasium or gymnax.
        action_space: a Discrete, MultiDiscrete or MultiBinary, or a Box of floats.
        seed: of its parameters and its exploration, from 0 to 2^31 - 1.
        env_steps: the length of the training, over which schedules go.
        settings: of the algorithm, such as `learning_rate=1e-3`; `num_envs` is 1 by default.

    Raises:
        ConfigError: for an unknown algorithm or setting, or a space that the algorithm cannot use.
    """

    @checked
    def __init__(
        self,
        algo: str | Mapping[str, Any],
        observation_space: Any,
        action_space: Any,
        *,
        seed: int = 0,
        env_steps: int = 100_000,
        **settings: Any,
    ):
        refuse_jax_settings()
        if not 0 <= seed < 2**31:
            raise ConfigError(f"seed={seed} must be at least 0 and below 2^31.")
        data: dict[str, Any] = {"name": algo} if isinstance(algo, str) else plain(algo)
        data.setdefault("num_envs", 1)
        for name, value in plain(settings).items():
            set_dotted(data, name, value)
        self.config = build_algo(data)
        _refuse_share_of_unknown(self.config)
        self._spaces = [
            space_settings(observation_space, OBSERVATIONS, "observation_space"),
            space_settings(action_space, ACTIONS, "action_space"),
        ]
        self._obs, self._action = observations(self._spaces[0]), actions(self._spaces[1])
        self._seed, self._env_steps = seed, env_steps
        env = SpacesOnly(self._obs, self._action)
        updates = env_steps // steps_per_update(self.config)
        if updates < 1:
            raise ConfigError(
                f"env_steps={env_steps} is less than one update; give at least"
                f" {steps_per_update(self.config)}."
            )
        try:
            network = custom_network(self.config)
            with user_code(algo=self.config.name):
                made = algorithm_of(self.config, env, env.default_params, updates, network)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        if made.parts is None:
            raise ConfigError(
                f"algo={self.config.name!r} has no parts (elsinore.types.UpdateParts), so it cannot"
                " learn outside of a compiled run."
            )
        self._initial_carry = made.policy.initial_carry
        self._program = compiled(made, made.parts, env.default_params)
        self.state: TrainState = self._program.init(jax.random.key(seed))
        self._begin_rollout()
        self._greedy_carry = self._carry

    @property
    def updates(self) -> int:
        """Updates done."""
        return int(self.state.update)

    @property
    def is_due(self) -> bool:
        """True if a rollout is complete, so that `learn` will learn from it."""
        return len(self._steps) == self.config.rollout_length

    def act(self, obs: Any, greedy: bool = False, first: Any = None) -> Any:
        """An action for an observation: as it explores, or the best one it knows.

        A greedy action is not learnt from. With `num_envs` above 1 both are [env, ...].

        Args:
            first: the observation begins an episode of greedy actions, whose recurrent carry is
                another than that of training: a bool, or bool [env]. A recurrent network needs it.

        Raises:
            ConfigError: for an observation of another shape, a second action before `observe`, or
                one while learning is due; for `first` without `greedy`, or where it is missing.
        """
        batch = self._batch(obs)
        if greedy:
            return self._written(self._greedy_action(batch, first))
        if first is not None:
            raise ConfigError(
                f"act: first={first!r} is for greedy actions; an episode of training begins after"
                " the end that observe() is given, or with new_episode()."
            )
        if self._pending is not None or self.is_due:
            due = "learn() is due" if self.is_due else "observe() what the last action led to first"
            begins = ", first=..." if jax.tree.leaves(self._initial_carry) else ""
            raise ConfigError(f"act: {due}; act(obs, greedy=True{begins}) asks without learning.")
        return self._written(self._decided(batch).env_action)

    def observe(self, reward: Any, terminated: Any, truncated: Any, next_obs: Any) -> None:
        """The result of the last action. `next_obs` is the true next observation, also where the
        episode ended; of both flags `terminated` counts.

        Raises:
            ConfigError: without an action, for numbers of another shape, a reward or an observation
                that is not finite, or a flag that is neither a bool nor 0 or 1.
        """
        if self._pending is None:
            raise ConfigError("observe: there is no action yet; act(obs) comes first.")
        self._observed(reward, terminated, truncated, self._batch(next_obs))

    def new_episode(self, envs: Any = True) -> None:
        """The next observation begins an episode, though the last one did not end: after `load` in
        an environment that was restarted, or after a fault of a simulator.

        The last step counts as truncated, a recurrent network is reset, and an action that waits
        for its result is forgotten.

        Args:
            envs: bool [env], where `num_envs` is above 1 and not all begin one.

        Raises:
            ConfigError: for other than a bool for each env.
        """
        left = flags_of("new_episode: envs", envs, self.config.num_envs)
        self._pending = None
        if self._steps:
            last = self._steps[-1]
            self._steps[-1] = last._replace(truncated=last.truncated | (left & ~last.terminated))
        self._carry = reset_carry(jnp.asarray(left), self._initial_carry, self._carry)
        self._returns = np.where(left, 0.0, self._returns).astype(np.float32)
        self._lengths = np.where(left, 0, self._lengths).astype(np.int32)
        learner, actor, stats = self.state.learner, self.state.actor, self.state.stats
        if not self._steps:  # a rollout begins with them
            learner = truncate_running(learner, left)
            stats = restart_returns(stats, jnp.asarray(left))
            actor = actor._replace(
                carry=self._carry,
                episode_return=jnp.asarray(self._returns),
                episode_length=jnp.asarray(self._lengths),
            )
        self.state = self.state._replace(learner=learner, actor=actor, stats=stats)

    def _greedy_action(self, batch: PyTree, first: Any) -> PyTree:
        """The greedy action, which moves the carry of greedy actions."""
        if first is None and jax.tree.leaves(self._initial_carry):
            raise ConfigError(
                "act: the network is recurrent, and greedy actions have a carry of their own; give"
                " first=True in the first step of an episode and first=False in the others."
            )
        given = False if first is None else first
        begins = flags_of("act: first", given, self.config.num_envs)
        carry = reset_carry(jnp.asarray(begins), self._initial_carry, self._greedy_carry)
        action, self._greedy_carry = self._program.greedy(self.state, carry, batch)
        return action

    def _decided(self, batch: PyTree) -> Decision:
        """The decision for observations as the learner has them, which waits for its result."""
        time = np.int32(len(self._steps))
        decision = self._program.decide(self.state, *self._begun, time, self._carry, batch)
        self._pending = (batch, decision)
        return decision

    def _observed(self, reward: Any, terminated: Any, truncated: Any, following: PyTree) -> None:
        assert self._pending is not None
        (obs, decision), envs = self._pending, self.config.num_envs
        reward = rewards_of(reward, envs)
        terminated = flags_of("observe: terminated", terminated, envs)
        truncated = flags_of("observe: truncated", truncated, envs) & ~terminated
        self._steps.append(
            Transition(
                obs, decision.action, reward, terminated, truncated, following, decision.log_prob
            )
        )
        done = terminated | truncated
        self._returns = np.where(done, 0.0, self._returns + reward).astype(np.float32)
        self._lengths = np.where(done, 0, self._lengths + 1).astype(np.int32)
        self._carry = reset_carry(jnp.asarray(done), self._initial_carry, decision.carry)
        self._pending = None

    def learn(self) -> dict[str, float]:
        """Learn from the rollout if it is complete; the metrics of that, or none."""
        if not self.is_due:
            return {}
        experience = jax.tree.map(lambda *x: jnp.stack(x), *self._steps)
        last = self._steps[-1].final_obs
        actor = Actor(
            self.state.actor.env_state,
            jax.tree.map(jnp.asarray, last),
            self._carry,
            jnp.asarray(self._returns),
            jnp.asarray(self._lengths),
        )
        self.state, means = self._program.learn(self.state, actor, experience, self._begun[0])
        self._begin_rollout()
        return {
            name: float(mean.total) / float(mean.count)
            for name, mean in jax.device_get(means).items()
            if mean.count > 0
        }

    @checked
    def save(self, path: str | Path) -> Path:
        """Write the whole learner to one file (.npz), between `observe` and the next `act`; loaded,
        it continues as it would have.

        Raises:
            ConfigError: while an action waits for what it led to.
        """
        if self._pending is not None:
            raise ConfigError("save: observe() what the last action led to first.")
        about = {
            "algo": as_dict(self.config),
            "spaces": self._spaces,
            "seed": self._seed,
            "env_steps": self._env_steps,
            "steps": len(self._steps),
        }
        target = Path(path)
        write_agent(target, about, jax.device_get(jax.tree.leaves(self._saved())))
        return target

    @classmethod
    @checked
    def load(cls, path: str | Path, trust: bool = False) -> "Agent":
        """The agent that `save` wrote.

        Args:
            trust: import an algorithm or a network that the file names as 'module:name', though
                another user saved it.

        Raises:
            ConfigError: for a file that is none of these, of another version's learner, or of
                another user whose code it names.
        """
        about, arrays = read_agent(Path(path), trust)
        try:
            agent = cls(
                about["algo"], *about["spaces"], seed=about["seed"], env_steps=about["env_steps"],
                num_envs=about["algo"]["num_envs"],
            )  # fmt: skip
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        except ElsinoreError:
            raise
        except Exception as error:  # spaces and numbers of a header may be anything
            raise not_saved(path, error) from error
        agent._restore(arrays, about["steps"], path)
        return agent

    def _begin_rollout(self) -> None:
        self._begun = self._program.prepare(self.state)
        actor = self.state.actor
        self._carry = actor.carry
        self._returns = np.asarray(actor.episode_return)
        self._lengths = np.asarray(actor.episode_length)
        self._steps: list[Transition] = []
        self._pending: tuple[Any, Decision] | None = None

    def _saved(self) -> PyTree:
        key = jax.random.key_data(self.state.key)
        running = (self._carry, self._returns, self._lengths)
        return self.state._replace(key=key), running, self._steps

    def _restore(self, arrays: list[np.ndarray], steps: int, path: Any) -> None:
        if not 0 <= steps <= self.config.rollout_length:
            raise ConfigError(
                f"{path} has {counted(steps, 'step')} of a rollout of {self.config.rollout_length}."
            )
        if steps:  # of these shapes
            blank = jax.tree.map(np.zeros_like, self.state.actor.obs)
            nothing = np.zeros(self.config.num_envs, bool)
            for _ in range(steps):
                self._decided(blank)
                self._observed(nothing, nothing, nothing, blank)
        tree = jax.tree.structure(self._saved())
        shapes = [np.shape(x) for x in jax.tree.leaves(self._saved())]
        if shapes != [x.shape for x in arrays]:
            raise ConfigError(f"{path} was saved by an elsinore whose learner has other arrays.")
        state, running, self._steps = jax.tree.unflatten(tree, arrays)
        key = jax.random.wrap_key_data(jnp.asarray(state.key))
        self.state = jax.tree.map(jnp.asarray, state._replace(key=()))._replace(key=key)
        self._begun = self._program.prepare(self.state)
        self._carry, self._returns, self._lengths = running

    def _batch(self, obs: Any) -> PyTree:
        """An observation of the environment's as the learner's, [env, ...].

        Raises:
            ConfigError: for one that is not of the space.
        """
        like = self.state.actor.obs
        try:
            if self.config.num_envs > 1:
                given = self._obs.read_rows(obs)
            else:
                given = jax.tree.map(lambda x: np.asarray(x)[None], self._obs.read(obs))
            given = jax.tree.map(np.array, given)  # a copy: environments write over their arrays
            fits, why = jax.tree.map(np.shape, given) == jax.tree.map(np.shape, like), ""
        except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            fits, why = False, f" ({error})"
        if not fits:
            several = self.config.num_envs > 1
            wanted = jax.tree.map(lambda x: x.shape if several else x.shape[1:], like)
            raise ConfigError(
                f"an observation is {_shapes(obs)}; observation_space is a"
                f" {self._spaces[0]['kind']}, which is read as {wanted}{why}."
            )
        if not all(np.isfinite(x).all() for x in jax.tree.leaves(given)):
            raise ConfigError(
                "an observation is NaN or infinite, which would spread to every weight; bound it in"
                " the environment."
            )
        return given

    def _written(self, found: Any) -> Any:
        """Actions of the learner's, [env, ...], as the environment's."""
        each = [self._action.write(action) for action in np.asarray(found)]
        return np.stack(each) if self.config.num_envs > 1 else each[0]


def _refuse_share_of_unknown(config: Any) -> None:
    """Refuse an exploration bonus that is annealed by a share of the longest possible episode."""
    rnd = getattr(config, "rnd", None)
    if rnd is not None and rnd.weight and rnd.annealed_by_length:
        raise ConfigError(
            f"rnd.anneal_share={rnd.anneal_share} is a share of the longest possible episode, which"
            " an Agent does not know; set rnd.anneal_share to 0."
        )


def _shapes(obs: Any) -> str:
    """The shapes of an observation, for a message."""
    try:
        return f"of shape {jax.tree.map(np.shape, obs)}"
    except ValueError:  # rows of several lengths
        return "no array"
