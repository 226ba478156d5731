"""Environment registry: names, and the environments that they name, of gymnax, of plug-ins, of
other libraries (`suites`), and at `"module:Class"`.

A wheel adds environments by an entry point in the group `elsinore.envs` that names an `EnvFamily`:

    [project.entry-points."elsinore.envs"]
    maze = "my_mazes:FAMILY"

The built-in worlds (Hamlet, Balatro, the caches, Nim) are such plug-ins themselves. They are known
by `BUILT_IN` as well, because an editable installation has the entry points of its first day.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from elsinore.arguments import plain
from elsinore.envs import suites
from elsinore.envs.elsewhere import env_hint
from elsinore.envs.object_names import MADE_WITH, OBJECT, refuse_object
from elsinore.errors import ConfigError, quoted, shown, user_code
from elsinore.imports import import_callable, import_object
from elsinore.validation import did_you_mean

GROUP = "elsinore.envs"
BUILT_IN = {  # the entry points of this package, as in pyproject.toml
    "hamlet": "elsinore.worlds.hamlet:FAMILY",
    "balatro": "elsinore.worlds.balatro:FAMILY",
    "cache": "elsinore.worlds.cache:FAMILY",
    "nim": "elsinore.worlds.nim:FAMILY",
}

# Listed here so that names can be shown and checked without importing gymnax, which takes seconds.
GYMNAX = (
    "CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0",
    "Asterix-MinAtar", "Breakout-MinAtar", "Freeway-MinAtar", "Seaquest-MinAtar",
    "SpaceInvaders-MinAtar", "Catch-bsuite", "DeepSea-bsuite", "MemoryChain-bsuite",
    "UmbrellaChain-bsuite", "DiscountingChain-bsuite", "MNISTBandit-bsuite", "SimpleBandit-bsuite",
    "FourRooms-misc", "MetaMaze-misc", "PointRobot-misc", "BernoulliBandit-misc",
    "GaussianBandit-misc", "Reacher-misc", "Swimmer-misc", "Pong-misc", "FrozenLake-misc",
)  # fmt: skip
FETCHED = ("MNISTBandit-bsuite",)  # building it needs a download


class EnvFamily(NamedTuple):
    """The environments that one plug-in adds. Only text, so that listing names imports nothing.

    Objects are given as `"module:name"` and imported when they are needed. The package that holds
    the `EnvFamily` may have a module `view` beside the environment's own (`elsinore.envs.views`).
    """

    names: tuple[str, ...]  # as `make` knows them
    make: str  # "module:function", called as function(name, **env_kwargs) -> gymnax Environment
    presets: str | None = None  # "module:PRESETS", a mapping of "ppo/NAME" to settings
    teachers: dict[str, str] = {}  # noqa: RUF012
    command: str | None = None  # module with `add(commands)`: a command of `elsinore`


@cache
def families() -> dict[str, EnvFamily]:
    """Every plug-in's environments, by the package that holds the plug-in.

    Raises:
        ValueError: for a plug-in that cannot be imported, or whose entry point names something
            else.
    """
    points = [(point.name, point.value) for point in entry_points(group=GROUP)]
    found = {}
    for name, value in sorted({*BUILT_IN.items(), *points}):
        family = import_object(value, f"the entry point {name!r} of {GROUP}")
        if not isinstance(family, EnvFamily):
            raise ValueError(
                f"the entry point {name!r} of {GROUP} names {value!r}, which is"
                f" {type(family).__name__}; it must be an elsinore.envs.registry.EnvFamily."
            )
        found[value.partition(":")[0]] = family
    return found


def names() -> tuple[str, ...]:
    """Every environment that `make` knows by name, but for those of `suites`."""
    return (*(name for family in families().values() for name in family.names), *GYMNAX)


def is_known(name: str) -> bool:
    """True for a registered name, and for any id of a known suite."""
    return name.removesuffix(OBJECT) in names() or suites.is_suite_name(name)


def check_name(name: str) -> None:
    """Refuse a name that `make` cannot know, without importing the environment.

    Raises:
        ConfigError: with the closest known name, or what stands for it here.
    """
    if is_known(name):
        return
    if name.endswith((".yaml", ".yml")):
        raise ConfigError(
            f"env={name!r} is a file of settings and no environment; train with it by"
            f" --config {quoted(name)} (in Python, config={shown(name)!r})."
        )
    if hint := env_hint(name):
        raise ConfigError(f"env={name!r} is not here: {hint}.")
    if ":" in name:
        return
    suite, slash, rest = name.partition("/")
    if slash and suite in suites.SUITES:
        raise ConfigError(f"env={name!r} names no environment; `elsinore envs {suite}` lists some.")
    if slash and rest not in names():
        close = did_you_mean(suite, suites.SUITES, label="known", cutoff=0.7)
        raise ConfigError(f"env={name!r} names the unknown suite {suite!r}{close}")
    stem, _, version = name.rpartition("-v")
    ours = any(each.startswith(f"{stem}-v") for each in names())
    registered = f" One of Gymnasium would be gym/{name}." if version.isdigit() and not ours else ""
    raise ConfigError(
        f"env={name!r} is unknown{did_you_mean(name, names())}{registered} `elsinore envs` lists"
        " the known ones; a custom environment is given as 'module:Class'."
    )


def env_of(env: Any, kwargs: dict[str, Any] | None = None) -> Any:
    """The environment of a name or `"module:Class"`, or an instance as one of gymnax's.

    Raises:
        ValueError: naming what is unknown, or cannot be imported or built, with a remedy; also for
            `kwargs` of an instance.
    """
    name = env
    if isinstance(env, str):
        check_name(env)
        refuse_object(env)
        refuse_overwritten_gymnax()
        factory = _factory(env)
        made_with = name, plain(kwargs or {})  # a copy, which no constructor changes
        with user_code(env=name):
            env = _built(name, factory, kwargs or {})
            if ":" in name and not hasattr(env, "reset_env"):
                env = suites.adapted(env, partial(factory, **kwargs or {}), name)
        if kwargs:
            with suppress(AttributeError):  # of a frozen one, whose fields are its arguments
                setattr(env, MADE_WITH, made_with)
    elif kwargs:
        raise ConfigError(
            f"env_kwargs={kwargs!r} go to the constructor of an environment, and env is an object,"
            " which has been made; give them to its constructor, or its name as env."
        )
    env = suites.adapted(env)
    with user_code(env=name):
        refuse_no_env(env, name)
    return env


def refuse_overwritten_gymnax() -> None:
    """Refuse a gymnax whose files another package has replaced by those of an older one.

    Raises:
        ConfigError: with the command that restores them.
    """
    from gymnax.environments.environment import Environment

    if not hasattr(Environment, "is_truncated"):
        raise ConfigError(
            "the installed gymnax is older than 1.0, or another package (stable-gymnax, of"
            " popgym-arcade) has overwritten it; pip uninstall stable-gymnax, then pip install"
            " --force-reinstall --no-deps 'gymnax>=1.0.1'."
        )


def refuse_no_env(env: Any, name: Any = None) -> None:
    """Refuse an object that is no environment.

    Raises:
        ConfigError: for a class, for the pair that `gymnax.make` returns, or for an object without
            the methods of an environment.
        AttributeError: by its own `default_params`.
    """
    if isinstance(env, type):
        raise ConfigError(f"env={env.__name__} is a class; give an instance of it.")
    if isinstance(env, tuple):
        types = f"({', '.join(type(part).__name__ for part in env)})"
        raise ConfigError(
            f"env={types if name is None else repr(name)} is a tuple, such as (env, params) of"
            " gymnax.make; give the environment alone, and changed parameters as settings, such as"
            " env_params.gravity=12."
        )
    for part in ("default_params", "reset_env", "step_env"):
        try:
            getattr(env, part)
        except AttributeError as error:
            if hasattr(type(env), part):
                raise  # by code of the environment, such as the property's
            shown = env if name is None else repr(name)
            raise ConfigError(_no_environment(shown, part)) from error


def _no_environment(env: Any, part: str) -> str:
    return (
        f"env={env} is no gymnax Environment: it has no {part}. An environment in Python has"
        " `reset` and `step`."
    )


def _built(name: str, factory: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """The environment that the factory makes."""
    try:
        return factory(**kwargs)
    except TypeError as error:
        if ":" in name and error.__traceback__ is not None and error.__traceback__.tb_next:
            raise  # from inside a custom factory, which took the arguments
        end = "" if str(error).endswith("?") else "."  # Python may ask "Did you mean ...?"
        if ":" in name:
            end += (
                " Give its arguments as env_kwargs, or in Python the environment as an object:"
                " elsinore.train(env), elsinore.load(run, env=env)."
            )
        raise ValueError(
            f"env_kwargs={kwargs} do not fit the environment's constructor: {error}{end}"
        ) from error
    except OSError as error:  # MNISTBandit fetches its images
        raise ValueError(f"env={name!r} needs a file that cannot be read: {error}.") from error


def _factory(name: str) -> Callable[..., Any]:
    """The constructor of the environment of that name, to be called with `env_kwargs`."""
    if ":" in name:
        return _custom_factory(name)
    for family in families().values():
        if name in family.names:
            return partial(import_object(family.make, "env"), name)
    if suites.is_suite_name(name):
        return suites.factory(name)
    return _gymnax_factory(name)


def _custom_factory(name: str) -> Callable[..., Any]:
    """The class or function at `"module:name"`, refused before it is called if it makes no env."""
    factory = import_callable(name, "env")
    in_python = hasattr(factory, "reset") and hasattr(factory, "step")
    if isinstance(factory, type) and not hasattr(factory, "reset_env") and not in_python:
        raise ValueError(_no_environment(repr(name), "reset_env"))
    return factory


def _gymnax_factory(name: str) -> Callable[..., Any]:
    import gymnax.registration

    return lambda **kwargs: gymnax.registration.make(name, **kwargs)[0]
