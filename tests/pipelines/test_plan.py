"""The plan finds every mistake before anything is computed, each with its block and port."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.declare import COUNTS, Kind, Port, find_operator
from diffbio_engine.errors import PipelineError
from diffbio_engine.pipelines import (
    Block,
    DataPort,
    Pipeline,
    PipelineSpec,
    Wire,
    build,
    plan,
    set_temperature,
)

DATA = {"embeddings": DataPort.named("embeddings", 4), "counts": DataPort.named("counts", 9)}


def two_clusterings(**changes):
    facts = {
        "name": "Two",
        "blocks": (
            Block("one", "singlecell.soft_kmeans", {"n_clusters": 3}),
            Block("two", "singlecell.soft_kmeans", {"n_clusters": 2}),
        ),
        "wires": (
            Wire("data.embeddings", "one.embeddings"),
            Wire("data.embeddings", "two.embeddings"),
        ),
    }
    return PipelineSpec(**{**facts, **changes})


def problems(spec, data=DATA):
    with pytest.raises(PipelineError) as caught:
        plan(spec, data)
    return [str(p) for p in caught.value.all]


def test_sizes_are_read_from_the_wires():
    planned = plan(two_clusterings(), DATA)
    assert planned.blocks["one"].config.n_features == 4
    assert planned.blocks["one"].shapes["cluster_assignments"] == (None, 3)


def test_every_problem_is_named_at_once():
    spec = two_clusterings(
        blocks=(
            Block("one", "singlecell.soft_kmeans", {"n_clusters": 1}),
            Block("two", "singlecell.soft_kmean"),
        )
    )
    said = problems(spec)
    assert any("one.n_clusters: 1 is outside 2 to 200" in s for s in said)
    assert any("two: There is no operator 'singlecell.soft_kmean'. Did you mean" in s for s in said)


@pytest.mark.parametrize(
    "wires, sentence",
    [
        ((), "one.embeddings: is not wired. Wire features into it."),
        ((Wire("data.counts", "one.embeddings"),), "needs features"),
        ((Wire("one.cluster_assignments", "two.embeddings"),), "is shares"),
        ((Wire("data.batch_labels", "one.embeddings"),), "which the data does not offer"),
        ((Wire("data.embeddings", "one.embedding"),), "Did you mean 'embeddings'?"),
        ((Wire("three.latent", "one.embeddings"),), "there is no block"),
        (
            (Wire("data.embeddings", "one.embeddings"), Wire("data.embeddings", "one.embeddings")),
            "has two wires",
        ),
    ],
)
def test_a_wire_that_cannot_be_is_refused_with_the_reason(wires, sentence):
    assert any(sentence in s for s in problems(two_clusterings(wires=wires)))


def test_a_wire_that_is_refused_is_one_mistake_and_not_a_second_one_where_it_ends():
    said = problems(two_clusterings(wires=(Wire("data.counts", "one.embeddings"),)))
    assert [s.partition(":")[0] for s in said] == ["one.embeddings", "two.embeddings"]
    assert "is not wired" not in said[0] and "is not wired" in said[1]


def test_rows_of_sequences_are_rows_and_what_lies_along_genes_is_none():
    read_by_read = Port("classes", "sequences classes", Kind.SHARES, "Of each sequence.")
    assert read_by_read.record.one == "sequence" and read_by_read.per_record
    assert COUNTS.record.one == "cell" and COUNTS.wide
    assert not Port("near", "cells cells", Kind.SIMILARITY, "Of pairs.").per_record
    assert not Port("profile", "genes", Kind.PROFILE, "Of genes.").per_record


def test_a_block_for_cells_takes_any_records_and_one_for_spots_only_spots():
    embeddings = find_operator("singlecell.soft_kmeans").inputs[0]
    of_samples = Port("embeddings", "samples features", Kind.FEATURES, "Of each sample.")
    for_spots = Port("features", "spots features", Kind.FEATURES, "Of each spot.")
    assert embeddings.takes_records_of(of_samples)
    assert not for_spots.takes_records_of(of_samples)


def test_a_circle_is_named_by_its_blocks():
    spec = two_clusterings(
        blocks=(
            Block("one", "normalization.umap"),
            Block("two", "normalization.umap"),
        ),
        wires=(Wire("one.embedding", "two.features"), Wire("two.embedding", "one.features")),
    )
    assert any("The wires run in a circle: " in s and "one" in s for s in problems(spec))


def test_an_output_that_does_not_exist_is_refused():
    assert "does not exist" in problems(two_clusterings(outputs={"x": "one.nothing"}))[0]


def test_adding_a_block_leaves_the_first_weights_of_the_others_alone():
    both = build(two_clusterings(), DATA, seed=3)
    alone = two_clusterings(blocks=two_clusterings().blocks[:1], wires=two_clusterings().wires[:1])
    np.testing.assert_array_equal(
        both.blocks["one"].centroids[...], build(alone, DATA, seed=3).blocks["one"].centroids[...]
    )


def test_the_objective_is_the_weighted_sum_of_every_loss():
    pipeline = build(two_clusterings(weights={"one.clustering_loss": 2.0}), DATA)
    cells = jax.random.normal(jax.random.key(1), (7, 4))
    total, terms = pipeline.objective(pipeline({"embeddings": cells}))
    expected = 2.0 * terms["one.clustering_loss"] + 0.1 * terms["two.clustering_loss"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_a_cut_wire_passes_values_and_no_gradient():
    wires = two_clusterings().wires
    cut = two_clusterings(wires=(Wire(wires[0].source, wires[0].target, True), wires[1]))
    cells = jax.random.normal(jax.random.key(1), (7, 4))

    def loss(spec):
        pipeline = build(spec, DATA)
        return lambda x: pipeline({"embeddings": x})["one.clustering_loss"]

    np.testing.assert_array_equal(loss(cut)(cells), loss(two_clusterings())(cells))
    assert float(jnp.abs(jax.grad(loss(two_clusterings()))(cells)).max()) > 0
    assert float(jnp.abs(jax.grad(loss(cut))(cells)).max()) == 0


def test_only_what_a_port_needs_is_computed():
    pipeline = build(two_clusterings(), DATA)
    values = pipeline({"embeddings": jnp.ones((3, 4))}, ports=("two.cluster_labels",))
    assert not any(port.startswith("one.") for port in values)


def test_set_temperature_turns_every_block():
    pipeline = build(two_clusterings(), DATA)
    set_temperature(pipeline, 0.25)
    assert set(pipeline.dials.values()) == {0.25}


def test_apply_keeps_every_key_and_names_what_is_missing():
    pipeline = Pipeline(plan(two_clusterings(outputs={"k": "one.cluster_labels"}), DATA))
    result, state, metadata = pipeline.apply({"embeddings": jnp.ones((3, 4)), "x": 1}, {}, None)
    assert set(result) == {"embeddings", "x", "k"} and state == {} and metadata is None
    with pytest.raises(ValueError, match=r"data.embeddings: is missing; there is 'x'"):
        pipeline.apply({"x": 1}, {}, None)
