"""What anndata 0.8.0 reads, and whether it opens result files.

Run with a Python of its own, since today's numpy and pandas are too new for it (3.11 was used):

    python3 -m venv old
    old/bin/pip install anndata==0.8.0 numpy==1.24.4 pandas==1.5.3 scipy==1.10.1 "h5py<3.11"
    old/bin/python tests/references/data/encodings_of_anndata_08.py RUN_DIR/result.h5ad

The printed pairs are those of ``tests/runs/test_results_in_scanpy.py``. Result files were also
opened with 0.9.2 and 0.10.9 (numpy 1.26.4, pandas 2.1.4).
"""

import sys

import anndata
from anndata._io.specs.registry import _REGISTRY

pairs = {(spec.encoding_type, spec.encoding_version) for _, spec, _ in _REGISTRY.read}
print(anndata.__version__, sorted(pairs))
for path in sys.argv[1:]:
    data = anndata.read_h5ad(path)
    print(path, data.shape, list(data.obsm), list(data.uns))
