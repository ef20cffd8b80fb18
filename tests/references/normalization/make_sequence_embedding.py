"""Golden numbers of the transformer: weights, tokens, mask and output of PyTorch's own layers.

Made with torch 2.13.0 (CPU) in an environment of its own: `python make_sequence_embedding.py`.
"""

from pathlib import Path

import numpy as np
import torch

WIDTH, HEADS, LAYERS = 8, 2, 2
OUT = Path(__file__).with_name("sequence_embedding.npz")


def main():
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
    )
    encoder = torch.nn.TransformerEncoder(
        layer, LAYERS, norm=torch.nn.LayerNorm(WIDTH), enable_nested_tensor=False
    ).eval()
    with torch.no_grad():
        for weights in encoder.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
        tokens = torch.randn(3, 10, WIDTH)
        there = torch.arange(10) < torch.tensor([[10], [6], [3]])
        found = encoder(tokens, src_key_padding_mask=~there)
    arrays = {name: weights.numpy() for name, weights in encoder.state_dict().items()}
    np.savez_compressed(
        OUT, tokens=tokens.numpy(), there=there.numpy(), output=found.numpy(), **arrays
    )


if __name__ == "__main__":
    main()
