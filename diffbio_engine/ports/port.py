"""Ports: the named arrays that go into a block and come out of it."""

from dataclasses import dataclass
from enum import StrEnum

from diffbio_engine.axes import Axis, axis_of
from diffbio_engine.ports.offer import Offer


class Kind(StrEnum):
    """What the numbers in an array mean; wires join ports of kinds that fit."""

    COUNTS = "counts"  # raw molecule counts
    EXPRESSION = "expression"  # real-valued expression
    FEATURES = "features"  # coordinates in a latent or reduced space
    MAP = "map"  # two or three coordinates to draw
    SHARES = "shares"  # rows that add up to one
    LABELS = "labels"  # whole numbers that name a class
    SCORE = "score"  # one real number a cell
    TIME = "time"  # how far each cell has come along a process
    PROFILE = "profile"  # one number a gene
    PARAMETER = "parameter"  # numbers of the model, such as dispersions
    SIMILARITY = "similarity"  # cells by cells
    COORDINATES = "coordinates"  # places in the tissue
    DESIGN = "design"  # covariates of a regression, the intercept first
    INDEX = "index"  # positions in the batch
    SEQUENCE = "sequence"  # codes of letters along positions
    QUALITY = "quality"  # Phred scores along positions
    NETWORK = "network"  # how strongly each of these acts on each of those
    PLAN = "plan"  # how much of each of these goes to each of those
    LOSS = "loss"  # one number to be made small


class Role(StrEnum):
    """What an output is to the blocks after it, where its kind alone does not tell.

    An input ranks the roles that usually stand before it, and never names an operator: whichever
    block has the role is wired.
    """

    CLEANED = "cleaned"  # counts without what is not the cell's own
    NORMALIZED = "normalized"  # expression at one sequencing depth, as logarithms
    LATENT = "latent"  # where a cell is in a latent space
    DRAWN = "drawn"  # the same as it is drawn in training
    CORRECTED = "corrected"  # coordinates without the differences between batches
    COMPONENTS = "components"  # slow directions of a process
    PSEUDOTIME = "pseudotime"  # how far along it
    MAP = "map"  # places on a map for arrows
    CLUSTERS = "clusters"  # shares of a cell in clusters
    CENTROIDS = "centroids"  # their centres
    TYPES = "types"  # probabilities of cell types
    VELOCITY = "velocity"  # change of expression
    PREDICTED = "predicted"  # values that were hidden from a model, as it says them
    HIDDEN = "hidden"  # which these were
    # Of a comparison, gene by gene:
    MEAN = "mean"  # how much there is of it
    CHANGE = "change"  # log2 of how many times more
    UNSURE = "unsure"  # the standard error of that
    STATISTIC = "statistic"  # the change in standard errors
    CHANCE = "chance"  # the p-value of that
    DISCOVERY = "discovery"  # the same, adjusted for how many were compared
    OWN_SPREAD = "own spread"  # the dispersion that a gene says by itself
    USUAL_SPREAD = "usual spread"  # that of genes with such a mean
    SPREAD = "spread"  # the dispersion that is used
    OUTLIER = "outlier"  # how far a single record moves it
    TESTED = "tested"  # which column of the design it is about
    COVARIANCE = "covariance"  # of its coefficients, by which other columns are compared
    DETECTED = "detected"  # in how many samples of each column there is any of it
    DEPTH = "depth"  # how deeply each record was sequenced
    # Along positions of records:
    LEVEL = "level"  # what tells members of an axis apart, and stands in their names
    SEEN = "seen"  # what was measured there: drawn above what a block says of it


# Which kinds an input accepts besides its own.
_ACCEPTS: dict[Kind, frozenset[Kind]] = {
    Kind.FEATURES: frozenset({Kind.EXPRESSION, Kind.MAP, Kind.COORDINATES}),
    Kind.EXPRESSION: frozenset({Kind.COUNTS}),
    Kind.SCORE: frozenset({Kind.TIME}),
    Kind.TIME: frozenset({Kind.SCORE}),
    Kind.COUNTS: frozenset(),
    Kind.COORDINATES: frozenset({Kind.MAP}),
    Kind.DESIGN: frozenset({Kind.FEATURES}),
    Kind.MAP: frozenset(),
}


@dataclass(frozen=True)
class Port:
    """A named array with axes and a kind.

    Attributes:
        axes: Axis names separated by spaces, outermost first; empty for a single number. The same
            name in two ports of one operator is the same length; a literal number is that length.
        also: Other names for the same array, accepted and returned by ``apply``.
        optional: The operator works without it.
        classes: For LABELS and SEQUENCE, whose numbers stand for something: the axis along which
            that lies, classes or letters. Its length is how many there are.
        drawn: Filled by the batch sampler, never wired: ``"neighbour"`` is, for each cell of the
            batch, the position in the batch of a neighbour drawn from the block's graph.
        weight: For LOSS: the default weight in the objective.
        floor_of: For LOSS: another loss of its block that a simpler method would have. It is drawn
            beside that one as a line to stay below, and is no part of the objective.
        dense: Cells-by-cells output that exists only up to the block's ``dense_limit``.
        result: Where it goes in a result file, ``"obsm/X_latent"``; empty for nowhere.
        call: A soft yes or no of each cell: above 1/2 is yes. So it stands in a result file, and
            how many were called is told.
        ranks: For one number a gene: which come first in a table, ``"small"`` (it is a p-value),
            ``"large"`` (a strength) or ``"far"`` (an effect of either sign, far from 0). Empty if
            its size says nothing of how telling the gene is.
        words: For a single whole number, counted from 0: what each means. The text stands with the
            number, and with the calls of the same block.
        role: Of an output: what it is to the blocks after it, beyond its kind.
        after: Of an input: roles of what usually stands before it, likeliest first.
        offer: How a data set offers it: words for a person, and how a file has it. ``None`` for
            what blocks alone hand to each other.
    """

    name: str
    axes: str
    kind: Kind
    doc: str
    also: tuple[str, ...] = ()
    optional: bool = False
    classes: str = ""
    drawn: str = ""
    weight: float = 1.0
    floor_of: str = ""
    dense: bool = False
    result: str = ""
    call: bool = False
    ranks: str = ""
    words: tuple[str, ...] = ()
    role: Role | None = None
    after: tuple[Role, ...] = ()
    offer: Offer | None = None

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(self.axes.split())

    @property
    def record(self) -> Axis | None:
        """What its rows are, where each belongs to one record of the data set; else ``None``.

        An array of cells by cells belongs to pairs, so it is not of records.
        """
        names = self.axis_names
        first = axis_of(names[0]) if names else None
        return first if first and first.record and names.count(first.name) == 1 else None

    @property
    def per_record(self) -> bool:
        """Whether each row belongs to a cell, a sequence, a sample: to one record of the data."""
        return self.record is not None

    @property
    def wide(self) -> bool:
        """Whether it has a value for every gene: too large to be kept for all records."""
        return any(axis_of(name).feature for name in self.axis_names)

    def accepts(self, other: "Port") -> bool:
        """Whether an array from ``other`` means something here."""
        return self.kind == other.kind or other.kind in _ACCEPTS.get(self.kind, frozenset())

    def takes_records_of(self, other: "Port") -> bool:
        """Whether rows of ``other`` can be rows here: the same kind of record, or any will do."""
        mine, theirs = self.record, other.record
        return mine is None or theirs is None or mine.general or mine == theirs

    @property
    def accepted_kinds(self) -> tuple[Kind, ...]:
        """Its own kind and the others that fit."""
        return (self.kind, *sorted(_ACCEPTS.get(self.kind, frozenset())))
