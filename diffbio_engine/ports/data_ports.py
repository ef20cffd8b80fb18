"""What a data set can offer. To add a field is to add one port here: all else follows from it."""

from diffbio_engine.ports.class_ports import (
    CLASS_COUNTS,
    CLASS_STARTS,
    CLASS_TRANSCRIPTS,
    CLASS_WEIGHTS,
    EFFECTIVE_LENGTHS,
)
from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port, Role
from diffbio_engine.ports.sequence_ports import BACKGROUND, KNOWN_STATES, QUALITY, SEQUENCES
from diffbio_engine.ports.track_ports import SIGNAL, WINDOW_ORDER

COUNTS = Port(
    "counts",
    "cells genes",
    Kind.COUNTS,
    "Raw counts: molecules seen per cell and gene.",
    after=(Role.CLEANED,),
    offer=Offer(
        title="Counts from",
        help="Raw molecule counts, which the count models need.",
        lacking="raw counts",
        layers=("counts",),
    ),
)
AMBIENT_PROFILE = Port(
    "ambient_profile",
    "genes",
    Kind.PROFILE,
    "Expression of empty droplets, by gene.",
    offer=Offer(
        lacking="the profile of empty droplets", computed="ambient:mean-of-low-count-cells"
    ),
)
# Not `library_size`: that of a count model is the total of the genes that it is a model of.
TOTAL_COUNTS = Port(
    "total_counts",
    "cells",
    Kind.SCORE,
    "Total counts of each cell over all its genes, also those that are not trained on: what levels"
    " per 10 000 are made with. Without it, the sum of the genes given.",
    optional=True,
    offer=Offer(
        title="Total counts of cells",
        help="Levels are per 10,000 of these. Choose a column where the file holds only some"
        " genes.",
        lacking="the total counts of each cell",
        computed="counts:total",
        computed_as="sum over all genes of the file",
    ),
)
BATCH_LABELS = Port(
    "batch_labels",
    "cells",
    Kind.LABELS,
    "Which batch (sample, donor, chemistry) each cell comes from, counted from 0.",
    classes="batches",
    offer=Offer(
        title="Batch column",
        help="What is to be corrected for: donor, sample, chemistry.",
        lacking="the batch of each cell",
        # Single words say it at the end of a name, and phrases (those of Seurat and of cellranger)
        # anywhere: "sample_type" is no sample.
        columns=(
            "batch", "sample", "donor", "dataset", "patient", "individual", "participant",
            "replicate", "rep", "library", "subject", "mouse", "animal", "chemistry", "assay",
            "technology", "tech", "protocol", "platform", "method", "lane", "channel", "chip",
            "plate", "run", "experiment", "study", "pool", "batchid", "sampleid", "donorid",
            "patientid", "specimen", "flowcell",
            "orig ident", "gem group", "data set", "sequencing run",
        ),
        values=(2, 200),
    ),
)  # fmt: skip
LABELS = Port(
    "labels",
    "cells",
    Kind.LABELS,
    "Known cell types or classes, counted from 0; -1 where it is not known.",
    classes="classes",
    offer=Offer(
        title="Known labels",
        help="Cell types where they are known; only blocks wired to it see it.",
        lacking="known cell types",
        columns=(
            "cell type", "celltype", "cell types", "celltypes", "annotation", "annotations",
            "cell label", "bulk labels", "labels", "label", "cluster", "clusters", "louvain",
            "leiden", "cell ontology", "cell class", "subclass", "cell state", "population",
            "lineage", "type", "branch", "snn res",
        ),
    ),
)  # fmt: skip
_OF_TABLES = ("X_pca", "pca", "X_PCA", "X_scVI", "X_latent")
FEATURES = Port(
    "features",
    "cells features",
    Kind.FEATURES,
    "Coordinates of each cell.",
    after=(Role.CORRECTED, Role.LATENT),
    offer=Offer(lacking="coordinates of each cell, such as PCA", tables=_OF_TABLES),
)
EMBEDDINGS = Port(
    "embeddings",
    "cells features",
    Kind.FEATURES,
    "Coordinates of each cell.",
    # So that blocks can be chained by `apply`: what the block before has found.
    also=("corrected_embeddings", "latent_mean", "latent"),
    after=(Role.CORRECTED, Role.LATENT),
    offer=Offer(
        title="Embedding",
        help="Coordinates that are there already, such as PCA.",
        lacking="coordinates of each cell, such as PCA",
        tables=_OF_TABLES,
    ),
)
EXPRESSION = Port(
    "expression",
    "cells genes",
    Kind.EXPRESSION,
    "Normalised expression.",
    after=(Role.NORMALIZED,),
    offer=Offer(lacking="normalised expression"),
)
SPATIAL_COORDS = Port(
    "spatial_coords",
    "cells 2",
    Kind.COORDINATES,
    "Where in the tissue each cell or spot lies.",
    offer=Offer(
        title="Places in the tissue",
        help="Where each spot lies.",
        lacking="places in the tissue",
        tables=("spatial", "X_spatial", "spatial_coords"),
    ),
)
SPLICED = Port(
    "spliced",
    "cells genes",
    Kind.EXPRESSION,
    "Counts of spliced molecules.",
    offer=Offer(lacking="counts of spliced molecules", layers=("spliced",)),
)
UNSPLICED = Port(
    "unspliced",
    "cells genes",
    Kind.EXPRESSION,
    "Counts of unspliced molecules.",
    offer=Offer(lacking="counts of unspliced molecules", layers=("unspliced",)),
)
SLICE_LABELS = Port(
    "slice_labels",
    "cells",
    Kind.LABELS,
    "Which slice of the tissue each spot is from, counted from 0.",
    classes="slices",
    offer=Offer(
        title="Slice column",
        help="Which slice of the tissue each spot is from.",
        lacking="the slice of each spot",
        columns=("slice", "section", "library id", "slide"),
        values=(2, 200),
    ),
)
TIME_POINTS = Port(
    "time_points",
    "cells",
    Kind.LABELS,
    "When each cell was taken: 0 for the first time point.",
    classes="times",
    offer=Offer(
        title="Time column",
        help="The day or hour at which each cell was taken.",
        lacking="the time of each cell",
        columns=(
            "day", "days", "time point", "timepoint", "time points", "timepoints", "time", "dpi",
            "hpi", "dpf", "hpf", "dpc", "hour", "hours", "hrs", "week", "weeks", "stage",
        ),
        not_columns=(
            "pseudo", "pseudotime", "latent", "velocity", "run", "processing", "sequencing", "dpt",
        ),
        values=(2, 50),
    ),
)  # fmt: skip
CONDITION_LABELS = Port(
    "condition_labels",
    "cells",
    Kind.LABELS,
    "Which condition each cell is from, counted from 0.",
    classes="conditions",
    offer=Offer(
        title="Condition column",
        help="Two conditions that are to be compared.",
        lacking="two conditions",
        columns=(
            "condition", "treatment", "stim", "stimulation", "perturbation", "disease", "genotype",
            "phenotype", "diagnosis", "infection", "group", "status",
        ),
        values=(2, 2),
    ),
)  # fmt: skip
DESIGN = Port(
    "design",
    "cells covariates",
    Kind.DESIGN,
    "Covariates of each sample as numbers: the intercept, what is accounted for, and last what is"
    " compared.",
    offer=Offer(lacking="a design: groups of samples that are to be compared"),
)
CONTROL_GENES = Port(
    "control_genes",
    "genes",
    Kind.PROFILE,
    "Genes that size factors are taken from: those above 0.",
    optional=True,
    offer=Offer(lacking="genes to normalise by", joins=True),
)
# Prior knowledge, found by the names of the genes; the same for all cells.
LR_PAIRS = Port(
    "lr_pairs",
    "pairs members",
    Kind.INDEX,
    "Ligand and receptor of known pairs, as positions of genes: two columns. Of complexes, as many"
    " columns for the ligand's genes as for the receptor's, filled up with -1.",
    offer=Offer(
        lacking="ligands and receptors among its genes", computed="genes:ligand-receptor-pairs"
    ),
)
TF_INDICES = Port(
    "tf_indices",
    "regulators",
    Kind.INDEX,
    "Transcription factors, as positions of genes.",
    offer=Offer(
        lacking="transcription factors among its genes", computed="genes:transcription-factors"
    ),
)
MARKER_MATRIX = Port(
    "marker_matrix",
    "classes genes",
    Kind.PARAMETER,
    "1 where a gene marks a cell type, else 0.",
    offer=Offer(lacking="known marker genes", computed="genes:cell-type-markers"),
)

