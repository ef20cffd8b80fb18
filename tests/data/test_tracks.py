"""BedGraph as people have it: bins, windows, what is said, what is refused, what goes home."""

import gzip

import numpy as np
import pytest

from diffbio_engine.data import inspect, open_source, read, write_result
from diffbio_engine.data.fields.letters import order_of_windows
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.writers.states_file import States
from diffbio_engine.errors import DataError

FIELDS = {"signal": "tracks:signal", "window_order": "tracks:order"}
TRACK = (
    "track type=bedGraph\n# a comment\nchr2\t100\t300\t2\nchr2\t300\t350\t8\n"
    "chr2\t500000\t500100\t1.5\nchrX\t0\t50\t4\n"
)


def write(folder, text, name="a.bedGraph"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_bins_are_means_over_their_bases_and_windows_without_signal_are_left_out(tmp_path):
    packed = write(tmp_path, gzip.compress(TRACK.encode()), "a.bedgraph.gz")
    data = read(packed, bin_size="100")
    assert data.rows == "windows" and data.n_cells == 3
    assert data.obs.index.tolist() == ["chr2:100-51300", "chr2:460900-500100", "chrX:0-100"]
    signal = data.ragged["signal"]
    np.testing.assert_allclose(signal.row(0)[:4], [2, 2, 4, 0])
    assert signal.row(0).sum() == 8 and signal.row(1)[-1] == 1.5
    np.testing.assert_allclose(signal.row(2), [2])
    assert any("8 of 11 windows have no signal" in said for said in data.warnings)
    assert order_of_windows(data.obs).tolist() == [0, 2, 4]  # none follows another
    fine = read(packed, bin_size="25")
    touch = np.diff(order_of_windows(fine.obs)) == 1
    ends, starts = fine.obs["end"].to_numpy()[:-1], fine.obs["start"].to_numpy()[1:]
    same = fine.obs["chromosome"].to_numpy()[1:] == fine.obs["chromosome"].to_numpy()[:-1]
    np.testing.assert_array_equal(touch, same & (ends == starts))
    ruler = kind_named("windows").ruler(data.obs.index[0], 512)
    assert ruler == ("chr2", 100, 100, 512)
    preview = inspect(packed)
    assert [c.taken for c in preview.choices if c.name == "bin_size"] == ["200"]
    assert "bins of 200 bases" in preview.size and preview.suggested == FIELDS


def test_a_contig_whose_name_begins_like_a_heading_is_read(tmp_path):
    data = read(write(tmp_path, "browser hide all\ntrack\ntrack1\t0\t50\t4\n"), bin_size="50")
    assert data.obs.index.tolist() == ["track1:0-50"]


def test_a_batch_is_filled_up_with_nan_and_lines_that_overlap_are_added_and_said(tmp_path):
    data = read(write(tmp_path, TRACK + "chrX\t0\t25\t4\n"), bin_size="50")
    assert any("1 of 5 lines overlap" in said for said in data.warnings)
    np.testing.assert_allclose(data.ragged["signal"].row(data.n_cells - 1), [6])
    records = open_source(data, {"signal": "tracks:signal"}, ["signal"])
    batch = records.rows("signal", np.array([data.n_cells - 1, 0]))
    assert (
        batch.dtype == np.float32 and np.isnan(batch[0, 1:]).all() and np.isfinite(batch[1]).all()
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "no intervals"),
        ("chr1\t0\t10\n", "Line 1 .* has 3 columns"),
        (
            "chr1\t0\t10\t1\nchr1\tx\t20\t1\n",
            r"Line 2 .* has 'x' in column 2 \(start\), where a whole",
        ),
        ("chr1\t0\t10\tx\n", r"has 'x' in column 4 \(value\), where a number belongs"),
        ("chr1\t0\t1.5\t1\n", r"has '1.5' in column 3 \(end\)"),
        ("chr1\t10\t10\t1\n", "goes from 10 to 10"),
        ("chr1\t-5\t10\t1\n", "goes from -5"),
        ("chr1\t0\t99999999999999\t1\n", "goes from 0"),
        ("chr1\t0\t10\tnan\n", "not finite"),
        ("chr1\t0\t10\t0\n", "no signal"),
        ("chr1\t0\t9999999999\t1\n", "more than 20,000,000 bins"),
        ("x" * 20_000, "no line of text"),
        (b"chr1\t0\t10\t1\x00\n", "no line of text"),
        ("chr1\t" + "9" * 5000 + "\t10\t1\n", "has '9{20}…' in column 2"),
        ("c" * 201 + "\t0\t10\t1\n", "no name of a chromosome"),
        ("chr1\x1b[2J\t0\t10\t1\n", "no name of a chromosome"),
    ],
)
def test_what_is_no_track_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read(write(tmp_path, text))


