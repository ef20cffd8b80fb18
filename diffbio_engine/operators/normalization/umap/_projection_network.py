"""A network from features to a map, started in closed form from coordinates that are known."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

_PAIRS_PER_UNIT = 5
_RIDGE = 1e-4


class ProjectionNetwork(nnx.Module):
    """``y = [tanh(x W + b), x] V + c``: one wide layer of units and a linear path around them.

    ``start_from`` gives all weights without a descent (sampled network): each unit is a step
    between two cells, chosen where the wanted coordinates change fast in the features, and ``V``
    and ``c`` are found by ridge regression. Further training moves all of them. They are stored
    times ``sqrt(units)``: steps of a size common for Adam, coherent over a thousand units, would
    otherwise tear the map apart before they improve it.

    Args:
        n_features, n_units, n_components: Widths of input, hidden layer and map.

    References:
        Bolager et al. (2023), Sampling weights of deep neural networks, NeurIPS.
    """

    def __init__(self, n_features: int, n_units: int, n_components: int, *, rngs: nnx.Rngs):
        self.units = nnx.Linear(n_features, n_units, rngs=rngs)
        self.output = nnx.Linear(n_units + n_features, n_components, rngs=rngs)
        self.calm = float(n_units) ** 0.5
        for layer in (self.units, self.output):
            layer.kernel[...] = layer.kernel[...] * self.calm

    def __call__(self, features: jax.Array) -> jax.Array:
        steps = jnp.tanh(self.units(features) / self.calm)
        return self.output(jnp.concatenate([steps, features], axis=-1)) / self.calm

    def start_from(self, features: np.ndarray, wanted: np.ndarray, *, seed: int) -> None:
        """Weights for which the output is near ``wanted``; (cells, features) to (cells, map).

        Cost: O(cells * units^2) time, O(cells * units) memory.
        """
        features = np.asarray(features, np.float32)
        wanted = np.asarray(wanted, np.float32)
        kernel, bias = _sampled_units(features, wanted, self.units.out_features, seed)
        inputs = np.hstack([np.tanh(features @ kernel + bias), features])
        weights, constant = _ridge_regression(inputs, wanted)
        for variable, value in (
            (self.units.kernel, kernel),
            (self.units.bias, bias),
            (self.output.kernel, weights),
            (self.output.bias, constant),
        ):
            assert variable is not None, "both layers have a bias"
            variable[...] = jnp.asarray(self.calm * value, variable.dtype)


def _sampled_units(
    features: np.ndarray, wanted: np.ndarray, n_units: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    first, second = random.integers(len(features), size=(2, n_units * _PAIRS_PER_UNIT))
    way = features[second] - features[first]
    square = np.einsum("ij,ij->i", way, way)
    steep = np.linalg.norm(wanted[second] - wanted[first], axis=1) / np.sqrt(square + 1e-12)
    steep = np.where(square > 0, steep + 1e-12, 0.0)
    if np.count_nonzero(steep) < n_units:
        # Hardly any two cells differ: any directions will do.
        kernel = random.normal(size=(features.shape[1], n_units)) / np.sqrt(features.shape[1])
        return kernel.astype(np.float32), np.zeros(n_units, np.float32)
    chosen = random.choice(len(steep), n_units, replace=False, p=steep / steep.sum())
    # From one cell of the pair to the other, the unit goes from tanh(-1) to tanh(1).
    slope = 2 * way[chosen] / square[chosen, None]
    middle = (features[first[chosen]] + features[second[chosen]]) / 2
    return slope.T.astype(np.float32), -np.einsum("ij,ij->i", slope, middle).astype(np.float32)


def _ridge_regression(inputs: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle, target = inputs.mean(axis=0), wanted.mean(axis=0)
    centred = inputs - middle
    # Solved in double precision: the units overlap, so that the matrix is nearly singular.
    gram = (centred.T @ centred).astype(np.float64)
    gram[np.diag_indices_from(gram)] += _RIDGE * len(inputs)
    weights = np.linalg.solve(gram, (centred.T @ (wanted - target)).astype(np.float64))
    return weights, target - middle @ weights
