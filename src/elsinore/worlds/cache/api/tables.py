"""The cached API: its endpoints, its objects, and the transitions of sessions."""

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

SLOTS = 64
TOP = 5  # predictions shown with each request, best first
RESPONSE_WINDOW = 32  # response times whose order statistics are shown
ENDPOINTS = 20
OBJECTS = 1970
LOGOUT = 1
QUERIES_MOVE = (4, 19)  # after a search or an autocompletion a session thinks of another query
RECOMMENDATION = 17  # after it, as after browsing, a session turns to another product
# the kind of number that is an object's offset in its endpoint
SCOPES = ("global", "user", "product", "query")


class ApiTables(NamedTuple):
    """Numpy tables of the API. Endpoints are numbered as in the file, objects by endpoint."""

    base: Float[np.ndarray, "endpoint"]  # seconds of backend work
    ttl: Float[np.ndarray, "endpoint"]  # seconds that an answer may be kept
    update_rate: Float[np.ndarray, "endpoint"]  # 1/s at which the truth behind an answer changes
    scope: Int[np.ndarray, "endpoint"]  # index into SCOPES
    write: Bool[np.ndarray, "endpoint"]
    moves_product: Bool[np.ndarray, "endpoint"]
    moves_query: Bool[np.ndarray, "endpoint"]
    first_id: Int[np.ndarray, "endpoint"]
    invalidates: Int[np.ndarray, "endpoint 2"]  # endpoints, -1: none
    object_size: Int[np.ndarray, "object"]  # bytes
    object_endpoint: Int[np.ndarray, "object"]
    user_types: Float[np.ndarray, "type"]  # cumulative chances, as the next two
    start: Float[np.ndarray, "type endpoint"]
    transition: Float[np.ndarray, "type endpoint endpoint"]
    popularity: Float[np.ndarray, "item"]  # of products and of queries: P(i) ~ (i + 1)^-0.7
    predicted: Int[np.ndarray, "type endpoint top"]  # the endpoints most likely to be visited soon
    chance: Float[np.ndarray, "type endpoint top"]  # its probability


@cache
def api_tables() -> ApiTables:
    """The tables that the package ships, read once."""
    folder = resources.files("elsinore.worlds.cache") / "data"
    with resources.as_file(folder / "api_endpoints.csv") as path:
        endpoints = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    with (
        resources.as_file(folder / "api_model.npz") as path,
        np.load(path, allow_pickle=False) as file,
    ):
        model = dict(file)
    write = endpoints["write"].astype(bool)
    predicted, chance = top_predictions(model["pred_table"], write)
    return ApiTables(
        base=np.float32(endpoints["base_latency_ms"] / 1000),
        ttl=np.float32(endpoints["ttl_s"]),
        update_rate=np.float32(endpoints["update_rate_per_s"]),
        scope=np.array([SCOPES.index(scope) for scope in endpoints["scope"]], np.int32),
        write=write,
        moves_product=(endpoints["browse"] == 1) | (endpoints["idx"] == RECOMMENDATION),
        moves_query=np.isin(endpoints["idx"], QUERIES_MOVE),
        first_id=np.int32(endpoints["first_id"]),
        invalidates=np.int32(
            np.stack([endpoints["invalidates_0"], endpoints["invalidates_1"]], axis=1)
        ),
        object_size=model["object_size"],
        object_endpoint=np.int32(model["object_endpoint"]),
        user_types=cumulative_probabilities(model["user_type_prior"]),
        start=cumulative_probabilities(model["start"]),
        transition=cumulative_probabilities(model["transition"]),
        popularity=cumulative_probabilities(np.arange(1, 201) ** -0.7),
        predicted=predicted,
        chance=chance,
    )


def cumulative_probabilities(chances: np.ndarray) -> np.ndarray:
    """Cumulative probabilities along the last axis, scaled so that the last is exactly 1."""
    sums = np.cumsum(np.float64(chances), axis=-1)
    return np.float32(sums / sums[..., -1:])


def top_predictions(soon: np.ndarray, write: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The `TOP` likeliest read endpoints, ties to the lower number, and their probabilities."""
    readable = np.where(write, -1.0, soon)
    best = np.argsort(-readable, axis=-1, kind="stable")[..., :TOP]
    return np.int32(best), np.float32(np.take_along_axis(soon, best, axis=-1))
