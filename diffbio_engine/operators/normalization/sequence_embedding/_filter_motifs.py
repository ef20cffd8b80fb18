"""What excites the first filters: how frequent each letter is in their most exciting windows."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.declare import Kind, Port
from diffbio_engine.ports.alphabets import PAST_THE_END

# Sequences that filters are read from: so many, and so many letters of them, at most.
_MOST_SEQUENCES, _MOST_LETTERS = 1_024, 200_000
# A window counts that excites a filter more than this share of the most exciting one (Basset).
_EXCITING = 0.5
# Letters that are added when motifs are ranked, so that two windows alone are no clear motif.
_ADDED = 4.0

MOTIFS = (
    Port(
        "filter_motifs",
        "motifs width letters",
        Kind.PROFILE,
        "What each filter of the first convolution sees: how frequent each letter is in windows"
        " that excite it more than half as much as the most exciting one (Basset, DeepBind), among"
        " up to 1,024 of the sequences. The clearest first; a filter that nothing excites has no"
        " letters.",
        optional=True,
        result="motifs/filters_diffbio",
    ),
    Port(
        "filter_windows",
        "motifs",
        Kind.PROFILE,
        "From how many windows each of these motifs is.",
        optional=True,
        result="motifs/windows_diffbio",
    ),
)


def some_to_read(sequences: np.ndarray) -> np.ndarray:
    """Evenly chosen sequences, by which filters are read."""
    codes = np.asarray(sequences)
    if codes.ndim != 2:
        return np.full((1, 1), PAST_THE_END, np.uint8)
    n = max(1, min(len(codes), _MOST_SEQUENCES, _MOST_LETTERS // max(1, codes.shape[1])))
    return codes[np.linspace(0, len(codes) - 1, n).astype(int)]


def filter_motifs(
    excited: jax.Array, rows: jax.Array, mask: jax.Array, width: int
) -> tuple[jax.Array, jax.Array]:
    """``p[f, j, a]``: how frequent letter a is at place j of the windows that excite filter f.

    ``p`` adds up to one at each place and is the same for all letters where nothing excites a
    filter. Motifs are in the order of their information, ``sum_j (log2 A - H(p[f, j]))`` with four
    letters added to each place.

    Args:
        excited: The filters at each position, after ``relu``, (N, L, F).
        rows: Letters (N, L, A).
        mask: Where there is a letter, (N, L).
        width: Positions that a filter sees, ``(width - 1) // 2`` of them before its own.

    Returns:
        Motifs (F, width, A), and from how many windows each is, (F,).
    """
    length, n_letters, before = rows.shape[1], rows.shape[2], (width - 1) // 2
    beside = ((0, 0), (before, width - 1 - before))
    there = jnp.pad(mask, beside)
    whole = jnp.min(jnp.stack([there[:, j : j + length] for j in range(width)]), axis=0)
    excited = excited * whole[..., None]
    chosen = excited > _EXCITING * jnp.maximum(jnp.max(excited, axis=(0, 1)), 1e-12)
    seen = chosen.astype(rows.dtype)
    wide = jnp.pad(rows, (*beside, (0, 0)))
    counts = jnp.stack(
        [jnp.einsum("nlf,nla->fa", seen, wide[:, j : j + length]) for j in range(width)], axis=1
    )
    n = jnp.sum(seen, axis=(0, 1))
    alike = jnp.full_like(counts, 1.0 / n_letters)
    motifs = jnp.where(n[:, None, None] > 0, counts / jnp.maximum(n, 1.0)[:, None, None], alike)
    smooth = (counts + _ADDED / n_letters) / (n + _ADDED)[:, None, None]
    told = jnp.sum(smooth * jnp.log2(smooth), axis=(1, 2)) + width * jnp.log2(n_letters)
    order = jnp.argsort(-told)
    return motifs[order], n[order]
