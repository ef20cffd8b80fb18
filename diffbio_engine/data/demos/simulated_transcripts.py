"""Simulated fragments of transcripts that share exons, as the folder that salmon writes."""

import io
import zipfile

import numpy as np

_FRAGMENT = 200  # bases; a transcript has its length less so many places for one to begin, plus one


def simulate_transcript_classes(
    seed: int = 0, n_genes: int = 20, n_isoforms: int = 3, n_fragments: int = 30_000
) -> bytes:
    """A zip of ``aux_info/eq_classes.txt`` and ``quant.sf``, whose truth is in ``truth.tsv``.

    A gene has six exons; each isoform lacks some of them. A fragment lies in one exon of its
    transcript, and fits all isoforms that have this exon. Of each gene the last isoform is not
    expressed.
    """
    random = np.random.default_rng(seed)
    exons = random.integers(250, 900, (n_genes, 6))
    has = random.uniform(size=(n_genes, n_isoforms, 6)) < 0.6
    has[:, :, 0] = True
    has[:, 0] = True
    lengths = (has * exons[:, None]).sum(axis=2)
    effective = lengths - _FRAGMENT + 1.0
    molecules = random.lognormal(0.0, 1.5, (n_genes, n_isoforms))
    molecules[:, -1] = 0
    expected = molecules * effective
    n_of = random.multinomial(n_fragments, (expected / expected.sum()).ravel())
    n_of = n_of.reshape(n_genes, n_isoforms)
    counts: dict[tuple[int, ...], int] = {}
    for gene in range(n_genes):
        for isoform in range(n_isoforms):
            share = has[gene, isoform] * exons[gene]
            in_exons = random.multinomial(n_of[gene, isoform], share / share.sum())
            for exon, n in enumerate(in_exons):
                fits = np.flatnonzero(has[gene, :, exon]) + gene * n_isoforms
                key = tuple(map(int, fits))
                counts[key] = counts.get(key, 0) + int(n)
    counts = {fits: n for fits, n in counts.items() if n}
    names = [f"GENE{g + 1}.{i + 1}" for g in range(n_genes) for i in range(n_isoforms)]
    classes = [_class(fits, 1 / effective.ravel()[list(fits)], n) for fits, n in counts.items()]
    tpm = 1e6 * molecules.ravel() / molecules.sum()
    files = {
        "aux_info/eq_classes.txt": [str(len(names)), str(len(counts)), *names, *classes],
        "quant.sf": [
            "Name\tLength\tEffectiveLength",
            *(
                f"{name}\t{long}\t{eff:.3f}"
                for name, long, eff in zip(names, lengths.ravel(), effective.ravel(), strict=True)
            ),
        ],
        "truth.tsv": [
            "transcript\ttpm\tfragments",
            *(f"{n}\t{t:.3f}\t{k}" for n, t, k in zip(names, tpm, n_of.ravel(), strict=True)),
        ],
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, lines in files.items():
            # One date for all: the same seed gives the same bytes.
            member = zipfile.ZipInfo(name)
            archive.writestr(member, "\n".join([*lines, ""]), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _class(fits: tuple[int, ...], weights: np.ndarray, n: int) -> str:
    shares = (f"{w:.6f}" for w in weights / weights.sum())
    return "\t".join([str(len(fits)), *map(str, fits), *shares, str(n)])
