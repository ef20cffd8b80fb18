"""Differential expression against R DESeq2: the golden tables lie in the shared data."""

import jax
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from diffbio_engine.operators.statistical import DifferentiableNBGLM, NBGLMConfig

COLUMNS = ("baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj")


def design_of(samples, *columns):
    """Intercept and one column for each level after the first, as R has it."""
    found = [np.ones(len(samples))]
    for name in columns:
        values = samples[name]
        if values.dtype.kind == "f":
            found.append(values.to_numpy())
            continue
        found += [(values == level).to_numpy(float) for level in sorted(values.unique())[1:]]
    return np.stack(found, axis=1)


def operator_of(counts, design, **settings):
    config = NBGLMConfig(n_features=counts.shape[1], n_covariates=design.shape[1], **settings)
    return DifferentiableNBGLM(config, rngs=nnx.Rngs(0))


def result_of(counts, design, **settings):
    block = operator_of(counts, design, **settings)
    data = {"counts": counts, "design": design}
    block.prepare_from(data, jax.random.key(0))
    return {k: np.asarray(v, float) for k, v in block.apply(data)[0].items()}, block


@pytest.fixture(scope="module")
def golden(shared_data):
    folder = shared_data / "pydeseq2_golden"

    def read(name, data="synthetic"):
        counts = pd.read_csv(folder / data / "test_counts.csv", index_col=0)
        samples = pd.read_csv(folder / data / "test_metadata.csv", index_col=0)
        table = pd.read_csv(folder / name / "r_test_res.csv", index_col=0)
        dispersions = pd.read_csv(folder / name / "r_test_dispersions.csv", index_col=0)
        return counts.to_numpy().T, samples, table, dispersions.iloc[:, 0].to_numpy()

    return read


def test_two_groups_are_those_of_r_deseq2(golden):
    counts, samples, table, dispersions = golden("single_factor")
    result, _ = result_of(counts, design_of(samples, "condition"))
    for name in COLUMNS:
        np.testing.assert_allclose(result[name], table[name], rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(result["dispersion"], dispersions, rtol=1e-5)