@pytest.mark.parametrize("size", ["²", "0", "-1", "9" * 5000, "1e3"])
def test_what_is_no_size_of_bins_is_refused_in_words(tmp_path, size):
    with pytest.raises(DataError, match="no size of bins"):
        read(write(tmp_path, TRACK), bin_size=size)


def test_names_of_strangers_stay_apart_and_are_no_formulas_in_a_table(tmp_path):
    lines = [f"{name}\t0\t400\t1\n" for name in ("ä", "ö", "=2+5", '<img/src="x">')]
    data = read(write(tmp_path, "".join(lines)))
    assert data.obs["chromosome"].nunique() == 4
    write_result(data, tmp_path / "r.h5ad", {}, {})
    table = (tmp_path / "r_windows.csv").read_text()
    assert "\n'=2+5:0-400,'=2+5," in table


def test_stretches_and_posteriors_go_home_in_places_of_the_genome(tmp_path):
    data = read(write(tmp_path, TRACK), bin_size="100")
    codes = np.full((3, 512), -1)
    for i, n in enumerate(data.ragged["signal"].lengths):
        codes[i, :n] = 0
    codes[0, :3] = 1
    posteriors = np.stack([codes == 0, codes == 1], axis=-1).astype(float)
    arrays = {
        "positions/states_diffbio": States(codes, ("state 0", "state 1")),
        "positions/posteriors_diffbio": posteriors,
    }
    written = write_result(data, tmp_path / "r.h5ad", arrays, {})
    bed = (tmp_path / "r_segments.bed").read_text().splitlines()
    # The columns of UCSC's BED9, in the colours of the page.
    assert bed[0].startswith("track ") and 'itemRgb="On"' in bed[0]
    assert bed[1] == "chr2\t100\t400\tstate_1\t0\t.\t100\t400\t255,127,14"
    assert bed[2] == "chr2\t400\t51300\tstate_0\t0\t.\t400\t51300\t31,119,180"
    graph = (tmp_path / "r_posteriors.bedGraph").read_text().splitlines()
    assert sum(line.startswith("track") for line in graph) == 2
    assert 'name="state 1"' in "".join(graph) and "chr2\t100\t400\t1" in graph
    assert "start" in (tmp_path / "r_windows.csv").read_text().splitlines()[0]
    assert any("3 stretches" in n or "stretches of the states" in n for n in written.notes)


def test_cells_are_no_track_and_that_is_said():
    said = kind_named("cells").unlike({"signal": {"letters": [], "shape": [512]}}, {})
    assert said == "It reads a signal along the genome, and the rows of this file are cells."


def test_what_was_learned_of_bins_of_one_size_is_not_applied_to_others(tmp_path):
    tracks, fields = kind_named("windows"), {"signal": {"bin_size": ["100"], "shape": [512]}}
    path = write(tmp_path, TRACK)
    records = open_source(read(path, bin_size="50"), {"signal": "tracks:signal"}, ["signal"])
    with pytest.raises(DataError, match=r"on bins of 100 bases.*\(--bin-size 100\)"):
        tracks.as_trained(records, fields, "a.bedGraph")
    assert "bins of 100 bases" in tracks.unlike(fields, inspect(path).as_dict())  # in bins of 200
    same = open_source(read(path, bin_size="100"), {"signal": "tracks:signal"}, ["signal"])
    assert tracks.as_trained(same, fields, "a.bedGraph") == (same, [])
    before_bins_were_told = {"signal": {"shape": [512]}}
    assert tracks.as_trained(records, before_bins_were_told, "a.bedGraph") == (records, [])
