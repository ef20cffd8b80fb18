"""Findings: what a run found besides the map, with the names of what lies along each axis."""

import anndata as ad
import numpy as np
import pytest

from diffbio_engine.bundles import result_arrays
from diffbio_engine.data import CellSource, Records, write_result
from diffbio_engine.pipelines import build, ports_of, prepare, values_of_cells
from diffbio_engine.pipelines.presets.preset import assembled
from diffbio_engine.runs.folder.findings import (
    FILE,
    GROUPS,
    Finding,
    Findings,
    load_findings,
    save_findings,
)
from diffbio_engine.runs.worker import findings_maker
from diffbio_engine.runs.worker.findings_maker import findings_of
from diffbio_engine.runs.worker.shown_ports import (
    finding_ports,
    map_ports,
    shares_ports,
    track_ports,
)


@pytest.fixture
def annotated():
    """A pipeline that names cell types, with its cells."""
    rng = np.random.default_rng(0)
    types = np.arange(12) % 3
    cells = CellSource(
        rng.poisson(3.0, (12, 5)).astype(np.float32),
        {"labels": types.astype(np.int32)},
        label_names={"labels": ["B", "T", "NK"]},
        var_names=[f"GENE{g}" for g in range(5)],
    )
    spec = assembled(
        "Names",
        {"annotate": ("singlecell.cell_annotator", {"latent_dim": 2, "hidden_dims": (4,)})},
        {"annotate.counts": "data.counts", "annotate.labels": "data.labels"},
        None,
    )
    return build(spec, ports_of(cells, {"labels": 3})).plan, cells


def test_shares_are_kept_as_the_mean_of_all_cells_and_of_each_known_group(annotated):
    plan, cells = annotated
    port = "annotate.cell_type_probabilities"
    assert port in shares_ports(plan)
    shares = np.eye(3)[cells.per_cell["labels"]]
    found = findings_of(7, plan, cells, {port: shares})
    (composition,) = (f for f in found.found if f.port == port)
    assert composition.axes == (GROUPS, "classes")
    assert found.along(composition, GROUPS) == ["all cells", "B", "T", "NK"]
    # The classes are named after the labels that are wired into the block.
    assert found.along(composition, "classes") == ["B", "T", "NK"]
    np.testing.assert_allclose(composition.values[0], [1 / 3] * 3)
    np.testing.assert_allclose(composition.values[1:], np.eye(3))


def test_how_many_doublets_were_called_is_told_and_each_cell_is_a_plain_yes_or_no(tmp_path):
    counts = np.random.default_rng(0).poisson(3.0, (40, 12)).astype(np.float32)
    cells = CellSource(counts)
    blocks = {"score": ("singlecell.doublet_scorer", {"n_neighbors": 5, "n_pca_components": 3})}
    spec = assembled("Doublets", blocks, {"score.counts": "data.counts"}, None)
    pipeline = build(spec, ports_of(cells, {}))
    prepare(pipeline, cells)
    calls = values_of_cells(pipeline, cells, ("score.predicted_doublets",))
    n = int((calls["score.predicted_doublets"] > 0.5).sum())
    (told,) = findings_of(1, pipeline.plan, cells, calls).found
    assert (told.title, told.doc) == (
        "Called: predicted doublets",
        f"{n} of 40 cells, {n / 40:.1%}.",
    )
    placed = result_arrays(pipeline, cells)
    file = write_result(ad.AnnData(counts), tmp_path / "r.h5ad", placed.arrays, {}).path
    column = ad.read_h5ad(file).obs["doublet_call_diffbio"]
    assert column.dtype == bool and column.sum() == n


def test_parameters_without_names_and_arrays_of_cells_are_not_findings(annotated):
    plan, _ = annotated
    for name in finding_ports(plan):
        assert "cells" not in plan.port(name).axis_names


