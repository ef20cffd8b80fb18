"""Two simulated slices of one layered tissue, with cells that talk across the layers' borders."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import anndata

# Genes that are high in one type of cell.
_TYPES = {
    "L2/3 neuron": """CUX2 LAMP5 HPCAL1 CALB1 LINC00507 GLRA3 FREM3 LTK CARTPT ENC1 STXBP6 EPHA6
        PDZD2 CBLN2 PRSS12 CNGB1 OTOF INHBA MDGA1 GPR83 WFS1 RASGRF2 SERPINE2 ADCYAP1""",
    "L4 neuron": """RORB SCNN1A NECAB1 IL1RAPL2 RSPO1 COBLL1 TSHZ2 ADAM33 KCNIP2 LINC01202
        TRHDE WHRN CACNG5 PLCXD3 KCNH5 CADPS2 COL22A1 PHLDB2 ARF5 CNIH3 FOXP1 CRYM""",
    "L5 neuron": """FEZF2 BCL11B PCP4 LRATD2 POU3F1 ETV1 TRABD2A NEFH NEFM NEFL HTR2C CRIM1 BHLHE22
        LDB2 OPRK1 SCN4B VAT1L HAPLN4 ESRRG TPD52L1 RXFP1 SULF2 PDE1A KCNN2 CHRNA5""",
    "L6 neuron": """TLE4 FOXP2 NTNG2 SEMA3E SYT6 THEMIS NR4A2 NXPH4 HS3ST4 ADRA2A KRT17
        NTNG1 SULF1 RPRM TBR1 PPP1R1B COL5A1 SLA DKKL1 ZFPM2 TMEM163 ROR1""",
    "Interneuron": """GAD1 GAD2 SLC32A1 DLX1 DLX2 DLX5 DLX6 LHX6 SOX6 PVALB ADARB2 PROX1 ERBB4
        CALB2 CCK CNR1 NOS1 RELN KIT LAMP3 MAF ARX NXPH1 TAC3 CHODL""",
    "Astrocyte": """GFAP AQP4 SLC1A2 SLC1A3 ALDH1L1 GJA1 GJB6 S100B SOX9 ALDOC FGFR3 NDRG2 SLC4A4
        ATP1A2 ATP1B2 GLUL CLU MLC1 HEPACAM SLC14A1 ID3 ID4 AGT CPE SPARCL1""",
    "Oligodendrocyte": """MBP MOBP PLP1 MOG MAG CNP CLDN11 OPALIN ERMN UGT8 MAL ST18 TF QDPR ENPP2
        KLK6 CARNS1 FA2H ASPA LPAR1 SOX10 OLIG1 OLIG2 BCAS1 ANLN""",
    "Microglia": """AIF1 C1QA C1QB C1QC CSF1R CX3CR1 P2RY12 P2RY13 TMEM119 TREM2 TYROBP HEXB ITGAM
        LAPTM5 CTSS CD14 CD68 FCER1G GPR34 OLFML3 SALL1 APBB1IP DOCK8 RUNX1 ADORA3""",
    "Endothelial cell": """CLDN5 FLT1 PECAM1 VWF CDH5 KDR TEK ESAM ABCB1 SLC2A1 MFSD2A EGFL7 EMCN
        ITM2A PODXL TIE1 ERG SOX17 ABCG2 CD34 SLCO1A2 IFI27 RGS5 COL4A1 ANXA3""",
}
# From the surface down: the layer, where it begins (share of the depth), what lives in it, genes
# that depend on the place and not on the type of cell.
_LAYERS = (
    ("L1", 0.00, (0.02, 0.02, 0.01, 0.01, 0.34, 0.38, 0.06, 0.08, 0.08), "SPARC CXCL14 FABP7 VIM"),
    ("L2/3", 0.11, (0.46, 0.12, 0.04, 0.03, 0.15, 0.11, 0.03, 0.03, 0.03), "CAMK2N1 NCDN"),
    ("L4", 0.36, (0.14, 0.42, 0.15, 0.04, 0.12, 0.06, 0.02, 0.02, 0.03), "SNCB SYT2 KCNAB3"),
    ("L5", 0.53, (0.05, 0.14, 0.42, 0.14, 0.12, 0.05, 0.03, 0.02, 0.03), "TMSB10 STMN2"),
    ("L6", 0.71, (0.02, 0.04, 0.15, 0.44, 0.09, 0.08, 0.12, 0.03, 0.03), "DIRAS2 KRT7 CCN2"),
    ("WM", 0.88, (0.01, 0.01, 0.02, 0.06, 0.03, 0.14, 0.63, 0.06, 0.04), "SELENOP HSPA2 PAQR6"),
)
_LIGANDS = """CXCL12 BDNF VEGFA PDGFA PDGFB EGF TGFA NRG1 IGF1 FGF1 FGF2 GAS6 CX3CL1 CSF1 IL34 APOE
    SPP1 DLL1 JAG1 EFNB2 SEMA3A SEMA3C SLIT2 TGFB1 BMP4 PTN MDK SST VIP NPY PENK CCL2 ANGPT1 KITLG
    HGF WNT5A"""
_RECEPTORS = """CXCR4 NTRK2 PDGFRA PDGFRB EGFR ERBB3 IGF1R FGFR1 FGFR2 AXL MERTK LRP1 CD44 NOTCH1
    NOTCH2 EPHB4 NRP1 NRP2 ROBO1 TGFBR1 TGFBR2 BMPR1A PTPRZ1 SDC3 SSTR2 VIPR1 NPY1R OPRD1 CCR2 MET
    FZD5"""
_HOUSEKEEPING = """ACTB ACTG1 GAPDH B2M TUBA1B TUBB EEF1A1 EEF2 RPLP0 RPLP1 RPLP2 RPL3 RPL4 RPL5
    RPL7 RPL8 RPL10 RPL11 RPL13 RPL15 RPL18 RPL19 RPL23 RPL27 RPL30 RPL32 RPL35 RPL37 RPS2 RPS3
    RPS4X RPS6 RPS8 RPS9 RPS11 RPS12 RPS14 RPS15 RPS18 RPS19 RPS23 RPS24 RPS27 TPT1 FTH1 FTL UBB
    UBC HSP90AA1 HSP90AB1 HSPA8 PPIA CFL1 PFN1 TMSB4X MYL6 CALM1 CALM2 CALM3 YWHAZ YWHAH YWHAB
    ENO1 ENO2 PKM LDHB ALDOA TPI1 PGK1 MDH1 ATP5F1B COX4I1 COX6A1 COX7C NDUFA4 UQCRH CYCS SNAP25
    SYT1 SYP STMN1 MAP1B MAPT TUBB3 GNAS SOD1 PRDX1 PRDX2 PARK7 TXN OAZ1 SERF2 SRP14 NACA BTF3
    HNRNPA1 HNRNPK SRSF3 DDX5 PPP1CA ATP6V1B2 EIF1 EIF4A2 EIF3K
    NDUFB8 NDUFS5 PSMB1 PSMB4 VCP"""


@dataclass(frozen=True)
class _Talk:
    """A ligand of one layer and its receptor in the next, beside the spots that send."""

    ligand: str
    receptor: str
    sender: str
    receiver: str


_TALKS = (_Talk("CXCL12", "CXCR4", "L1", "L2/3"), _Talk("BDNF", "NTRK2", "L5", "L6"))
_TURN, _SHIFT = 35.0, (2600.0, -900.0)  # degrees and micrometres: how the second slice lies
_INNER, _THICK, _ARC = 1600.0, 1400.0, 1.6  # micrometres, micrometres, radians


def simulate_tissue(
    seed: int = 0, n_spots: int = 1200, n_genes: int = 400, reach: float = 200.0
) -> "anndata.AnnData":
    """Negative binomial counts in two slices of a curved tissue of six layers.

    A spot holds one cell of a type that its layer's mixture gives; types overlap between layers,
    so that expression alone does not tell the layer. ``counts ~ NB(mean = total * profile[type,
    layer], theta)``. Two pairs of genes are active (``uns["active_pairs"]``): the ligand is high
    in three of five spots of a layer, the receptor is high in spots of the next layer within
    ``reach`` of one of these. The other ligands and receptors say nothing of places.

    The second slice is another grid of spots on the same tissue, turned by 35 degrees and moved.
    Truth: ``obs`` (``slice``, ``layer``, ``cell_type``), ``obsm["true_spatial"]`` (where a spot
    lies in the first slice's frame), ``uns["true_rotation"]`` and ``uns["true_translation"]``:
    ``true = place @ rotation.T + translation`` for spots of the second slice.

    Args:
        n_spots: In both slices together, nearly.
        n_genes: How many, from the most telling on; at most 400.
        reach: How far a ligand is felt, in micrometres, the unit of ``obsm["spatial"]``.
    """
    import anndata

    random = np.random.Generator(np.random.Philox(seed))
    genes = _genes(n_genes)
    profiles = _profiles(genes, random)
    parts = []
    for last in (False, True):
        true = _spots(n_spots / 2, random)
        layer, types = _who(true, random)
        mean = profiles[types, layer].copy()
        for talk in _TALKS:
            _speak(mean, genes, talk, true, layer, reach, random)
        mean /= mean.sum(axis=1, keepdims=True)
        totals = np.exp(random.normal(np.log(1400 if last else 1800), 0.35, len(true)))
        parts.append((true, layer, types, mean * totals[:, None]))
    true, layer, types, mean = (np.concatenate(x) for x in zip(*parts, strict=True))
    which = np.repeat([0, 1], [len(parts[0][0]), len(parts[1][0])])
    theta = random.gamma(4.0, 1.0, len(genes)) + 0.5
    counts = random.poisson(mean * random.gamma(theta, 1 / theta, mean.shape))

    angle = np.deg2rad(_TURN)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = np.where(which[:, None] == 1, true @ turn.T + _SHIFT, true)
    obs = pd.DataFrame(
        {
            "slice": pd.Categorical.from_codes(which, _words(["slice 1", "slice 2"])),
            "layer": pd.Categorical.from_codes(layer, _words([x[0] for x in _LAYERS])),
            "cell_type": pd.Categorical.from_codes(types, _words(list(_TYPES))),
        },
        index=pd.Index([f"spot_{i}" for i in range(len(true))], dtype=object),
    )
    said = [f"{t.ligand} {t.receptor}: {t.sender} to {t.receiver}" for t in _TALKS]
    data = anndata.AnnData(
        sp.csr_matrix(counts, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(index=_words(genes)),
        uns={
            "origin": f"simulated by {__name__}.simulate_tissue(seed={seed})",
            "true_rotation": turn.T,
            "true_translation": -np.asarray(_SHIFT) @ turn,
            "active_pairs": np.array(said, dtype=object),
        },
    )
    data.obsm["spatial"] = places.astype(np.float32)
    data.obsm["true_spatial"] = true.astype(np.float32)
    return data


def _genes(n_genes: int) -> list[str]:
    """Talking genes first, then those of layers, types, and of all cells."""
    known = [g for t in _TALKS for g in (t.ligand, t.receptor)]
    for genes in zip(*(x[3].split()[:2] for x in _LAYERS), strict=True):
        known += genes
    for markers in zip_longest(*(x.split() for x in _TYPES.values())):
        known += [g for g in markers if g]
    talking = f"{_LIGANDS} {_RECEPTORS}".split()
    most = list(dict.fromkeys([*known[:120], *talking, *known, *_HOUSEKEEPING.split()]))
    return most[: min(n_genes, 400)]


def _profiles(genes: list[str], random: np.random.Generator) -> np.ndarray:
    """Expression of each gene in each type and layer, (types, layers, genes)."""
    place = {gene: i for i, gene in enumerate(genes)}
    base = np.exp(random.normal(0.0, 1.0, len(genes)))
    base[[place[g] for g in _HOUSEKEEPING.split() if g in place]] *= 4.0
    profiles = np.tile(base, (len(_TYPES), len(_LAYERS), 1))
    for t, markers in enumerate(_TYPES.values()):
        raised = [place[g] for g in markers.split() if g in place]
        profiles[t][:, raised] *= np.exp(random.normal(1.3, 0.5, len(raised)))
    for at, layer in enumerate(_LAYERS):
        raised = [place[g] for g in layer[3].split() if g in place]
        profiles[:, at, raised] *= np.exp(random.normal(1.0, 0.3, len(raised)))
    for talk in _TALKS:
        for gene in (talk.ligand, talk.receptor):
            if gene in place:
                profiles[:, :, place[gene]] = 0.3
    return profiles


def _spots(n: float, random: np.random.Generator) -> np.ndarray:
    """A hexagonal grid of about ``n`` spots inside the tissue, laid on it anyhow."""
    outer = _INNER + _THICK
    area = 0.5 * _ARC * (outer**2 - _INNER**2) * 1.03
    step = np.sqrt(area / (n * np.sqrt(0.75)))
    m = int(2 * outer / step) + 2
    i, j = np.mgrid[-m:m, -m:m].reshape(2, -1)
    grid = step * np.stack([i + 0.5 * (j % 2), np.sqrt(0.75) * j], axis=1)
    angle = random.uniform(0, np.pi / 3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    grid = grid @ turn.T + random.uniform(0, step, 2)
    around = np.arctan2(grid[:, 1], grid[:, 0])
    depth = _depth(grid)
    return grid[(around > 0) & (around < _ARC) & (depth > 0) & (depth < 1)]


def _depth(places: np.ndarray) -> np.ndarray:
    """Share of the way from the surface to the inside; the tissue is thicker at one end."""
    around = np.arctan2(places[:, 1], places[:, 0])
    radius = np.linalg.norm(places, axis=1)
    outer = _INNER + _THICK * (0.9 + 0.25 * around / _ARC)
    bent = 0.02 * np.sin(5 * around)
    return (outer - radius) / (outer - _INNER) + bent


def _who(places: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Layer and type of each spot."""
    borders = np.array([x[1] for x in _LAYERS])
    layer = np.searchsorted(borders, _depth(places), side="right") - 1
    chance = np.cumsum([x[2] for x in _LAYERS], axis=1)
    chance /= chance[:, -1:]
    drawn = random.random(len(places))
    return layer, (drawn[:, None] > chance[layer]).sum(axis=1)


def _speak(
    mean: np.ndarray,
    genes: list[str],
    talk: _Talk,
    places: np.ndarray,
    layer: np.ndarray,
    reach: float,
    random: np.random.Generator,
) -> None:
    """Raises the ligand in the spots that send and the receptor in those beside them."""
    if talk.ligand not in genes or talk.receptor not in genes:
        return
    names = [x[0] for x in _LAYERS]
    sends = (layer == names.index(talk.sender)) & (random.random(len(layer)) < 0.6)
    mean[sends, genes.index(talk.ligand)] *= 15.0
    if sends.any():
        near = cKDTree(places[sends]).query(places)[0] <= reach
        hears = near & (layer == names.index(talk.receiver))
        mean[hears, genes.index(talk.receptor)] *= 12.0


def _words(names: list[str]) -> pd.Index:
    return pd.Index(names, dtype=object)
