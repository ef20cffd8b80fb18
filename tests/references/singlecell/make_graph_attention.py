"""GATv2Conv of PyTorch Geometric on a small graph, with its weights.

Run with a Python that has torch and torch_geometric: `python make_graph_attention.py`.
"""

from pathlib import Path

import numpy as np
import torch
from torch_geometric.nn import GATv2Conv

N_SOURCES, N_TARGETS, N_EDGES, HEADS, WIDTH, N_EDGE = 12, 9, 40, 3, 4, 5


def main() -> None:
    torch.manual_seed(0)
    layer = GATv2Conv((7, 6), WIDTH, heads=HEADS, edge_dim=N_EDGE, add_self_loops=False)
    torch.nn.init.normal_(layer.bias)
    sources, targets = torch.randn(N_SOURCES, 7), torch.randn(N_TARGETS, 6)
    edges = torch.stack(
        [torch.randint(0, N_SOURCES, (N_EDGES,)), torch.randint(0, N_TARGETS - 1, (N_EDGES,))]
    )
    features = torch.randn(N_EDGES, N_EDGE)
    out, (_, shares) = layer(
        (sources, targets), edges, edge_attr=features, return_attention_weights=True
    )
    weights = {f"w_{k}": v.detach().numpy() for k, v in layer.state_dict().items()}
    np.savez_compressed(
        Path(__file__).parent / "graph_attention.npz",
        sources=sources.numpy(),
        targets=targets.numpy(),
        edges=edges.numpy(),
        features=features.numpy(),
        out=out.detach().numpy(),
        shares=shares.detach().numpy(),
        **weights,
    )


if __name__ == "__main__":
    main()
