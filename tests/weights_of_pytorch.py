"""Weights that PyTorch has stored, put where they belong here."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from diffbio_engine.parts.transformer_stack import TransformerStack


def put_linear(
    linear: Any,
    told: Mapping[str, np.ndarray],
    name: str,
    weight: str = "weight",
    bias: str = "bias",
) -> None:
    """Those of a ``torch.nn.Linear``: its kernel is turned."""
    linear.kernel[...] = jnp.asarray(told[name + weight].T)
    linear.bias[...] = jnp.asarray(told[name + bias])


def put_encoder(stack: TransformerStack, told: Mapping[str, np.ndarray]) -> None:
    """Those of a ``torch.nn.TransformerEncoder``."""
    norms = [(stack.norm, "norm.")]
    for i, layer in enumerate(stack.layers):
        name = f"layers.{i}."
        put_linear(layer.inner, told, name + "self_attn.", "in_proj_weight", "in_proj_bias")
        put_linear(layer.out, told, name + "self_attn.out_proj.")
        put_linear(layer.up, told, name + "linear1.")
        put_linear(layer.down, told, name + "linear2.")
        norms += [(layer.norms[0], name + "norm1."), (layer.norms[1], name + "norm2.")]
    for norm, name in norms:
        norm.scale[...] = jnp.asarray(told[name + "weight"])
        norm.bias[...] = jnp.asarray(told[name + "bias"])
