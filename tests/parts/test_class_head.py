"""Classes begin where their known records lie."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Buffer
from diffbio_engine.parts.class_head import ClassHead

MEANS = np.array([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]])


def begun(x, labels, n_classes=3):
    head = ClassHead(x.shape[1], n_classes, buffer=Buffer, rngs=nnx.Rngs(0))
    head.begin(x, None)
    head.begin_at_means(x[labels >= 0], labels[labels >= 0])
    return head


def drawn(n):
    random, labels = np.random.default_rng(0), np.arange(n) % 3
    return MEANS[labels] + 0.7 * random.normal(size=(n, 2)), labels


def test_of_many_records_the_start_is_the_posterior_of_normal_classes():
    x, labels = drawn(3000)
    found = np.exp(np.asarray(begun(x, labels)(jnp.asarray(x))))
    means = np.stack([x[labels == k].mean(axis=0) for k in range(3)])
    variance = ((x - means[labels]) ** 2).mean(axis=0)
    log_density = -((x[:, None] - means) ** 2 / (2 * variance)).sum(axis=2)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, density / density.sum(axis=1, keepdims=True), atol=0.01)


def test_few_records_name_most_others_and_a_class_without_any_lies_in_the_middle():
    x, truth = drawn(300)
    labels = np.where(np.arange(300) < 6, truth, -1)
    head = begun(x, labels, n_classes=4)
    assert (np.asarray(head(jnp.asarray(x))).argmax(axis=1) == truth).mean() > 0.9
    np.testing.assert_array_equal(np.asarray(head.linear.kernel[...])[:, 3], 0)
