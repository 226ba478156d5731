"""Groups of agents in one env that learn by different algorithms, or with other networks.

The agents of a group are one algorithm along an axis of theirs, as independent learners are; all
groups take the steps of a rollout together, so that every agent meets all others.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree, Shaped

from elsinore.algos.common import update_keys
from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.experience.rollout import init_actor, rollout
from elsinore.jaxtools.prng import for_update, for_use
from elsinore.training.independent_learners import axes_of, key_of
from elsinore.types import (
    PER_AGENT,
    Actor,
    Algorithm,
    Decision,
    Mean,
    PolicyFunctions,
    PolicyState,
    TrainState,
    UpdateParts,
)


class AgentGroup(NamedTuple):
    """Agents of one algorithm, made for the env of a single agent."""

    algo: Algorithm
    agents: tuple[int, ...]  # their places among all agents of an env
    hyper: Any  # [agent of the group]

    @property
    def parts(self) -> UpdateParts:
        assert self.algo.parts is not None, "the config refuses algorithms without parts"
        return self.algo.parts


class GroupLearners(NamedTuple):
    """The learners of each group, [agent of the group, ...]."""

    groups: tuple[Any, ...]

    @property
    def params(self) -> tuple[PyTree, ...]:
        """Parameters of each group."""
        return tuple(learner.params for learner in self.groups)


def grouped(groups: Sequence[AgentGroup], env: MultiAgentEnv, num_envs: int) -> Algorithm:
    """One algorithm of all agents of `num_envs` envs.

    `learner.groups`, `stats`, `hyper`, `rnd` and the actor's `carry` of its state have an entry for
    each group; the rows of the actor are those of `env`. Metrics are as `independent` gives them;
    an agent whose algorithm does not have a metric does not count in it.
    """
    parts = _Grouped(tuple(groups), env, num_envs)
    steps = env.agents * parts.groups[0].algo.steps_per_update
    hyper = tuple(group.hyper for group in parts.groups)
    return Algorithm(
        init=parts.init,
        update=parts.update,
        policy=policy_of_groups(parts.groups),
        hyper=hyper,
        steps_per_update=steps,
    )


class _Grouped(NamedTuple):
    """The functions of a grouped algorithm, and what they are made from."""

    groups: tuple[AgentGroup, ...]
    env: MultiAgentEnv
    num_envs: int

    @property
    def initial_carry(self) -> tuple[PyTree, ...]:
        return tuple(group.algo.policy.initial_carry for group in self.groups)

    def init(self, key: Key[Array, ""], env_params: PyTree, hyper: tuple) -> TrainState:
        env, rows = self.env, self.env.agents * self.num_envs
        each = [
            self.init_group(group, key, env_params, own)
            for group, own in zip(self.groups, hyper, strict=True)
        ]
        actor = init_actor(env, for_use(key, "agents"), env_params, rows, self.initial_carry)
        learners, stats, rnd = (tuple(part) for part in zip(*each, strict=True))
        learner = GroupLearners(learners)
        return TrainState(
            key=key,
            update=jnp.int32(0),
            learner=learner,
            actor=actor,
            stats=stats,
            hyper=hyper,
            env_params=env_params,
            rnd=rnd,
        )

    def init_group(
        self, group: AgentGroup, key: Key[Array, ""], env_params: PyTree, hyper: Any
    ) -> tuple[Any, Any, Any]:
        """Learners, normalisers and RND states of a group, [agent of the group, ...]."""

        def one(inputs: tuple[Int[Array, ""], Any]) -> tuple[Any, Any, Any]:
            agent, own = inputs
            state = group.algo.init(key_of(key, agent), self.env.params_of(env_params, agent), own)
            return state.learner, state.stats, state.rnd

        # Not batched: a vmapped orthogonal initialisation can deadlock on jax 0.10.
        return jax.lax.map(one, (jnp.asarray(group.agents), hyper))

    def update(self, state: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """One rollout of all agents, and each group's learning from it."""
        own = [self.state_of(i, state) for i in range(len(self.groups))]
        prepared = [self.over_group(i, state, _prepare)(own[i]) for i in range(len(self.groups))]
        contexts, noises = zip(*prepared, strict=True)
        steps = jax.tree.leaves(noises[0])[0].shape[1]
        # first a leaf whose axes are time and row, which a rollout counts
        counted = jnp.zeros((steps, self.env.agents * self.num_envs), bool)
        noise = (counted, jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), tuple(noises)))
        key = for_use(for_update(state.key, state.update), "rollout")
        actor, experience, metrics = rollout(
            self.env,
            state.env_params,
            partial(self.decide, state, own, contexts),
            state.actor,
            key,
            noise,
            self.initial_carry,
        )
        after = state._replace(actor=actor)
        learnt, each = [], []
        for i in range(len(self.groups)):
            learn = self.over_group(i, state, _learn, num_inputs=3)
            new = self.state_of(i, after).actor, self.experience_of(i, experience), contexts[i]
            *parts, means = learn(own[i], *new)
            learnt.append(parts)
            each.append(means)
        learners, stats, rnd = (tuple(part) for part in zip(*learnt, strict=True))
        after = after._replace(
            update=state.update + 1, learner=GroupLearners(learners), stats=stats, rnd=rnd
        )
        return after, self.with_metrics(metrics, each)

    def decide(
        self, state: TrainState, own: list, contexts: tuple, noise: tuple, carry: tuple, obs: PyTree
    ) -> Decision:
        """Actions of every row; what learning needs of them is a tuple with each group's,
        [agent of the group, env, ...]."""
        decisions = []
        for i, group in enumerate(self.groups):
            of_group = partial(self.of_group, group)
            inputs = (contexts[i], noise[1][i], of_group(carry[i]), of_group(obs))
            decide = self.over_group(i, state, _decide, num_inputs=4)
            decisions.append(decide(own[i], *inputs))
        order = np.argsort([agent for group in self.groups for agent in group.agents])
        actions = jnp.concatenate([decision.env_action for decision in decisions])[order]
        carry = tuple(
            self.with_group(group, rows, decision.carry)
            for group, rows, decision in zip(self.groups, carry, decisions, strict=True)
        )
        return Decision(
            action=tuple(decision.action for decision in decisions),
            env_action=jnp.swapaxes(actions, 0, 1).reshape(-1, *actions.shape[2:]),
            log_prob=tuple(decision.log_prob for decision in decisions),
            carry=carry,
        )

    def state_of(self, i: int, state: TrainState) -> TrainState:
        """The train states of a group: [agent of the group, ...], but for `update` and what the
        agents share of `env_params`. Their actors have no env state."""
        group, env = self.groups[i], self.env
        agents, actor = np.array(group.agents), state.actor
        of_group = partial(self.of_group, group)
        differing = {name: getattr(state.env_params, name)[agents] for name in env.differing}
        return TrainState(
            key=jax.vmap(partial(key_of, state.key))(jnp.asarray(agents)),
            update=state.update,
            learner=state.learner.groups[i],
            actor=Actor(
                env_state=(),
                obs=of_group(actor.obs),
                carry=of_group(actor.carry[i]),
                episode_return=of_group(actor.episode_return),
                episode_length=of_group(actor.episode_length),
            ),
            stats=state.stats[i],
            hyper=state.hyper[i],
            env_params=state.env_params.replace(**differing) if differing else state.env_params,
            rnd=state.rnd[i],
        )

    def over_group(
        self, i: int, state: TrainState, function: Callable, num_inputs: int = 0
    ) -> Callable:
        """`function(parts, state, *inputs)` for each agent of a group."""
        one = partial(function, self.groups[i].parts)
        return jax.vmap(one, in_axes=(axes_of(self.env, state), *[0] * num_inputs))

    def of_group(self, group: AgentGroup, rows: PyTree) -> PyTree:
        """[row, ...] as [agent of the group, env, ...]."""
        agents = np.array(group.agents)

        def own(x: Shaped[Array, "row ..."]) -> Shaped[Array, "agent env ..."]:
            by_env = x.reshape(self.num_envs, self.env.agents, *x.shape[1:])
            return jnp.swapaxes(by_env[:, agents], 0, 1)

        return jax.tree.map(own, rows)

    def with_group(self, group: AgentGroup, rows: PyTree, own: PyTree) -> PyTree:
        """[row, ...] with a group's [agent of the group, env, ...]."""
        agents = np.array(group.agents)

        def put(x: Shaped[Array, "row ..."], own: Array) -> Shaped[Array, "row ..."]:
            by_env = x.reshape(self.num_envs, self.env.agents, *x.shape[1:])
            return by_env.at[:, agents].set(jnp.swapaxes(own, 0, 1)).reshape(x.shape)

        return jax.tree.map(put, rows, own)

    def experience_of(self, i: int, experience: Any) -> Any:
        """A group's part of a rollout, [agent of the group, time, env, ...]."""
        rows = experience._replace(action=(), log_prob=())
        own = jax.vmap(partial(self.of_group, self.groups[i]), out_axes=1)(rows)
        action, log_prob = jax.tree.map(
            lambda x: jnp.moveaxis(x, 1, 0), (experience.action[i], experience.log_prob[i])
        )
        return own._replace(action=action, log_prob=log_prob)

    def with_metrics(self, metrics: dict[str, Any], each: list[dict[str, Mean]]) -> dict[str, Any]:
        """The metrics of a rollout with those of each group's learning, [agent of the group]."""
        none = jnp.zeros(self.env.agents)
        by_agent: dict[str, Mean] = {}
        for group, means in zip(self.groups, each, strict=True):
            for name, mean in means.items():
                total, count = by_agent.get(name, Mean(none, none))
                agents = np.array(group.agents)
                by_agent[name] = Mean(
                    total.at[agents].set(mean.total), count.at[agents].set(mean.count)
                )
        of_all = {name: Mean(mean.total.sum(), mean.count.sum()) for name, mean in by_agent.items()}
        return metrics | of_all | {PER_AGENT: metrics[PER_AGENT] | by_agent}


