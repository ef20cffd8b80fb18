"""A ready pipeline for few samples asks for no more groups than so few can make, and says so."""

import pytest

from diffbio_engine.axes import axis_of
from diffbio_engine.pipelines import PipelineSpec, find_preset
from diffbio_engine.pipelines.few_records import for_few_records
from diffbio_engine.pipelines.spec import Block

SAMPLES = axis_of("samples")


def clusters(spec):
    return [b.config["n_clusters"] for b in spec.blocks if "kmeans" in b.operator]


@pytest.mark.parametrize("n, most", [(4, 2), (8, 2), (14, 4), (29, 9)])
def test_few_samples_make_fewer_groups_of_three_or_more(n, most):
    spec, told = for_few_records(find_preset("single_cell").make(None), n, SAMPLES)
    assert clusters(spec) == [most]
    assert f"For {n} samples it asks for fewer groups" in told
    assert f"Soft k-means: {most} clusters instead of 10" in told


def test_a_usual_number_that_is_not_written_down_is_lowered_too():
    spec = PipelineSpec("P", blocks=(Block("a", "singlecell.archetypal_analysis"),))
    made, told = for_few_records(spec, 6, SAMPLES)
    assert made.block("a").config == {"n_archetypes": 2} and "instead of 5" in told


def test_of_many_records_and_of_numbers_that_fit_nothing_is_changed_and_nothing_said():
    usual = find_preset("single_cell").make(None)
    for n in (0, 30, 2_638):
        assert for_few_records(usual, n, SAMPLES) == (usual, "")
    few = PipelineSpec("P", blocks=(Block("k", "singlecell.soft_kmeans", {"n_clusters": 2}),))
    made, told = for_few_records(few, 8, SAMPLES)
    assert clusters(made) == [2] and not told
