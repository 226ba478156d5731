"""The built-in worlds: plug-ins, found through the entry point group `elsinore.envs`."""