def _prepare(parts: UpdateParts, state: TrainState) -> tuple[PyTree, PyTree]:
    key, _, _ = update_keys(parts, state)
    return parts.prepare(state, key)


def _decide(parts: UpdateParts, state: TrainState, *inputs: PyTree) -> Decision:
    return parts.decide(state, *inputs)


def _learn(
    parts: UpdateParts, before: TrainState, actor: Actor, experience: Any, context: PyTree
) -> tuple[Any, Any, Any, dict[str, Mean]]:
    """Learner, normalisers, RND state and metrics after an update."""
    _, _, key = update_keys(parts, before)
    state, metrics = parts.learn(key, before, actor, experience, context)
    return state.learner, state.stats, state.rnd, metrics


def policy_of_groups(groups: Sequence[AgentGroup]) -> PolicyFunctions:
    """The policy of all agents of one env, of [agent, ...] observations. A score that an agent's
    algorithm does not have is NaN for it."""
    number = sum(len(group.agents) for group in groups)
    carry = tuple(group.algo.policy.initial_carries(len(group.agents)) for group in groups)
    over, filled = partial(_of_each_group, groups), partial(_with_blanks, number)

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: tuple, obs: PyTree, greedy: bool
    ) -> tuple[Array, tuple]:
        def one(policy: PolicyFunctions) -> Callable:
            return lambda own, carry, obs, key: policy.act(key, own, carry, obs, greedy)

        found = over(one)(policy_state, carry, obs, jax.random.split(key, number))
        order = np.argsort([agent for group in groups for agent in group.agents])
        actions = jnp.concatenate([action for action, _ in found])[order]
        return actions, tuple(carry for _, carry in found)

    def value(policy_state: PolicyState, carry: tuple, obs: PyTree) -> Array:
        found = over(lambda policy: policy.value or _no_value)(policy_state, carry, obs)
        return filled(list(zip(groups, found, strict=True)))

    def action_scores(policy_state: PolicyState, carry: tuple, obs: PyTree) -> dict[str, Array]:
        found = over(lambda policy: policy.action_scores or _no_scores)(policy_state, carry, obs)
        names = dict.fromkeys(name for scores in found for name in scores)
        both = list(zip(groups, found, strict=True))
        return {name: filled([(g, s[name]) for g, s in both if name in s]) for name in names}

    return PolicyFunctions(act, carry, value, action_scores)


def _of_each_group(
    groups: Sequence[AgentGroup], which: Callable[[PolicyFunctions], Callable]
) -> Callable:
    """A function of [agent, ...] arrays: the results of each group for its agents."""

    def all_groups(policy_state: PolicyState, carry: tuple, obs: PyTree, *more: PyTree) -> list:
        found = []
        for i, group in enumerate(groups):
            own = PolicyState(policy_state.params[i], policy_state.stats[i])
            mine = jax.tree.map(lambda x, group=group: x[np.array(group.agents)], (obs, *more))
            found.append(jax.vmap(which(group.algo.policy))(own, carry[i], *mine))
        return found

    return all_groups


def _with_blanks(number: int, each: Sequence[tuple[AgentGroup, Array]]) -> Array:
    """[agent, ...] of the groups that have it, NaN for the others of `number` agents."""
    blank = jnp.full((number, *each[0][1].shape[1:]), jnp.nan)
    for group, x in each:
        blank = blank.at[np.array(group.agents)].set(x)
    return blank


def _no_value(*_: Any) -> Array:
    return jnp.float32(jnp.nan)


def _no_scores(*_: Any) -> dict[str, Array]:
    return {}
