"""What comes out of the quantifier, and where it stands in a result."""

from diffbio_engine.declare import Kind, Port

OUTPUTS = (
    Port(
        "abundances",
        "transcripts",
        Kind.PROFILE,
        "Share of the fragments that come from each transcript; adds up to one.",
        result="var/abundance_diffbio",
    ),
    Port(
        "tpm",
        "transcripts",
        Kind.PROFILE,
        "Transcripts per million: shares of the molecules, whatever their lengths.",
        result="var/tpm_diffbio",
        ranks="large",
    ),
    Port(
        "expected_counts",
        "transcripts",
        Kind.PROFILE,
        "Expected fragments of each transcript.",
        result="var/counts_diffbio",
    ),
    Port(
        "counts_low",
        "transcripts",
        Kind.PROFILE,
        "2.5% of draws of the fragments give fewer of this transcript.",
        optional=True,
        result="var/counts_low_diffbio",
    ),
    Port(
        "counts_high",
        "transcripts",
        Kind.PROFILE,
        "2.5% of draws of the fragments give more of this transcript.",
        optional=True,
        result="var/counts_high_diffbio",
    ),
    Port(
        "log_likelihood",
        "",
        Kind.PARAMETER,
        "Log-likelihood of the fragments, nats; compares abundances for the same classes.",
    ),
    Port(
        "likelihood_gain",
        "iterations",
        Kind.PARAMETER,
        "How much likelier the fragments became as the steps went on, nats a fragment above the"
        " first abundances; of every third step if accelerated.",
    ),
    Port("em_loss", "", Kind.LOSS, "-log_likelihood, nats a fragment."),
)
