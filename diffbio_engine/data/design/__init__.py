"""Designs: which covariates a comparison of samples takes into account, and as which numbers."""

from diffbio_engine.data.design.comparisons import Comparison, Comparisons
from diffbio_engine.data.design.formula import FORMULA, Formula, formula_at
from diffbio_engine.data.design.matrix import Design, design_of, level_of, levels_of, table_of
from diffbio_engine.data.design.proposal import proposed

__all__ = [
    "FORMULA",
    "Comparison",
    "Comparisons",
    "Design",
    "Formula",
    "design_of",
    "formula_at",
    "level_of",
    "levels_of",
    "proposed",
    "table_of",
]
