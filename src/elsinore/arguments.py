"""Arguments of public functions, checked against their annotations."""

import dataclasses
import functools
import inspect
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args

from elsinore.errors import ConfigError
from elsinore.validation import A_COUNT_OF_SEEDS, did_you_mean, why_no_path

# pydantic's words, and those of the same refusals of a config
WORDS = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid dictionary": "a mapping",
    "a valid list": "a list",
    "a valid tuple": "a tuple",
    "an instance of Sequence": "a list",
}
PATHS = (
    *("runs_dir", "run", "runs", "from_run", "target", "resume", "config", "out", "path"),
    *("replay", "gif", "mp4", "day", "film"),
)
F = TypeVar("F", bound=Callable[..., Any])


def checked(function: F, advice: Callable[[str, Any], str] = lambda name, value: "") -> F:
    """The function, with arguments of another type than annotated refused before it is called.

    Numbers of numpy and jax are given to it as Python's, also in a list; text is no number.

    Args:
        advice: a remedy for an argument that the function does not have, from its name and value.

    Raises:
        ConfigError: naming the argument, its value and the type it must have; or, of an unknown
            argument, the closest one and the advice.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _refuse_unknown(function, kwargs, advice)
        try:
            bound = inspect.signature(function).bind(*args, **kwargs)
        except TypeError:
            bound = None
        if bound is None:  # Python's own message names the function and its arguments
            return function(*args, **kwargs)
        parameters = _parameters(function)
        for name, value in bound.arguments.items():
            if name in parameters:
                bound.arguments[name] = in_home(name, plain(value))
                _check(name, bound.arguments[name], parameters[name])
        return function(*bound.args, **bound.kwargs)

    return call  # pyright: ignore[reportReturnType]


def check_settings(function: Callable[..., Any], settings: Mapping[str, Any], place: str) -> None:
    """Refuse settings of another type than the function's arguments of those names; an unknown name
    is left to the call.

    Args:
        place: the group of the settings in a config, such as `env_kwargs`.

    Raises:
        ConfigError: naming the setting, its value and the type it must have.
    """
    parameters = _parameters(function)
    for name, value in settings.items():
        if name in parameters:
            _check(f"{place}.{name}", value, parameters[name])


def _refuse_unknown(
    function: Callable[..., Any], kwargs: dict[str, Any], advice: Callable[[str, Any], str]
) -> None:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [name for name in parameters if name != "self"]
    for name, value in kwargs.items():
        if name not in parameters:
            remedy = advice(name, value)
            end = f"; {remedy}." if remedy else did_you_mean(name, known, label="it has")
            raise ConfigError(f"{function.__name__} has no argument {name}={value!r}{end}")


@functools.cache
def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """A validator for each annotated parameter; pydantic is imported at the first call."""
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True, strict=True)
    return {
        name: TypeAdapter(_by_instance(parameter.annotation), config=config)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation not in (inspect.Parameter.empty, Any)
    }


def _by_instance(annotation: Any) -> Any:
    """The annotation, with records (whose fields pydantic would look into) as mere classes."""
    from pydantic import GetPydanticSchema
    from pydantic_core.core_schema import is_instance_schema

    if isinstance(annotation, UnionType):
        return functools.reduce(operator.or_, map(_by_instance, get_args(annotation)))
    record = isinstance(annotation, type) and (
        dataclasses.is_dataclass(annotation) or hasattr(annotation, "_fields")
    )
    schema = GetPydanticSchema(lambda source, handler: is_instance_schema(annotation))
    return Annotated[Any, schema] if record else annotation


def _check(name: str, value: Any, adapter: Any) -> None:
    from pydantic import ValidationError

    several = isinstance(value, list | tuple)
    for i, each in enumerate(value if several else [value]):
        text = str(each) if isinstance(each, str) or hasattr(each, "__fspath__") else ""
        if reason := why_no_path(text):
            which = f"{name}[{i}]" if several else name
            raise ConfigError(f"{which}={text!r} is no path; use one without {reason}.")
    if name == "runs_dir" and str(value) == "":
        raise ConfigError("runs_dir='' is no path; use '.' for the current folder.")
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        wanted = [e["msg"].partition("Input should be ")[2] or "a list" for e in error.errors()]
        messages = [WORDS.get(each, each) for each in wanted]
        where = ""
        for part in error.errors()[0]["loc"]:
            if isinstance(part, int) and isinstance(value, list | tuple):
                where, value = f"{where}[{part}]", value[part]
        end = "."
        if name == "algo" and inspect.isfunction(value):
            end = f"; give it by name, '{value.__module__}:{value.__qualname__}'."
        if name == "network" and isinstance(value, str):
            end = f"; by name it is overrides={{'algo.network.custom': {value!r}}}."
        if name == "seeds" and isinstance(value, Iterable) and not isinstance(value, str):
            end = f". {A_COUNT_OF_SEEDS}"
        raise ConfigError(
            f"{name}{where}={value!r} must be {' or '.join(dict.fromkeys(messages))}{end}"
        ) from error


def in_home(name: str, value: Any) -> Any:
    """The value of an argument; of one of `PATHS`, also in a list, with the home folder in place of
    a `~`. A shell leaves that to the command in `--runs-dir=~/runs`, and Python leaves it to the
    function."""
    if name not in PATHS:
        return value
    if type(value) in (list, tuple):
        return type(value)(in_home(name, each) for each in value)
    is_path = isinstance(value, str) or hasattr(value, "expanduser")  # one of pathlib
    if not (is_path and str(value).startswith("~")):
        return value
    return type(value)(os.path.expanduser(value))  # an unknown user's stays as it is


def plain(value: Any) -> Any:
    """A number of numpy or jax as Python's, also in a list, a tuple or a dictionary."""
    if type(value) is dict:
        return {key: plain(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    library = type(value).__module__.partition(".")[0]
    scalar = library in ("numpy", "jaxlib") and getattr(value, "shape", None) == ()
    return value.item() if scalar else value
