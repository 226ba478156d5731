"""Suites: the environments of other JAX libraries by name, `<suite>/<id>`, such as `pgx/2048`.

Each library has an adapter, a module of this folder that is imported when one of its environments
is made. Only text is here, so that naming a suite imports nothing.
"""

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from elsinore.errors import ConfigError
from elsinore.imports import import_object
from elsinore.validation import did_you_mean


class Suite(NamedTuple):
    """The environments of one library."""

    package: str  # as it is imported
    adapter: str  # "module:Class" of a `SuiteEnv`, or of a maker of `HostEnv`s
    licence: str
    extra: str = ""  # of this package, where it is not the suite's name


SUITES = {
    "pgx": Suite("pgx", "elsinore.envs.suites.pgx:Pgx", "Apache-2.0; minatar-* GPL-3.0"),
    "navix": Suite("navix", "elsinore.envs.suites.navix:Navix", "Apache-2.0"),
    "jumanji": Suite("jumanji", "elsinore.envs.suites.jumanji:Jumanji", "Apache-2.0"),
    "brax": Suite("brax", "elsinore.envs.suites.brax:Brax", "Apache-2.0"),
    "craftax": Suite("craftax", "elsinore.envs.suites.craftax:Craftax", "MIT"),
    "xminigrid": Suite("xminigrid", "elsinore.envs.suites.xminigrid:XMiniGrid", "Apache-2.0"),
    "jaxmarl": Suite("jaxmarl", "elsinore.envs.suites.jaxmarl:JaxMARL", "Apache-2.0"),
    "playground": Suite(
        "mujoco_playground", "elsinore.envs.suites.playground:Playground", "Apache-2.0"
    ),
    # stepped on the host
    "envpool": Suite("envpool", "elsinore.envs.suites.envpool:EnvPool", "Apache-2.0"),
    "gym": Suite("gymnasium", "elsinore.envs.suites.gym:Gym", "MIT", "gymnasium"),
}


ON_HOST = ("gymnasium", "envpool")  # packages whose environments are stepped there
PAIRS = ("xminigrid",)  # suites whose `make` returns an environment and its parameters


def is_suite_name(name: str) -> bool:
    """True for `<suite>/<id>` of a known suite; the library has not been asked for the id."""
    suite, slash, env_id = name.partition("/")
    return suite in SUITES and bool(slash and env_id)


def is_installed(suite: str) -> bool:
    return importlib.util.find_spec(SUITES[suite].package) is not None


def distribution(name: str) -> str:
    """The distribution that has the library of `<suite>/<id>`."""
    suite = name.partition("/")[0]
    return SUITES[suite].extra or suite


def install(suite: str) -> str:
    """The command that installs the library of a suite."""
    return f"pip install 'elsinore[{SUITES[suite].extra or suite}]'"


def ids(suite: str) -> tuple[str, ...]:
    """The ids of an installed suite, as its library lists them.

    Raises:
        ConfigError: if the suite is not installed.
    """
    return _adapter(suite).ids()


def factory(name: str) -> Callable[..., Any]:
    """The constructor of `<suite>/<id>`, to be called with the keyword arguments of the library's.

    Raises:
        ConfigError: if the library is not installed, or has no such id.
    """
    suite, _, env_id = name.partition("/")
    adapter = _adapter(suite)
    if env_id not in adapter.ids():
        close = did_you_mean(env_id, adapter.ids(), prefix=f"{suite}/")
        raise ConfigError(
            f"env={name!r} is unknown{close} `elsinore envs {suite}` lists those of its library."
        )
    return partial(_made, adapter, env_id)


def _made(adapter: Any, env_id: str, **kwargs: Any) -> Any:
    """The environment of that id; what its library prints goes to stderr, since stdout may be JSON.
    Craftax says so that it draws its textures, which takes minutes."""
    with contextlib.redirect_stdout(sys.stderr):
        return adapter.make(env_id, **kwargs)


def adapted(env: Any, made_by: Callable[[], Any] | None = None, name: str | None = None) -> Any:
    """An environment object of a known library in its adapter; an object with `reset` and `step`,
    or a function that makes one, as a `HostEnv`; any other object as it is.

    A pair (environment, parameters), as `xminigrid.make` returns, is one of `PAIRS`.
    `made_by` makes others like it, which have that `name`; one on the host is closed then.
    """
    native = env[0] if isinstance(env, tuple) and env else env
    packages = {cls.__module__.partition(".")[0] for cls in type(native).__mro__}
    for suite_name, suite in SUITES.items():
        if suite.package in packages and not (made_by and suite.package in ON_HOST):
            pair = isinstance(env, tuple) and suite_name not in PAIRS
            return env if pair else _adapter(suite_name).of(env)
    if hasattr(env, "reset_env"):  # after the libraries: Craftax's objects have it, too
        return env
    from elsinore.envs.host_objects import host_env_of, is_host_object  # gymnax comes with it

    return host_env_of(env, name, made_by) if is_host_object(env) else env


def is_on_host(env: Any) -> bool:
    """True for a `HostEnv`, which is stepped on the host, also with several agents in it."""
    return getattr(env, "on_host", False) is True


def refuse_on_host(env: Any, why: str) -> None:
    """Refuse an environment that is stepped on the host; `why` has the reason and a remedy.

    Raises:
        ConfigError: for one.
    """
    if is_on_host(env):
        raise ConfigError(f"env={env.name!r} is stepped on the host, and {why}.")


def is_stock(env: Any) -> bool:
    """True for an adapter of an environment that its library wrote, rather than the user."""
    package = type(getattr(env, "native", None)).__module__.partition(".")[0]
    return package in {suite.package for suite in SUITES.values()}


def _adapter(suite: str) -> Any:
    """The adapter class of a suite."""
    if not is_installed(suite):
        raise ConfigError(
            f"env={suite + '/...'!r} needs a library that is not installed; {install(suite)}."
        )
    # mujoco.mjx prints which of its optional libraries are absent
    with contextlib.redirect_stdout(io.StringIO()):
        return import_object(SUITES[suite].adapter, "env")
