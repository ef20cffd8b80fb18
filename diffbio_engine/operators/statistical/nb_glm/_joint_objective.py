"""What training makes small: the likelihood with the priors of the published estimate."""

import jax
import jax.numpy as jnp

from diffbio_engine.operators.statistical._nb_design_basis import (
    RIDGE,
    cox_reid,
)


def joint_loss(
    beta: jax.Array,
    each: jax.Array,
    mu: jax.Array,
    log_theta: jax.Array,
    weights: jax.Array,
    q: jax.Array,
    found: dict[str, jax.Array],
) -> jax.Array:
    """Nats a count.

    Args:
        each: Weighted log-probability of each count, (samples, genes).
        q: The design in its basis.
        found: ``trend``, ``prior_precision`` and ``learns`` of each gene.
    """
    # The adjustment is for dispersions at the means that are there: it must not move them.
    adjustment = cox_reid(q, weights, jax.lax.stop_gradient(mu), jnp.exp(-log_theta))
    off = -log_theta - jnp.log(found["trend"])
    prior = 0.5 * found["prior_precision"] * off**2
    ridge = 0.5 * RIDGE * jnp.sum(beta**2, axis=0)
    genes = adjustment + prior + ridge - jnp.sum(each, axis=0)
    return jnp.sum(jnp.where(found["learns"] > 0, genes, 0.0)) / each.size
