"""What a data set of equivalence classes offers: fragments by the transcripts they fit."""

from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port

# None of these is of records: a quantifier sees all classes at once, or it says nothing. A class is
# a run of memberships (compressed sparse rows), so that nothing of classes x transcripts is made.
CLASS_STARTS = Port(
    "class_starts",
    "fragment_classes",
    Kind.INDEX,
    "Where the memberships of each class begin; those of a class lie side by side, classes in"
    " order, and none is empty.",
    offer=Offer(
        lacking="equivalence classes of fragments (salmon quant --dumpEq)",
        computed="classes:starts",
        computed_as="classes of the file",
    ),
)
CLASS_TRANSCRIPTS = Port(
    "class_transcripts",
    "memberships",
    Kind.INDEX,
    "Which transcript each membership is of, counted from 0.",
    offer=Offer(
        lacking="equivalence classes of fragments (salmon quant --dumpEq)",
        computed="classes:transcripts",
        computed_as="transcripts of each class of the file",
    ),
)
CLASS_WEIGHTS = Port(
    "class_weights",
    "memberships",
    Kind.PARAMETER,
    "How probable a fragment of the class is, given its transcript: 1 / effective length is in it"
    " (as in those of salmon), and a factor common to a class does not matter.",
    offer=Offer(
        lacking="equivalence classes of fragments (salmon quant --dumpEq)",
        computed="classes:weights",
        computed_as="weights of the file, else 1 / effective length",
    ),
)
CLASS_COUNTS = Port(
    "class_counts",
    "fragment_classes",
    Kind.PARAMETER,
    "How many fragments each class has.",
    offer=Offer(
        lacking="equivalence classes of fragments (salmon quant --dumpEq)",
        computed="classes:counts",
        computed_as="fragments of each class of the file",
    ),
)
EFFECTIVE_LENGTHS = Port(
    "effective_lengths",
    "transcripts",
    Kind.PARAMETER,
    "In how many places of each transcript a fragment can begin, bases.",
    offer=Offer(
        lacking="effective lengths of transcripts (quant.sf)",
        computed="classes:effective-lengths",
        computed_as="effective lengths beside the classes",
    ),
)