# By the name that the block `data` gives it. In the order in which its outputs and the rows of the
# data panel stand.
DATA_PORTS: dict[str, Port] = {
    port.name: port
    for port in (
        COUNTS,
        DESIGN,
        CONTROL_GENES,
        AMBIENT_PROFILE,
        TOTAL_COUNTS,
        BATCH_LABELS,
        LABELS,
        FEATURES,
        EMBEDDINGS,
        EXPRESSION,
        SPATIAL_COORDS,
        SPLICED,
        UNSPLICED,
        SLICE_LABELS,
        TIME_POINTS,
        CONDITION_LABELS,
        LR_PAIRS,
        TF_INDICES,
        MARKER_MATRIX,
        SEQUENCES,
        BACKGROUND,
        QUALITY,
        KNOWN_STATES,
        CLASS_STARTS,
        CLASS_TRANSCRIPTS,
        CLASS_WEIGHTS,
        CLASS_COUNTS,
        EFFECTIVE_LENGTHS,
        SIGNAL,
        WINDOW_ORDER,
    )
}

# Filled by the batch sampler; no data set offers it.
NEIGHBOUR = Port(
    "neighbour",
    "cells",
    Kind.INDEX,
    "Where in the batch each cell's drawn neighbour is.",
    optional=True,
    drawn="neighbour",
)
