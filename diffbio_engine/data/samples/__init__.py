"""Several files, a sample each, as one data set: looked at one by one, compared, joined."""

from diffbio_engine.data.samples.comparison import Comparison, compare
from diffbio_engine.data.samples.facts import Facts, facts_of, look_at_sample
from diffbio_engine.data.samples.join import GENES, Joined, Sample, join
from diffbio_engine.data.samples.names import proposed_names
from diffbio_engine.data.samples.several import samples_inside
from diffbio_engine.data.samples.verdict import Verdict

__all__ = [
    "GENES", "Comparison", "Facts", "Joined", "Sample", "Verdict", "compare", "facts_of", "join",
    "look_at_sample", "proposed_names", "samples_inside",
]  # fmt: skip
