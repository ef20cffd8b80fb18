"""Ready pipelines: each can be planned with its demo data's fields, and says what it needs."""

import importlib
import sys

import pytest

from diffbio_engine.data import examples
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UnknownNameError
from diffbio_engine.pipelines import DataPort, PipelineSpec, find_preset, plan, presets
from diffbio_engine.pipelines.presets.preset import assembled
from diffbio_engine.ports import all_fields, offered_beside, port_of_field

each_preset = pytest.mark.parametrize("preset", presets().values(), ids=presets())
LENGTHS = {
    "genes": 40, "features": 8, "pairs": 6, "members": 2, "regulators": 5, "classes": 3,
    "positions": 30, "letters": 4, "fragment_classes": 9, "memberships": 20, "transcripts": 6,
    "covariates": 3,
}  # fmt: skip


def offered(names):
    """Fields of these names, as a data set would offer them."""
    ports = {}
    for name in names:
        port = port_of_field(name)
        axes = port.axis_names[1:] if port.per_record else port.axis_names
        shape = tuple(int(a) if a.isdigit() else LENGTHS[a] for a in axes)
        ports[name] = DataPort(port, shape, 3 if port.classes else 0)
    return ports


@each_preset
def test_with_every_field_it_can_be_planned(preset):
    spec = preset.make(None)
    planned = plan(spec, offered(all_fields()))
    assert list(planned.blocks) and set(planned.blocks) == {b.id for b in spec.blocks}


@each_preset
def test_what_data_lack_is_said_in_words_and_not_as_names_of_fields(preset):
    assert not preset.lacking(dict.fromkeys(all_fields(), "X"))
    said = preset.lacking({})
    assert said.count(" and ") >= len(preset.needs) - 1 and "_" not in said


def test_a_root_cell_far_down_the_file_can_be_planned():
    blocks = {"order": ("singlecell.pseudotime", {"root_cell_index": 100_000})}
    spec = assembled("Order", blocks, {"order.embeddings": "data.embeddings"}, None)
    assert list(plan(spec, offered(["embeddings"])).blocks) == ["order"]


@each_preset
def test_with_the_fields_it_needs_it_has_the_block_that_its_title_speaks_of(preset):
    spec = preset.make(dict.fromkeys(preset.needs, "X"))
    plan(spec, offered(preset.needs))
    special = {b.operator for b in preset.make(None).blocks} & _special(preset)
    assert special & {b.operator for b in spec.blocks}


def _special(preset):
    """Operators that need one of the preset's fields besides counts."""
    needed = set(preset.needs) - {"counts"}
    blocks = preset.make(None).blocks
    if not needed:
        return {b.operator for b in blocks if b.operator.startswith("singlecell.soft")} or {
            "singlecell.pseudotime"
        }
    return {
        b.operator
        for b in blocks
        if needed & {p.name for p in find_operator(b.operator).inputs if not p.optional}
    } or {"singlecell.cell_annotator"}


@each_preset
def test_its_demo_data_offers_what_it_needs(preset, tmp_path):
    from diffbio_engine.data import inspect

    known = {e.id: e for e in examples()}
    example = known[preset.demo]
    fields = dict(inspect(example.make(tmp_path)).suggested) | example.fields
    for block, other in example.beside.items():
        found = inspect(known[other].make(tmp_path)).suggested
        fields |= offered_beside(block, dict(found) | known[other].fields)
    assert not preset.missing(fields)


@each_preset
def test_it_goes_through_a_file_and_back(preset):
    spec = preset.make(None)
    again = PipelineSpec.from_json(spec.to_json())
    assert again.to_json() == spec.to_json()


def test_a_block_that_misses_an_input_is_left_out_and_so_is_what_follows_it():
    spec = assembled(
        "Half",
        {
            "normalize": ("normalization.vae_normalizer", {}),
            "harmony": ("singlecell.harmony", {}),
            "umap": ("normalization.umap", {}),
        },
        {
            "normalize.counts": "data.counts",
            "harmony.embeddings": "normalize.latent_mean",
            "harmony.batch_labels": "data.batch_labels",
            "umap.features": "harmony.corrected_embeddings | stop",
        },
        {"counts": "X"},
    )
    assert [b.id for b in spec.blocks] == ["normalize"] and len(spec.wires) == 1


def test_neighbours_are_asked_for_signals_only_where_cells_have_places():
    fields = dict.fromkeys(("counts", "lr_pairs", "labels"), "somewhere")
    communication = find_preset("communication")
    apart = [b.id for b in communication.make(fields).blocks]
    tissue = [b.id for b in communication.make({**fields, "spatial_coords": "there"}).blocks]
    assert "pairs" in apart and "messages" not in apart
    assert "messages" in tissue


def test_a_preset_that_is_not_there_is_refused_with_a_hint():
    with pytest.raises(UnknownNameError, match="Did you mean 'trajectory'"):
        find_preset("trajectry")


def test_a_new_ready_pipeline_is_one_file(tmp_path, monkeypatch, capsys):
    from diffbio_engine.command_line import main
    from diffbio_engine.pipelines import presets as package

    (tmp_path / "toy_clusters.py").write_text(
        '"""Clusters of given embeddings, and nothing else."""\n'
        "from diffbio_engine.pipelines.presets.preset import Preset, assembled\n"
        "def made(fields=None):\n"
        "    return assembled('Toy', {'cluster': ('singlecell.soft_kmeans', {})},\n"
        "        {'cluster.embeddings': 'data.embeddings'}, fields,\n"
        "        outputs={'shares': 'cluster.cluster_assignments'})\n"
        "PRESET = Preset(id='toy', title='Toy', summary='Clusters embeddings.', make=made,\n"
        "    demo='simulated_cells', place=99)\n"
    )
    module = importlib.import_module("diffbio_engine.pipelines.presets")
    monkeypatch.setattr(module, "__path__", [*module.__path__, str(tmp_path)])
    package.cache_clear()
    try:
        assert [
            b.id for b in plan(find_preset("toy").make(None), offered(all_fields())).spec.blocks
        ]
        assert main(["operators"]) == 0 and "Clusters embeddings." in capsys.readouterr().out
    finally:
        monkeypatch.undo()
        package.cache_clear()
        sys.modules.pop("diffbio_engine.pipelines.presets.toy_clusters", None)