def test_findings_come_back_from_the_file_as_they_were(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    one = Finding(
        "net.grn_matrix", "Grn matrix", "Who acts.", "network", ("regulators", "genes"), values
    )
    names = {"genes": ["A", "B", "C"], "net.regulators": ["TF1", "TF2"]}
    save_findings(tmp_path, Findings(3, (one,), names, {"umap.embedding": "map"}, "a.b"))
    back = load_findings(tmp_path)
    assert back.step == 3 and back.kinds == {"umap.embedding": "map"} and back.first == "a.b"
    assert back.along(back.found[0], "regulators") == ["TF1", "TF2"]
    assert back.along(back.found[0], "genes") == ["A", "B", "C"]
    np.testing.assert_array_equal(back.found[0].values, values)


def test_a_file_cut_short_is_as_good_as_none(tmp_path):
    save_findings(tmp_path, Findings(1, (), {}, {}))
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: len(content) // 2])
    assert load_findings(tmp_path) is None
    assert load_findings(tmp_path / "nowhere") is None


def test_without_a_map_records_are_listed_and_some_are_shown_along_their_positions():
    n, letters = 40, np.random.default_rng(0).integers(0, 4, (40, 6)).astype(np.uint8)
    sequences = Records(
        per_record={"sequences": letters},
        per_dataset={"background": np.full(4, 0.25, np.float32)},
        record="sequences",
        record_names=[f"seq{i}" for i in range(n)],
        along={"letters": list("ACGT")},
    )
    blocks = {"states": ("statistical.hmm", {})}
    spec = assembled("States", blocks, {"states.sequences": "data.sequences"}, None)
    planned = build(spec, ports_of(sequences, {})).plan
    assert "states.state_posteriors" in track_ports(planned) and not map_ports(planned)
    rows = np.arange(0, n, 10)
    score = {"states.log_likelihood": np.arange(n, dtype=np.float32)}
    tracks = {"states.state_posteriors": np.full((4, 6, 3), 1 / 3)}
    told = findings_of(1, planned, sequences, score, None, tracks, rows)
    listed, track = sorted(told.found, key=lambda f: f.port)
    assert told.record == "sequences" and listed.axes == ("sequences",)
    assert told.along(listed, "sequences")[:2] == ["seq0", "seq1"]
    assert track.axes == ("sequences", "positions", "states")
    assert told.along(track, "sequences") == ["seq0", "seq10", "seq20", "seq30"]
    assert track.doc.endswith("4 of 40 sequences, evenly chosen.")


def test_windows_that_are_shown_are_read_with_all_others_and_lie_in_their_contig(tmp_path):
    """Of 7 windows, drawn two at a time as chunks, the third and sixth say what they say of all."""
    n, bins = 7, 40
    random = np.random.default_rng(3)
    level = np.repeat(random.integers(0, 2, n * 4), bins // 4)
    rows = random.normal(np.where(level, 2.0, 0.0), 1.0).astype(np.float32).reshape(n, bins)
    names = [f"chr:1:{400 * i}-{400 * (i + 1)}" for i in range(n)]
    order = np.arange(n, dtype=np.int32)
    windows = Records(
        per_record={"signal": rows, "window_order": order}, record="windows", record_names=names
    )
    wires = {"hmm.signal": "data.signal", "hmm.window_order": "data.window_order"}
    blocks = {"hmm": ("statistical.track_hmm", {"num_states": 2, "transform": "none"})}
    pipeline = build(assembled("States", blocks, wires, None), ports_of(windows, {}))
    prepare(pipeline, windows)
    ports, some = (
        ("hmm.state_posteriors", "hmm.state_means", "hmm.log_likelihood"),
        np.array([2, 5]),
    )
    whole = values_of_cells(pipeline, windows, ports)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("diffbio_engine.pipelines.population.CHUNK", 2)
        shown = values_of_cells(pipeline, windows, ports, rows=some)
    for port in (ports[0], ports[2]):
        np.testing.assert_array_equal(shown[port], whole[port][some])
    tracks = {ports[0]: shown[ports[0]]}
    found = findings_of(1, pipeline.plan, windows, whole, None, tracks, some)
    save_findings(tmp_path, found)
    found = load_findings(tmp_path)
    by_port = {f.port: f for f in found.found}
    posteriors, seen = by_port[ports[0]], by_port["hmm.signal"]
    low, high = found.along(posteriors, "states")
    mean = whole["hmm.state_means"]
    assert (low, high) == (f"state 0 (mean {mean[0]:.3g})", f"state 1 (mean {mean[1]:.3g})")
    assert posteriors.ruler == (("chr:1", 800, 10, bins), ("chr:1", 2000, 10, bins))
    np.testing.assert_array_equal(seen.values, rows[some])
    placed = result_arrays(pipeline, windows)
    assert placed.arrays["positions/states_diffbio"].names == (low, high)


def test_what_other_comparisons_need_is_kept_up_to_a_size(monkeypatch):
    cells = CellSource(
        np.ones((6, 5), np.float32), {"design": np.eye(6, 2, dtype=np.float32)},
        var_names=[f"GENE{g}" for g in range(5)],
    )  # fmt: skip
    wires = {"compare.counts": "data.counts", "compare.design": "data.design"}
    spec = assembled("DE", {"compare": ("statistical.nb_glm", {})}, wires, None)
    plan = build(spec, ports_of(cells, {})).plan
    values = {"compare.covariance": np.zeros((2, 2, 5)), "compare.base_mean": np.ones(5)}

    def kept():
        return [f.port for f in findings_of(1, plan, cells, values).found]

    assert "compare.covariance" in kept()
    monkeypatch.setattr(findings_maker, "MOST_COVARIANCE", 100)
    assert kept() == ["compare.base_mean"]
