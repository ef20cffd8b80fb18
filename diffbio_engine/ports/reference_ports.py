"""What a reference offers: a second data set, known as a whole."""

from dataclasses import replace

from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port

REFERENCE_PROFILES = Port(
    "reference_profiles",
    "classes genes",
    Kind.PROFILE,
    "Mean counts per cell of each type of a reference, over the genes of the data; 0 for genes that"
    " the reference has not.",
)

# By the name that the block `reference` gives it.
REFERENCE_PORTS: dict[str, Port] = {
    port.name: port
    for port in (
        replace(
            REFERENCE_PROFILES,
            name="profiles",
            offer=Offer(
                lacking="profiles of the types of a reference", computed="types:mean-counts"
            ),
        ),
    )
}
