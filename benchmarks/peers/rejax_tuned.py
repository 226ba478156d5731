"""Rejax's PPO with the settings that rejax tuned for an environment: each seed's return at the end.

    python benchmarks/peers/rejax_tuned.py --env brax/reacher --seeds 8

The settings are those of `configs/` in the repository keraJLi/rejax. Prints one line of JSON.
"""

import argparse
import json
import sys
import time

EPISODES = 128  # fresh ones a seed, actions sampled, rejax's own evaluation

DOORKEY = {  # configs/navix/doorkey_8x8.yaml
    "agent_kwargs": {"activation": "swish"},
    "num_envs": 128, "num_steps": 32, "num_epochs": 2, "num_minibatches": 32,
    "learning_rate": 3e-4, "max_grad_norm": 10.0, "total_timesteps": 1_048_576,
    "gamma": 0.95, "gae_lambda": 0.9, "normalize_observations": True,
}  # fmt: skip
REACHER = {  # configs/brax/reacher.yaml: episodes of 50 steps
    "env_params": {"episode_length": 50},
    "agent_kwargs": {"activation": "tanh"},
    "num_envs": 128, "num_steps": 128, "num_epochs": 8, "num_minibatches": 64,
    "learning_rate": 2.7520696850790545e-4, "max_grad_norm": 0.1,
    "total_timesteps": 1_048_576, "gamma": 0.95, "gae_lambda": 0.95,
    "normalize_observations": True,
}  # fmt: skip
HOPPER = {  # configs/brax/hopper.yaml, which trains five times as long, on another backend
    "env_params": {"backend": "spring"},
    "agent_kwargs": {"activation": "tanh"},
    "num_envs": 32, "num_steps": 32, "num_epochs": 9, "num_minibatches": 2,
    "learning_rate": 2.5674088686342003e-4, "max_grad_norm": 1.0,
    "total_timesteps": 1_048_576, "gamma": 0.995, "gae_lambda": 0.95,
    "normalize_observations": True,
}  # fmt: skip
TUNED = {
    "navix/Navix-DoorKey-5x5-v0": DOORKEY,  # rejax has none for 5x5
    "navix/Navix-DoorKey-8x8-v0": DOORKEY,
    "brax/reacher": REACHER,
    "brax/hopper": HOPPER,
}
SAME = {"clip_eps": 0.2, "ent_coef": 0.01, "vf_coef": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", choices=TUNED, required=True)
    parser.add_argument("--seeds", type=int, default=8)
    args = parser.parse_args()
    sys.path.pop(0)  # this folder, where `import rejax` would find the adapter of that name
    import jax
    import rejax

    settings = SAME | TUNED[args.env]
    steps = settings["total_timesteps"]
    algorithm = rejax.PPO.create(
        env=args.env, eval_freq=steps, skip_initial_evaluation=True, **settings
    )
    silent = algorithm.replace(eval_callback=lambda algorithm, state, key: ())
    started = time.monotonic()
    keys = jax.random.split(jax.random.PRNGKey(0), args.seeds)
    states = jax.jit(jax.vmap(lambda key: silent.train(key)[0]))(keys)
    jax.block_until_ready(states)
    seconds = time.monotonic() - started

    @jax.jit
    @jax.vmap
    def returns_of(state, key):
        return algorithm.eval_callback(algorithm, state, key)[1].mean()

    returns = returns_of(states, jax.random.split(jax.random.PRNGKey(1), args.seeds))
    row = {"env_steps": steps, "seconds": seconds, "S": [float(x) for x in returns]}
    print(json.dumps(row))


if __name__ == "__main__":
    main()
