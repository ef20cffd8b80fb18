"""A simulated time course: stem cells that branch, grow, and are seen in two conditions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    import anndata


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True)
class _Program:
    """A part of the process: who rules it and which genes follow.

    ``growth`` is how much faster its cells multiply, in natural logarithms per whole pseudotime.
    """

    branch: str
    stages: tuple[str, ...]
    growth: float
    regulators: tuple[str, ...]
    targets: tuple[str, ...]


_STEM = _Program(
    "Stem",
    ("Stem cell",),
    0.0,
    _names("GATA2 HLF MEIS1 HOXA9 ERG MYCN"),
    _names("""CD34 PROM1 CRHBP AVP SPINK2 KIT FLT3 THY1 EMCN ANGPT1 SOCS2 MPL PROCR NPR3 CD164 SELL
        CD44 MSI2 TFPI ADGRG1 ADGRG6 BST2 CYTL1 SMIM24 EGFL7 CDK6 CLEC9A IDS NPDC1 LAPTM4B HTR1F
        MYCT1 GUCY1A1 CALN1 PLCB1 BEX1 BEX2 BEX3 MMRN1 TIE1"""),
)
_FATES = (
    _Program(
        "Erythroid",
        ("Erythroid progenitor", "Erythroblast"),
        2.4,
        _names("GATA1 KLF1 TAL1 NFE2 GFI1B"),
        _names("""
            HBA1 HBA2 HBB HBG1 HBG2 HBD ALAS2 AHSP GYPA GYPB GYPC GYPE SLC4A1 EPB42 EPB41 SPTA1
            SPTB ANK1 TFRC EPOR FECH UROD UROS HMBS ALAD CPOX PPOX SLC25A37 SLC25A38 SLC25A39
            BLVRB CA1 CA2 TFR2 RHAG RHD RHCE KEL XK ERMAP DMTN TMCC2 TRIM58 BPGM HEMGN BSG ICAM4
            ADD2 SELENBP1 BNIP3L GCLC PRDX2 NPRL3 FAM210B YPEL4 TSPO2 TSPAN33 RFESD CR1L REXO2
            KCNH2 APOC1 CNRIP1 MINPP1 PDZK1IP1 FAM178B"""),
    ),
    _Program(
        "Myeloid",
        ("Myeloid progenitor", "Monocyte"),
        0.6,
        _names("SPI1 CEBPA CEBPE IRF8 GFI1"),
        _names("""MPO ELANE PRTN3 AZU1 CTSG LYZ CSF1R CSF3R CD14 FCGR1A FCGR2A FCGR3A ITGAM ITGAX
            S100A8 S100A9 S100A12 FCN1 VCAN MNDA CD33 CD68 CSTA CST3 LTF CAMP LCN2 MMP8 MMP9
            CEACAM8 DEFA3 DEFA4 BPI RETN CYBB CYBA NCF1 NCF2 NCF4 TYROBP FCER1G AIF1 LST1 CLEC7A
            CLEC12A CD36 CD163 MS4A6A MS4A7 CCR2 SERPINA1 PLAUR TLR2 TLR4 FPR1 CXCR2 GRN LGALS3
            SRGN IGSF6 CFD RNASE2 RNASE3 MS4A3 CLEC11A"""),
    ),
    _Program(
        "B lymphoid",
        ("Lymphoid progenitor", "B cell"),
        -0.6,
        _names("EBF1 PAX5 TCF3 IKZF1 LEF1"),
        _names("""CD19 CD79A CD79B MS4A1 VPREB1 VPREB3 IGLL1 IGLL5 RAG1 RAG2 DNTT CD22 CD24 BLNK BTK
            BLK CR2 FCRLA FCRL1 BANK1 CD72 CD37 IGHM IGHD IGKC TNFRSF13C CXCR5 CD74 HLA-DRA
            HLA-DRB1 HLA-DPA1 HLA-DPB1 HLA-DQA1 LY86 RALGPS2 TCL1A PLD4 SYK ARPP21 CD9 MME IL7R
            LTB CD38 CD27 CD40 FCER2 FCRL5 ADAM28 STAP1 NEIL1 GNG7 CD52 SMIM14 TCL6 KLHL14
            PCDH9 SCN3A CD200 CMTM8"""),
    ),
)
# Genes that no regulator drives; in some of them the conditions differ.
_OTHERS = _names("""
    ACTB ACTG1 B2M GAPDH PGK1 LDHA LDHB ENO1 ALDOA TPI1 PKM EEF1A1 EEF2 EEF1B2 TPT1 UBC UBB
    UBA52 FAU HSP90AA1 HSP90AB1 HSPA8 HSPA5 HSPD1 HSPE1 CALR CANX PDIA3 PDIA6 P4HB TUBA1A TUBA1B
    TUBB TUBB4B VIM TMSB4X TMSB10 PFN1 CFL1 ARPC2 ARPC3 MYL6 MYL12A MYL12B CAPZB COX4I1 COX5A
    COX6A1 COX6C COX7C NDUFA4 NDUFB2 NDUFS5 ATP5F1A ATP5F1B ATP5MC2 ATP5PO UQCRB UQCRH UQCRQ CYC1
    SLC25A3 SLC25A5 SLC25A6 VDAC1 VDAC2 PRDX1 PRDX5 SOD1 GPX1 GPX4 TXN TXNIP NPM1 NCL RAN PPIA
    PPIB RACK1 RPL3 RPL4 RPL5 RPL7 RPL8 RPL10 RPL11 RPL13 RPL15 RPL18 RPL19 RPL23 RPL27 RPL30
    RPL32 RPL34 RPL37 RPL41 RPLP0 RPLP1 RPLP2 RPS2 RPS3 RPS4X RPS5 RPS6 RPS8 RPS9 RPS11 RPS12
    RPS14 RPS15 RPS18 RPS19 RPS23 RPS24 RPS27 RPS27A ISG15 IFI6 IFI27 IFI44 IFI44L IFIT1 IFIT2
    IFIT3 IFITM1 IFITM2 IFITM3 MX1 MX2 OAS1 OAS2 OAS3 OASL RSAD2 HERC5 HERC6 XAF1 EPSTI1 SAMD9
    SAMD9L PARP9 PARP14 DDX58 DDX60 CMPK2 USP18 LY6E TNF IL1B CCL2 CCL3 CCL4 CXCL8 CXCL10 CXCL11
    ICAM1 NFKBIA TNFAIP3 SOD2 BIRC3 PLAU PTGS2 DUSP1 DUSP2""")
_DAYS = ("day 0", "day 2", "day 4", "day 6")
_PLACES = np.array([0.12, 0.38, 0.64, 0.88])  # mean pseudotime at each day
_FORK = 0.35  # the pseudotime at which fates part
_PATTERNS = ("DE", "DP", "DM", "DB")
_NONE = "none"


def simulate_time_course(
    seed: int = 0,
    n_cells: int = 1500,
    n_genes: int = 400,
    n_fates: int = 3,
    n_differing: int = 60,
) -> "anndata.AnnData":
    """Negative binomial counts of stem cells that part into fates, over four days.

    Regulators rise and fall along pseudotime (logistic curves, each fate's only in its own
    cells, and a cell's own noise of 0.35); each target follows one to three regulators of its
    part of the process: ``log mean = base + sum_r weight[g, r] * activity[r]``. Two regulators in
    three of a fate are also driven by its first. Who drives whom is drawn, not taken from
    the literature; only the names and the lineage that they mark are real.
    At ``day`` d pseudotime is normal around 0.12, 0.38, 0.64, 0.88 (0.09). The shares of the
    fates follow their growth: ``share[f] ~ exp(growth[f] * (pseudotime - 0.35))``.
    In ``n_differing`` genes that nothing drives, a second ``condition`` has another distribution:
    another mean (DE), other shares of two levels (DP), two levels instead of one (DM), two levels
    around the same mean (DB).

    Truth: ``obs`` (``branch``, ``cell_type``, ``true_pseudotime``, ``true_growth_rate`` in
    logarithms a day, ``day``, ``condition``), ``var`` (``is_regulator``, ``true_pattern``),
    ``varm["true_network"]`` (genes x regulators, in the order of ``uns["regulators"]``).

    References:
        Schiebinger et al. (2019), Cell 176 (growth and transport over time).
        Korthauer et al. (2016), scDD, Genome Biology 17 (the four patterns).
        Dibaeinia and Sinha (2020), SERGIO, Cell Systems 11 (counts from a network).
    """
    import anndata

    random = np.random.Generator(np.random.Philox(seed))
    programs = (_STEM, *_FATES[:n_fates])
    genes, regulators, weights = _network(random, programs, n_genes)
    n_genes = len(genes)

    day = np.sort(np.arange(n_cells) % len(_DAYS))
    time = np.clip(random.normal(_PLACES[day], 0.09), 0.0, 1.0)
    fate = _fates(random, time, [p.growth for p in programs[1:]])
    committed = time > _FORK
    activity = _activity(random, time, fate, programs, regulators)

    is_regulator = np.isin(genes, regulators)
    base = np.where(weights.any(axis=1), random.normal(-0.3, 0.6, n_genes), 0.0)
    free = ~is_regulator & ~weights.any(axis=1)
    base[free] = random.normal(0.6, 0.9, int(free.sum()))
    log_mean = base + activity @ weights.T
    own = pd.Index(genes).get_indexer(pd.Index(regulators))
    log_mean[:, own] = 0.2 + 1.4 * activity
    condition = random.permutation(n_cells) % 2
    pattern = np.full(n_genes, _NONE, dtype=object)
    differing = random.choice(np.flatnonzero(free), min(n_differing, int(free.sum())), False)
    for place, gene in enumerate(differing):
        pattern[gene] = _PATTERNS[place % len(_PATTERNS)]
        # Seen often enough to be seen to differ. Each pattern goes both ways, gene by gene, so that
        # the conditions keep the same totals: else all genes would seem to differ.
        second = condition == (place // len(_PATTERNS)) % 2
        log_mean[:, gene] = random.uniform(0.3, 1.0) + _levels(random, pattern[gene], second)

    mean = np.exp(log_mean)
    mean *= np.exp(random.normal(np.log(2500), 0.3, n_cells))[:, None] / mean.sum(1, keepdims=True)
    theta = random.gamma(4.0, 1.5, n_genes) + 1.0
    counts = random.poisson(mean * random.gamma(theta, 1 / theta, mean.shape))

    branches = [p.branch for p in programs]
    stages = [s for p in programs for s in p.stages]
    late = time > 0.5 * (_FORK + 1.0)
    growth = np.array([p.growth for p in programs[1:]])
    per_day = (_PLACES[-1] - _PLACES[0]) / 6.0
    obs = pd.DataFrame(
        {
            "day": pd.Categorical.from_codes(day, _index(_DAYS), ordered=True),
            "condition": pd.Categorical.from_codes(condition, _index(("control", "stimulated"))),
            "branch": pd.Categorical.from_codes(committed * (fate + 1), _index(branches)),
            "cell_type": pd.Categorical.from_codes(
                committed * (1 + 2 * fate + late), _index(stages)
            ),
            "true_pseudotime": time.astype(np.float32),
            "true_growth_rate": (committed * growth[fate] * per_day).astype(np.float32),
        },
        index=_index([f"cell_{i}" for i in range(n_cells)]),
    )
    var = pd.DataFrame(
        {"is_regulator": is_regulator, "true_pattern": pd.Categorical(pattern)},
        index=_index(genes),
    )
    network: Any = weights.astype(np.float32)
    return anndata.AnnData(
        sp.csr_matrix(counts, dtype=np.float32),
        obs=obs,
        var=var,
        varm={"true_network": network},
        uns={
            "origin": f"simulated by {__name__}.simulate_time_course(seed={seed})",
            "regulators": np.array(regulators, dtype=object),
        },
    )


def _network(
    random: np.random.Generator, programs: tuple[_Program, ...], n_genes: int
) -> tuple[list[str], list[str], np.ndarray]:
    """Names of genes and regulators, and how strongly each gene follows each regulator."""
    regulators = [r for p in programs for r in p.regulators]
    followers = [(t, i) for i, p in enumerate(programs) for t in p.targets]
    # Where fewer genes are wanted, targets and the others are thinned alike.
    room = max(n_genes - len(regulators), 2)
    keep = min(len(followers), round(room * len(followers) / (len(followers) + len(_OTHERS))))
    kept = [followers[i] for i in np.sort(random.choice(len(followers), keep, replace=False))]
    others = _OTHERS[: room - keep]
    more = [f"gene_{i}" for i in range(room - keep - len(others))]
    genes = [*regulators, *(t for t, _ in kept), *others, *more]
    weights = np.zeros((len(genes), len(regulators)))
    first = np.cumsum([0, *(len(p.regulators) for p in programs)])
    for row, (_, program) in enumerate(kept, start=len(regulators)):
        own = np.arange(first[program], first[program + 1])
        drivers = random.choice(own, random.integers(1, 4), replace=False)
        weights[row, drivers] = random.uniform(0.6, 1.6, len(drivers)) / np.sqrt(len(drivers))
        if program > 0 and random.random() < 0.25:  # held down by the ruler of another fate
            other = random.choice([i for i in range(1, len(programs)) if i != program] or [0])
            weights[row, first[other]] = -random.uniform(0.4, 0.8)
    for program in range(1, len(programs)):
        for driven in range(first[program] + 1, first[program + 1]):
            if (driven - first[program]) % 3:
                weights[driven, first[program]] = 0.6
    return genes, regulators, weights


def _activity(
    random: np.random.Generator,
    time: np.ndarray,
    fate: np.ndarray,
    programs: tuple[_Program, ...],
    regulators: list[str],
) -> np.ndarray:
    """How active each regulator is in each cell, about -1 (off) to 2 (on)."""
    activity = random.normal(0.0, 0.35, (len(time), len(regulators)))
    column = 0
    for number, program in enumerate(programs):
        onsets = np.linspace(_FORK + 0.05, 0.75, len(program.regulators))
        ruler = column
        for place in range(len(program.regulators)):
            if number == 0:
                on = 1.0 / (1.0 + np.exp((time - 0.25 - 0.5 * onsets[place]) / 0.07))
            else:
                on = (fate == number - 1) / (1.0 + np.exp(-(time - onsets[place]) / 0.06))
            activity[:, column] += 2.5 * on - 1.0
            if number and place % 3:
                activity[:, column] = 0.4 * activity[:, column] + 0.6 * activity[:, ruler]
            column += 1
    return activity


def _fates(random: np.random.Generator, time: np.ndarray, growth: list[float]) -> np.ndarray:
    """The fate of each cell: even at the fork, then as fast as each grows."""
    weight = np.exp(np.maximum(time - _FORK, 0.0)[:, None] * np.array(growth))
    reached = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    return np.minimum((random.random((len(time), 1)) > reached).sum(axis=1), len(growth) - 1)


def _levels(random: np.random.Generator, pattern: str, second: np.ndarray) -> np.ndarray:
    """What is added to the log mean of a gene in each cell, by its pattern."""
    upper = random.random(len(second))
    if pattern == "DE":
        return np.where(second, 1.0, 0.0)
    if pattern == "DP":
        return np.where(upper < np.where(second, 0.75, 0.25), 1.8, -0.6)
    if pattern == "DM":
        return np.where(second & (upper < 0.5), 1.8, -0.2)
    # Two levels whose mean (of molecules) is that of the other condition.
    return np.where(second, np.where(upper < 0.5, np.log(1.85), np.log(0.15)), 0.0) + 0.8


def _index(words: "tuple[str, ...] | list[str]") -> pd.Index:
    return pd.Index(list(words), dtype=object)
