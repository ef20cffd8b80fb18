"""What the names of the rows and columns of a table tell: genes, cells, or facts about the others.

Sources of the patterns: the nomenclature pages of HGNC, MGI, ZFIN, FlyBase, WormBase, SGD,
PomBase, TAIR, RAP-DB, MaizeGDB, Sol Genomics, PlasmoDB and Ensembl; the manuals of featureCounts,
htseq-count and STAR; the columns that Seurat's and scanpy's quality control write.
"""

import re
from collections.abc import Sequence

_GENES = re.compile(
    r"""^(
    ENS[A-Z]{0,6}[GT]\d{6,}(\.\d+)?([_|].+)? | FBgn\d{7} | WBGene\d{8} |
    [BCDEFHKMRTWYZ]\d{1,3}[A-Z]\d{1,2}[A-Z]?\.\d{1,2}[a-z]? | AT[1-5MC]G\d{5}(\.\d+)? |
    Y[A-P][LR]\d{3}[WC](-[A-Z])? | SP[ABC][A-Z]*\d+[A-Z]?\d*\.\d+c? | (LOC_?)?Os\d{2}g\d{5,7} |
    LOC\d+ | Zm\d{5}[a-z]{1,2}\d{6} | GRMZM\w+ | Solyc\d{2}g\d{6}(\.\d+)* | Glyma[.\d]\w+ |
    Potri\.\d{3}G\d+ | Traes\w+ | VIT_\w+ | HORVU\w+ | Sobic\.\w+ | Mp\dg\d{5} |
    si:[a-z]+\d*-\w+(\.\d+)? | zgc:\d+ | PF3D7_\d+ | PBANKA_\d+ | TGME49_\d+ | DDB_G\d+ |
    Tb\d+\.\S+ | Rv\d{4}[cA-Z]? | BSU_?\d{5} |
    XLOC_\d+ | MSTRG\.\d+ | TRINITY_\w+ |
    [NX][MR]_\d+(\.\d+)? | ERCC-\d{5} | gene[-_. ]?\d+ | c\d+orf\d+ |
    (GRCh38|GRCm39|GRCm38|hg19|hg38|mm10)_+\S+ | A[CLFP]\d{6}\.\d+ | CT[ABCD]-\d\S+ |
    RP\d+-\d+\S+ | LINC\d+ | MIR\d+\w* | SNOR[AD]\d+\w* | ACTB\d? | GAPDH | B2M |
    CD\d{1,3}[A-Z]?\d? | MS4A\d+ | LYZ\d? | NKG7 | MALAT1 | ALB | PTPRC | EPCAM |
    HB[ABDEGQZ]\w?\d? | Hb[ab]-\w+ | MT-\w+ | M?RP[LS]\d+\w* | HLA-\w+ | H2-\w+ | FOX\w\d\w* |
    SOX\d+ | GM\d{3,} | [\w-]+RIK | ZNF\d+\w* | ZFP\d+ | SLC\d+A\d+\w* | KRT\d+\w* |
    COL\d+A\d+ | TMEM\d+\w* | FAM\d+\w* | CC[LR]\d+\w* | CXC[LR]\d+\w* | IL\d+\w* |
    PSM[ABCD]\d+ | NDUF\w+ | COX\d\w* | ATP\d\w+ | EIF\d\w* | UBE2\w+ | HSP\w\d+\w* | S100A\d+ |
    TUB[AB]\w+ | EEF\d\w* | SOX\d+\w* | DNAJ[ABC]\d+ | ADAM(TS)?\d+ | KIF\d+\w* | CDK\d+\w* |
    GZM[ABHKM] | KLR\w\d | TRIM\d+ | RAB\d+\w*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
# Locus tags (NCBI) are made like the names that people give to cells: HN26_0001.
_LOCUS_TAGS = re.compile(r"^(b\d{4}|[A-Z][A-Z0-9]{1,9}_(RS)?\d{4,7}[a-z]?)$", re.IGNORECASE)
_CELLS = re.compile(
    r"""^(?!TRINITY_)(
    (.*[_\-.:\#|])?[ACGTN]{10,}([_\-.:]\w+)* |
    (.*[_\-. ])?(cell|barcode|bc|spot|nucleus|well)[-_. ]?\d+ | [SED]RR\d+\S* | GSM\d+\S* |
    SAM[NED]\w+\S* | .*\.(bam|sam|cram|fastq|fq)(\.gz)? | \d\d_\d\d_\d\d(__s\d+)? |
    sample[-_. ]?\d+ | .+[_\-.][A-P](0?[1-9]|1\d|2[0-4]) | [A-H](0[1-9]|1[0-2])
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_GENE_CORNER = re.compile(
    r"^(genes?(_?(id|name|symbol|short_name))?s?|symbols?|ensembl(_?(gene)?_?ids?)?|features?|geneid|"
    r"transcripts?(_id)?|probe(_?id)?|hgnc(_symbol)?|mgi(_symbol)?|entrez(_?id)?|orf|locus(_tag)?)$"
)
_CELL_CORNER = re.compile(
    r"^(cells?(_?(id|name|barcode))?s?|barcodes?|samples?(_?(id|name))?|obs(_names)?|cellid|spot|"
    r"individual|well)$"
)
# Words in small letters, parted by "_". What is known of a cell:
_OF_CELLS = re.compile(
    r"""^(
    n_?(count|feature|umi|gene|molecule|read)s?(_\w+)? | (log1?0?p?|log1p)_(total|n)_\w+ |
    total_(counts?|umis?|reads|features?|genes?)(_\w+)? |
    (pct|percent|percentage|fraction|frac)_\w+ | percent(mt|mito|ribo)\w* |
    mito(chondrial)?_?(frac\w*|ratio|percent\w*|pct) | \w+_snn_res_\w+ | res_\d\w* |
    (seurat_)?clusters?(_?(id|label|name|number|no))? | louvain\w* | leiden\w* | k_?means\w* |
    orig_ident | ident | batch(_?(id|no))? | sample(_?(id|name))? | donor(_?id)? |
    patient(_?id)? | subject(_?id)? | individual | condition | treatment | genotype | group |
    replicate | library(_?(id|size))? | lib_size | size_?factors? | doublet_?\w* |
    scrublet_\w+ | scdblfinder_\w+ | singlet | s_score | g2m_score | cc_difference | phase |
    cell_cycle\w* | cell_?types?(_\w+)? | cell_?labels? | (cell_)?annotations?(_\w+)? |
    labels? | age | sex | gender | tissue | organ | day | time(_?point)? | stage | strain |
    species | organism | assay | chemistry | plate(_?id)? | well(_?id)? | lane | channel |
    array_(row|col) | in_tissue | pxl_(row|col)_in_fullres |
    [xy]_?(coord\w*|centroid|position|pos) | cell_?(size|area|volume) | barcodes? |
    cell_?(id|name|barcode)s? | (mapped_)?reads | n_cells | (dpt_)?pseudotime | latent_time |
    fovs? | field_of_view | slide(_?(id|name|no|number))? | roi |
    velocity_\w+ | sizefactor | tscp_count | gene_count | bc\d?_wells? | mread_count
    )$""",
    re.VERBOSE,
)
_COORDINATES = re.compile(
    r"^(x_)?(umap|tsne|t_sne|pca?|phate|diffmap|dc|harmony|spatial)_?\d+$|^[xy]$"
)
# What is known of a gene:
_OF_GENES = re.compile(
    r"""^(
    (gene_|transcript_|effective_)?length | (eff|effective)_?length | chr(om(osome)?)?(_name)? |
    seqname | start(_position)? | end(_position)? | strand | width |
    gene_?(id|name|symbol|type|biotype|short_name|description|status)s? |
    (transcript_)?biotype | description | symbols? | ensembl\w* | entrez\w* |
    gc(_content|_percent)? | n_cells(_by_counts)? | mean_counts | pct_dropout\w* |
    total_counts | feature_types? | genome | highly_variable\w* | means | dispersions\w* |
    variances?(_norm)? | locus | exons? | exon_\w+ | transcript_?ids? | accession | name |
    hgnc\w* | mgi\w* | source | (external_)?gene_name | protein_id | product
    )$""",
    re.VERBOSE,
)
_SUMS = re.compile(r"^(row_?|col(umn)?_?|grand_?)?(totals?|sums?|means?|median|average|avg)$")
_NOT_COUNTED = re.compile(
    r"^(__\w+|N_(unmapped|multimapping|noFeature|ambiguous)|Unassigned_\w+|no_feature|ambiguous|"
    r"too_low_aQual|not_aligned|alignment_not_unique|_?unmapped|_?undetermined)$",
    re.IGNORECASE,
)
_MOST = 5_000
_NO_GENES = 0.2


def gene_like(names: Sequence[str], *, tags: bool = False) -> float:
    """Share of the names that look like names of genes.

    Args:
        tags: Whether locus tags count, which are made like many names of cells.
    """
    some = _some(names)
    found = sum(bool(_GENES.match(n) or (tags and _LOCUS_TAGS.match(n))) for n in some)
    return found / max(len(some), 1)


def genes_on_sides(one: Sequence[str], other: Sequence[str]) -> tuple[float, float]:
    """Share of names of genes on two sides; locus tags count where the other side has no genes."""
    plain = gene_like(one), gene_like(other)
    with_tags = gene_like(one, tags=True), gene_like(other, tags=True)
    return (
        with_tags[0] if plain[1] < _NO_GENES else plain[0],
        with_tags[1] if plain[0] < _NO_GENES else plain[1],
    )


def cell_like(names: Sequence[str], *, counted: bool = True) -> float:
    """Share of the names that look like cells: barcodes, wells, runs, or counted through.

    Args:
        counted: Whether it tells anything that names are counted through: ``b1``, ``b2``.
    """
    some = _some(names)
    found = sum(bool(_CELLS.match(n)) for n in some) / max(len(some), 1)
    if counted and found < 0.5 and len(some) > 2 and gene_like(some, tags=True) < _NO_GENES:
        stems = [re.sub(r"\d+", "#", n) for n in some]
        same = max(stems.count(s) for s in set(stems[:50])) / len(stems)
        return max(found, 0.5) if same > 0.9 and len(set(some)) == len(some) else found
    return found


def _some(names: Sequence[str]) -> list[str]:
    return [str(n).strip() for n in names[:: max(1, len(names) // _MOST)]]


def corner_says(word: str) -> str:
    """What stands over the names of the rows: ``"genes"``, ``"cells"`` or nothing known."""
    plain = _plain(word)
    return "genes" if _GENE_CORNER.match(plain) else "cells" if _CELL_CORNER.match(plain) else ""


def is_row_name_title(word: str) -> bool:
    """Whether a title stands over names of rows, not over values."""
    plain = _plain(word)
    return plain in ("", "x", "index", "id", "name", "names", "rownames", "row_names", "row") or (
        plain.startswith("unnamed") or bool(corner_says(word))
    )


def fact_of_cells(name: str, *, whole: bool = True) -> bool:
    """Whether it names something known of cells: totals, clusters, quality, htseq's ``__`` rows.

    Args:
        whole: Whether its values are whole numbers; coordinates never are.
    """
    plain = _plain(name)
    by_name = _OF_CELLS.match(plain) or _SUMS.match(plain) or _NOT_COUNTED.match(name.strip())
    return bool(by_name) or (not whole and bool(_COORDINATES.match(plain)))


def fact_of_genes(name: str) -> bool:
    """Whether it names something known of genes: length, place, names, totals."""
    plain = _plain(name)
    return bool(_OF_GENES.match(plain) or _SUMS.match(plain))


def not_counted(name: str) -> bool:
    """Whether it is a row of a counting program for reads that belong to no gene."""
    return bool(_NOT_COUNTED.match(name.strip()))


def _plain(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip().strip('"'))
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
