"""The platform that JAX runs on: a sentence where a run cannot start on it."""

import jax


def platform_refusal(several: bool = False) -> str | None:
    """Why a run cannot start on the platform that was asked for, with a remedy; None where it
    can. `several`: the run was asked to have several processes."""
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:  # without a plug-in JAX fails an assertion
        asked = jax.config.jax_platforms
        reason = str(error).split(" (set ")[0] or "this installation of JAX has no such platform"
        return (
            f"JAX_PLATFORMS={asked!r} cannot be used: {reason.rstrip('.')}. Unset it or set it to"
            " cpu; a GPU needs its driver and elsinore[cuda12] or elsinore[cuda13]."
        )
    if jax.process_count() > 1 and not several:
        return (
            f"jax.distributed has joined {jax.process_count()} processes, and each would train the"
            " same seeds and write the same files. Train one run with all of them by --distributed"
            " (distributed=True), or start each without jax.distributed.initialize and with its own"
            " --name and --seed."
        )
    return None
