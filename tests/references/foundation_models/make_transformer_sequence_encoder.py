"""Golden numbers of the sequence transformer: a whole encoder made of PyTorch's own modules.

Weights, letters, and the embeddings of a Linear (or Embedding), sinusoids, a TransformerEncoder and
the pooling. Made with torch 1.13.0 (CPU): `python make_transformer_sequence_encoder.py`.
"""

from pathlib import Path

import numpy as np
import torch

WIDTH, HEADS, LAYERS, HIDDEN, WORDS = 8, 2, 2, 24, 65
OUT = Path(__file__).with_name("transformer_sequence_encoder.npz")


def sinusoids(n):
    """As Vaswani et al. (2017) write them: sin and cos take turns."""
    found = torch.zeros(n, WIDTH)
    for at in range(n):
        for i in range(WIDTH // 2):
            angle = torch.tensor(at / 10_000 ** (2 * i / WIDTH), dtype=torch.float64)
            found[at, 2 * i], found[at, 2 * i + 1] = torch.sin(angle), torch.cos(angle)
    return found


def main():
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
    )
    encoder = torch.nn.TransformerEncoder(
        layer, LAYERS, norm=torch.nn.LayerNorm(WIDTH), enable_nested_tensor=False
    ).eval()
    linear, embedding = torch.nn.Linear(4, WIDTH), torch.nn.Embedding(WORDS, WIDTH)
    first = torch.randn(WIDTH)
    codes = torch.randint(0, 4, (3, 11))
    lengths = torch.tensor([11, 7, 4])
    arrays = {"codes": codes.numpy(), "lengths": lengths.numpy(), "cls_token": first.numpy()}
    with torch.no_grad():
        for weights in encoder.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
        for pooling in ("mean", "cls"):
            for form in ("linear", "words"):
                if form == "linear":
                    x, there = linear(torch.eye(4)[codes]), torch.arange(11) < lengths[:, None]
                else:  # words of three letters
                    ids = 16 * codes[:, :-2] + 4 * codes[:, 1:-1] + codes[:, 2:]
                    x, there = embedding(ids), torch.arange(9) < lengths[:, None] - 2
                if pooling == "cls":
                    x = torch.cat([first.expand(3, 1, WIDTH), x], dim=1)
                    there = torch.cat([torch.ones(3, 1, dtype=torch.bool), there], dim=1)
                x = encoder(x + sinusoids(x.shape[1]), src_key_padding_mask=~there)
                if pooling == "mean":
                    n = there.sum(dim=1, keepdim=True)
                    found = (x * there[..., None]).sum(dim=1) / n
                else:
                    found = x[:, 0]
                arrays[f"{form} {pooling}"] = found.numpy()
        for name, module in (("linear.", linear), ("embedding.", embedding), ("", encoder)):
            for key, weights in module.state_dict().items():
                arrays[name + key] = weights.numpy()
    np.savez_compressed(OUT, **arrays)


if __name__ == "__main__":
    main()
