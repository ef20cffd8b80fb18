"""Wires that suggest themselves follow from roles of ports, whichever operator has them."""

import pytest

from app.geometry.ports import usual_outputs
from app.session.edits import with_block
from app.session.offered_fields import data_ports
from diffbio_engine.declare import find_operator, operators
from diffbio_engine.pipelines import PipelineSpec, presets
from diffbio_engine.pipelines.usual_wires import usual_source
from diffbio_engine.ports import COUNTS, DATA_PORTS, EMBEDDINGS, Address, Kind, Role

MAP_OF_LATENT = "vae_normalizer.latent>umap.features"
CLUSTERS_OF_LATENT = "vae_normalizer.latent_mean>soft_kmeans.embeddings"
# Of each ready pipeline, the wires between its blocks when they are put down one after the other,
# as they were when each operator named those that it follows.
SUGGESTED = {
    "annotation": [MAP_OF_LATENT, CLUSTERS_OF_LATENT],
    "communication": [MAP_OF_LATENT, CLUSTERS_OF_LATENT],
    "doublets": [
        "ambient_removal.decontaminated_counts>diffusion_imputer.counts",
        "ambient_removal.decontaminated_counts>vae_normalizer.counts",
        MAP_OF_LATENT,
        CLUSTERS_OF_LATENT,
    ],
    "integration": [
        "harmony.corrected_embeddings>soft_kmeans.embeddings",
        "harmony.corrected_embeddings>umap.features",
        "harmony.corrected_embeddings>umap_2.features",
        "harmony.corrected_embeddings>umap_3.features",
        "harmony.corrected_embeddings>umap_4.features",
        "vae_normalizer.latent_mean>harmony.embeddings",
    ],
    "regulatory_network": [MAP_OF_LATENT, CLUSTERS_OF_LATENT],
    "simulation": [
        "soft_kmeans.cluster_assignments>agreement.cluster_assignments",
        MAP_OF_LATENT,
        CLUSTERS_OF_LATENT,
    ],
    "single_cell": [
        "ambient_removal.decontaminated_counts>vae_normalizer.counts",
        "harmony.corrected_embeddings>soft_kmeans.embeddings",
        "harmony.corrected_embeddings>umap.features",
        "vae_normalizer.latent_mean>harmony.embeddings",
    ],
    "spatial": [MAP_OF_LATENT],
    "trajectory": [
        "pseudotime.diffusion_components>fate_probability.embeddings",
        "pseudotime.pseudotime>fate_probability.pseudotime",
        "pseudotime.pseudotime>switch_de.pseudotime",
        "vae_normalizer.latent_mean>ot_trajectory.embeddings",
        "vae_normalizer.latent_mean>phate.features",
        "vae_normalizer.latent_mean>pseudotime.embeddings",
    ],
}


def wires_between(names: list[str]) -> list[str]:
    spec = PipelineSpec("x")
    for name in names:
        spec, _ = with_block(spec, name, None, data_ports(None, spec))
    return sorted(f"{w.source}>{w.target}" for w in spec.wires if not w.from_data)


@pytest.mark.parametrize("preset", SUGGESTED)
def test_blocks_of_a_ready_pipeline_are_wired_as_they_always_were(preset):
    names = [block.operator for block in presets()[preset].make(None).blocks]
    assert wires_between(names) == SUGGESTED[preset]


def test_a_block_put_down_later_goes_into_the_inputs_that_wait_for_it():
    late = wires_between(["singlecell.agreement", "singlecell.soft_kmeans"])
    assert late == ["soft_kmeans.cluster_assignments>agreement.cluster_assignments"]


def test_of_two_alike_none_is_taken_and_the_next_role_is():
    blocks = {
        "one": find_operator("singlecell.harmony"),
        "two": find_operator("singlecell.harmony"),
        "vae": find_operator("normalization.vae_normalizer"),
    }
    assert usual_source(EMBEDDINGS, blocks) == Address("vae", "latent_mean")
    assert usual_source(EMBEDDINGS, {"one": blocks["one"]}) == "one.corrected_embeddings"
    assert usual_source(COUNTS, blocks) is None


# What a plot is drawn of and a table written of (`app/plots/comparison.py`); no input waits for it.
TOLD_OF_A_COMPARISON = {
    *(Role.MEAN, Role.CHANGE, Role.UNSURE, Role.STATISTIC, Role.CHANCE, Role.DISCOVERY),
    *(Role.OWN_SPREAD, Role.USUAL_SPREAD, Role.SPREAD, Role.TESTED, Role.DEPTH),
    *(Role.COVARIANCE, Role.DETECTED, Role.OUTLIER),
}

# What names states (`bundles/axis_names.py`), and what is drawn above them (`app/plots/states.py`).
TOLD_ALONG_POSITIONS = {Role.LEVEL, Role.SEEN}


def test_every_role_that_an_input_waits_for_is_given_in_a_kind_that_it_takes():
    outputs = [p for name in operators() for p in find_operator(name).outputs]
    for name in operators():
        for port in find_operator(name).inputs:
            for role in port.after:
                given = [p for p in outputs if p.role == role]
                assert given and all(port.accepts(p) for p in given), f"{name}.{port.name}"
    asked = {r for name in operators() for p in find_operator(name).inputs for r in p.after}
    assert asked == set(Role) - TOLD_OF_A_COMPARISON - TOLD_ALONG_POSITIONS
    given = {p.role for p in (*outputs, *DATA_PORTS.values())}
    assert given >= TOLD_OF_A_COMPARISON | TOLD_ALONG_POSITIONS


def test_an_output_with_a_role_is_shown_before_the_others_are_unfolded():
    shown = usual_outputs("singlecell.soft_kmeans")
    assert "centroids" in shown and Kind.LOSS not in {
        p.kind for p in find_operator("singlecell.soft_kmeans").outputs if p.name in shown
    }
