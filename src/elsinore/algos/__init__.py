"""Algorithms by name. Each file shows only what makes it that algorithm."""

from elsinore.algos import a2c, dqn, ppo, pqn

ALGORITHMS = {
    "ppo": (ppo.PPOConfig, ppo.ppo),
    "a2c": (a2c.A2CConfig, a2c.a2c),
    "dqn": (dqn.DQNConfig, dqn.dqn),
    "pqn": (pqn.PQNConfig, pqn.pqn),
}
