"""How a data set offers an array: what a person is told of it, and how a file has it."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Offer:
    """What is said of a field of a data set, and by what it is found in a file.

    All that the page, the command line, the suggestions and the messages know of a field by its
    name stands here. What the values themselves say (which column is no batch, in which order times
    are) is judged where files are looked at.

    Attributes:
        title, help: Of its row in the data panel, where a person says where it lies. Nobody chooses
            a field without a title.
        lacking: What a data set has not got that does not offer it: ``"the batch of each cell"``.
        columns: What columns with one value a record are called that hold it, likeliest first,
            whole words: ``"time point"`` is in ``"TimePoint_2"``.
        not_columns: Words by which a column that is called so holds something else.
        values: The fewest and the most different values of such a column, where these are classes.
        tables: Tables with a row a record (``obsm``) that hold it, likeliest first.
        layers: Matrices beside the counts (``layers``) that hold it, likeliest first.
        computed: The place that stands for it where it is computed (``"counts:total"``): from the
            counts (``"counts:..."``), or from the names of the genes (``"genes:..."``).
        computed_as: The same in words, where a person can choose it.
        joins: Where a person says where it lies, blocks that can use it are wired to it.
    """

    title: str = ""
    help: str = ""
    lacking: str = ""
    columns: tuple[str, ...] = ()
    not_columns: tuple[str, ...] = ()
    values: tuple[int, float] = (1, inf)
    tables: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    computed: str = ""
    computed_as: str = ""
    joins: bool = False

    @property
    def usual_place(self) -> str:
        """Where it usually lies, as an example: ``"obs/cell_type"``; empty if nothing is known."""
        if self.computed:
            return self.computed
        for table, names in (("layers", self.layers), ("obs", self.columns), ("obsm", self.tables)):
            if names:
                return f"{table}/{names[0].replace(' ', '_')}"
        return ""
