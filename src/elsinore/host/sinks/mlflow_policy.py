"""What MLflow loads and serves: an exported policy, needing jax and nothing of elsinore."""

import mlflow
import numpy as np


class Policy(mlflow.pyfunc.PythonModel):
    """Observations [batch, ...] to greedy actions [batch, ...].

    A recurrent policy remembers from call to call, until a batch of another size comes: then episodes begin.
    """

    def load_context(self, context):
        from jax import export

        with open(context.artifacts["policy"], "rb") as file:
            self._exported = export.deserialize(bytearray(file.read()))
        self._memory = []

    def predict(self, context, model_input: np.ndarray, params=None) -> np.ndarray:
        obs = np.asarray(model_input).astype(self._exported.in_avals[0].dtype)
        memories = self._exported.in_avals[1:]
        if not memories:
            return np.asarray(self._exported.call(obs))
        if not self._memory or self._memory[0].shape[0] != len(obs):
            self._memory = [np.zeros((len(obs), *x.shape[1:]), x.dtype) for x in memories]
        actions, self._memory = self._exported.call(obs, self._memory)
        return np.asarray(actions)


mlflow.models.set_model(Policy())
