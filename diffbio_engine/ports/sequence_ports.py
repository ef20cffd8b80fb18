"""What a data set of sequences offers: letters, and what stands beside each of them."""

from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port, Role

# One array carries letters and mask: `alphabets.py` has the codes.
SEQUENCES = Port(
    "sequences",
    "sequences positions",
    Kind.SEQUENCE,
    "Codes of letters, bytes: 0 to A - 1 for the A letters of the alphabet in its order (ACGT; of"
    " proteins ACDEFGHIKLMNPQRSTVWY), A for a letter that is not told (N, X), 255 past the end.",
    classes="letters",
    offer=Offer(
        lacking="sequences of letters (FASTA or FASTQ)",
        computed="sequences:letters",
        computed_as="letters of the file",
    ),
)
# Where sequences are in words of a vocabulary, and how many words share a letter: of overlapping
# words of k letters k, else 1.
SPANS = {f"sequences:words{f'-of-{k}' if k > 1 else ''}": k for k in range(1, 17)}
BACKGROUND = Port(
    "background",
    "letters",
    Kind.PROFILE,
    "How frequent each letter of the alphabet is among all that are told; adds up to one.",
    offer=Offer(
        lacking="the frequencies of letters of sequences",
        computed="sequences:frequencies",
        computed_as="frequencies of all letters of the file",
    ),
)
QUALITY = Port(
    "quality",
    "sequences positions",
    Kind.QUALITY,
    "Phred score of each letter, bytes: 10 log10 of one over the probability that it is wrong; 0"
    " past the end.",
    offer=Offer(
        lacking="qualities of letters (FASTQ)",
        computed="sequences:quality",
        computed_as="qualities of the file",
    ),
)
KNOWN_STATES = Port(
    "known_states",
    "sequences positions",
    Kind.LABELS,
    "State of each position, counted from 0; -1 where it is not known, and past the end.",
    classes="states",
    offer=Offer(
        lacking="the state of each letter (a third line in each record of FASTA)",
        computed="sequences:states",
        computed_as="states beside the letters",
    ),
)
# What blocks that read letters say of them; no data set has it.
CLASSES_OF_SEQUENCES = (
    Port(
        "class_probabilities",
        "sequences classes",
        Kind.SHARES,
        "Probability of each class.",
        optional=True,
        result="obsm/class_diffbio_prob",
        role=Role.TYPES,
    ),
    Port(
        "class_labels",
        "sequences",
        Kind.LABELS,
        "The likeliest class.",
        optional=True,
        classes="classes",
    ),
    Port(
        "confidence",
        "sequences",
        Kind.SCORE,
        "Probability of the likeliest class.",
        optional=True,
        result="obs/class_confidence_diffbio",
    ),
)
SALIENCY = Port(
    "letter_saliency",
    "sequences positions letters",
    Kind.SCORE,
    "How much each letter speaks for the likeliest class of its sequence, against any other letter"
    " there; without classes, for the letters that are masked. Gradient times input; of words of"
    " letters, summed over the words that a letter stands in.",
    optional=True,
)
