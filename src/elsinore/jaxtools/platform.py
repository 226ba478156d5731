"""The platform that JAX runs on: a sentence where it cannot start."""

import jax


def platform_refusal() -> str | None:
    """Why JAX cannot start on the platform that was asked for, with a remedy; None where it can."""
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:  # without a plug-in JAX fails an assertion
        asked = jax.config.jax_platforms
        reason = str(error).split(" (set ")[0] or "this installation of JAX has no such platform"
        return (
            f"JAX_PLATFORMS={asked!r} cannot be used: {reason.rstrip('.')}. Unset it or set it to"
            " cpu; a GPU needs its driver and elsinore[cuda12] or elsinore[cuda13]."
        )
    return None
