"""A run of sequences from FASTA to what goes home, and new sequences placed by it."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from diffbio_engine.bundles import load_bundle
from diffbio_engine.bundles.axis_names import names_along
from diffbio_engine.data import read
from diffbio_engine.pipelines import presets
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import open_run
from tests.command_line.small_run import said

N = 60


def fasta(path, n, seed=0, shortest=20, longest=40, letters="ACGT", motif="GATTACAG"):
    """Two classes of sequences, of which one has a motif."""
    random = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        word = "".join(random.choice(list(letters), random.integers(shortest, longest + 1)))
        word = f"{word[:5]}{motif}{word[13:]}" if i % 2 else word
        lines.append(f">s{i} label={'bound' if i % 2 else 'free'} chr=chr{i % 3}\n{word}\n")
    path.write_text("".join(lines))
    return path


def pipeline_document():
    return {
        "format": "diffbio-pipeline",
        "schema": 1,
        "name": "Small sequences",
        "blocks": [
            {
                "id": "embedding",
                "operator": "normalization.sequence_embedding",
                "config": {"embedding_dim": 8, "n_layers": 1, "num_heads": 2, "kernel_size": 5},
            },
            {"id": "cluster", "operator": "singlecell.soft_kmeans", "config": {"n_clusters": 2}},
        ],
        "wires": [
            {"source": "data.sequences", "target": "embedding.sequences"},
            {"source": "data.background", "target": "embedding.background"},
            {"source": "data.labels", "target": "embedding.labels"},
            {"source": "embedding.embeddings", "target": "cluster.embeddings"},
        ],
        "training": {"stages": [{"name": "joint", "epochs": 2}], "batch_size": 16},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    (folder / "pipeline.json").write_text(json.dumps(pipeline_document()))
    data = fasta(folder / "train.fa", N)
    data.write_text(data.read_text() + ">empty label=free\n")
    code, told, mistakes = said(
        "run", "--pipeline", folder / "pipeline.json", "--data", data, "--out", folder / "run",
        "--steps", 12, "--quiet",
    )  # fmt: skip
    assert code == 0, mistakes
    return folder, told


def test_what_goes_home_is_an_h5ad_a_table_and_the_sequences(trained):
    folder, told = trained
    events = (folder / "run/events.jsonl").read_text()
    assert "1 of 61 sequences have no letters: they are in no cluster" in events
    assert "cells" not in events and "cells" not in told
    result = anndata.read_h5ad(folder / "run/result.h5ad")
    assert result.shape == (N + 1, 0) and list(result.obs_names[:2]) == ["s0", "s1"]
    assert np.isfinite(result.obsm["X_sequence_diffbio"]).all()
    assert {"label", "chr", "length", "gc_content", "cluster_diffbio"} <= set(result.obs)
    table = pd.read_csv(folder / "run/result_sequences.csv")
    assert list(table["sequence"]) == list(result.obs_names)
    assert table["length"].iloc[-1] == 0
    home = read(folder / "run/result_sequences.fasta")
    came = read(folder / "train.fa")
    np.testing.assert_array_equal(home.ragged["sequences"].flat, came.ragged["sequences"].flat)
    assert list(home.obs["label"]) == list(came.obs["label"])
    known = result.obs["cluster_diffbio"].astype(str).to_numpy()[:N]
    assert list(home.obs["cluster_diffbio"].astype(str).str.removesuffix(".0"))[:N] == list(known)


def test_the_bundle_says_which_alphabet_and_how_long_and_needs_no_genes(trained):
    folder, _ = trained
    bundle = load_bundle(folder / "run/bundle")
    assert bundle.fields["sequences"]["letters"] == list("ACGT")
    assert bundle.genes == {"names": [], "ids": []}
    assert not (folder / "run/bundle/genes.tsv").exists()
    readme = (folder / "run/bundle/README.md").read_text()
    assert "61 sequences of up to 40 letters (DNA)" in readme and "genes" not in readme


def test_new_sequences_are_placed_whatever_their_length_and_rna_is_read_too(trained, tmp_path):
    folder, _ = trained
    new = fasta(tmp_path / "new.fa", 10, seed=1, longest=90, letters="ACGU", motif="GAUUACAG")
    out = tmp_path / "placed.h5ad"
    code, told, mistakes = said("apply", folder / "run/bundle", new, "--out", out)
    assert code == 0, mistakes
    assert "trained on DNA; new.fa is RNA" in told and "10 sequences placed" in told
    assert "of 10 sequences are longer than the 40 letters that the pipeline was trained on" in told
    assert anndata.read_h5ad(out).obsm["X_sequence_diffbio"].shape == (10, 8)
    assert (tmp_path / "placed_sequences.csv").exists()


def test_a_transformer_reads_all_letters_of_a_protein_and_calls_them_by_their_names(tmp_path):
    data = fasta(tmp_path / "a.faa", 12, letters="ACDEFGHIKLMNPQRSTVWY", motif="MKWVTFIS")
    fields = {"sequences": "sequences:letters"}
    document = presets()["pretrain_sequences"].make(fields).to_json()
    opened = open_run(RunSpec(document, {"path": str(data), "fields": fields}))
    encoder = opened.pipeline.plan.blocks["encode"]
    assert encoder.config.alphabet_size == 20
    names = names_along(opened.pipeline.plan, opened.cells, "encode", "letters", 20)
    assert "".join(names) == "ACDEFGHIKLMNPQRSTVWY"


def test_protein_is_not_placed_by_what_was_learned_of_dna(trained, tmp_path):
    folder, _ = trained
    new = fasta(tmp_path / "new.faa", 10, letters="ACDEFGHIKLMNPQRSTVWY")
    code, _, mistakes = said("apply", folder / "run/bundle", new, "--out", tmp_path / "x.h5ad")
    assert code and "trained on DNA; the letters of new.faa are taken for protein" in mistakes
    (tmp_path / "cells.csv").write_text("gene,c1,c2\nCD3D,1,0\nLYZ,3,2\nMS4A1,0,2\n")
    code, _, mistakes = said(
        "apply", folder / "run/bundle", tmp_path / "cells.csv", "--out", tmp_path / "x.h5ad"
    )
    assert code and "cells.csv holds no sequences of letters" in mistakes
