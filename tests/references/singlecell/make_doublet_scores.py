"""Makes doublet_scores.npz. Run: PYTHON tests/references/singlecell/make_doublet_scores.py

PYTHON is one with scrublet 0.2.3 and scikit-image, in an environment of its own. 500 simulated
cells of 4 kinds, 300 genes, 12 % of the cells doublets (../shared/data/gen_scale.py), through
Scrublet with its own settings but 15 neighbours, 12 axes and an exact search.
"""

import sys
from pathlib import Path

import numpy as np
import scipy.optimize  # noqa: F401  (scrublet uses it without importing it)
import scrublet

sys.path.insert(0, str(Path(__file__).parents[4] / "shared/data"))
from gen_scale import generate

counts, obs, _, _ = generate(500, G=300, K=4, B=1, seed=3, dbl=0.12)


scorer = scrublet.Scrublet(counts.tocsc(), expected_doublet_rate=0.12, n_neighbors=15)
scorer.scrub_doublets(n_prin_comps=12, use_approx_neighbors=False, verbose=False)
np.savez_compressed(
    Path(__file__).with_name("doublet_scores.npz"),
    counts=counts.toarray().astype(np.uint16),
    is_doublet=obs["doublet"],
    genes=scorer._gene_filter,
    pairs=scorer.doublet_parents_.astype(np.int32),
    observed=scorer.manifold_obs_.astype(np.float32),
    simulated=scorer.manifold_sim_.astype(np.float32),
    scores=scorer.doublet_scores_obs_,
    simulated_scores=scorer.doublet_scores_sim_,
    threshold=scorer.threshold_,
    calls=scorer.predicted_doublets_,
)
