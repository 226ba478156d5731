"""The MLflow model of an exported policy, which needs jax but not elsinore."""

import json

import mlflow
import numpy as np


class MLflowPolicy(mlflow.pyfunc.PythonModel):
    """Maps observations [batch, ...], or a dict of them by name, to greedy actions [batch, ...].

    A recurrent policy keeps its carry from call to call, until `params={"begin": True}` or a batch
    of another size begins new episodes.
    """

    def load_context(self, context):
        import jax
        from jax import export

        with open(context.artifacts["policy"], "rb") as file:
            exported = export.deserialize(bytearray(file.read()))
        with open(context.artifacts["about"], encoding="utf-8") as file:
            self._parts = json.load(file)["obs"]
        positional, _ = exported.in_tree.children()
        self._obs_tree = positional.children()[0]
        self._begin = exported.in_avals[len(self._parts) :]
        self._call, self._unflatten = jax.jit(exported.call), jax.tree.unflatten
        self._carry = []

    def predict(self, context, model_input: np.ndarray, params=None) -> np.ndarray:
        leaves = self._leaves(model_input)
        obs = self._unflatten(self._obs_tree, leaves)
        if not self._begin:
            return np.asarray(self._call(obs))
        size = len(leaves[0])
        if not self._carry or self._carry[0].shape[0] != size or (params or {}).get("begin"):
            self._carry = [np.zeros((size, *x.shape[1:]), x.dtype) for x in self._begin]
        actions, self._carry = self._call(obs, self._carry)
        return np.asarray(actions)

    def _leaves(self, given):
        """The arrays of the policy's observations, in order, from MLflow's input."""
        named = len(self._parts) > 1 or self._parts[0]["name"]
        leaves = [given[part["name"]] if named else given for part in self._parts]
        return [
            np.asarray(x).astype(part["dtype"]) for x, part in zip(leaves, self._parts, strict=True)
        ]


mlflow.models.set_model(MLflowPolicy())
