"""Settings of the sequence transformer, and which of them do not go together."""

from typing import Literal

from diffbio_engine.declare import Config, contract, setting, size
from diffbio_engine.errors import SettingError
from diffbio_engine.parts.transformer_layer import check_heads
from diffbio_engine.ports.alphabets import MOST_AS_ROWS

MOST_WORDS = 20_000  # logits of one position: 80 kB


class EncoderSettings(Config):
    """What of a sequence is read, by what layers, and what is hidden from them."""

    alphabet_size: int = size("letters", default=4, doc="How many letters the alphabet has.")
    n_classes: int = size("classes", default=0, doc="How many classes the labels have; 0: none.")
    input_embedding_type: Literal["linear", "token_embedding"] = setting(
        "linear",
        choices=("linear", "token_embedding"),
        doc="linear: each letter by itself, one-hot. token_embedding: a vector for each word, of a"
        " vocabulary beside the data (vocab.txt) or of kmer_size letters, which overlap (DNABERT).",
    )
    kmer_size: int = setting(
        1,
        low=1,
        high=6,
        unit="letters",
        doc="Letters of a word, with token_embedding. 4^k words are learned: 3 for thousands of"
        " sequences, 6 for a genome.",
    )
    pooling: Literal["mean", "cls"] = setting(
        "mean",
        choices=("mean", "cls"),
        doc="How positions become one vector. mean: of all positions. cls: a token in front that"
        " listens to all; it learns from labels only.",
    )
    hidden_dim: int = setting(
        64, low=4, high=1024, log=True, doc="Width of a token; a multiple of num_heads."
    )
    num_layers: int = setting(
        2,
        low=1,
        high=12,
        doc="Transformer layers. Two of width 64 suit thousands of sequences; 12 of width 768"
        " (DNABERT) need a genome.",
    )
    num_heads: int = setting(4, low=1, high=16, doc="Heads of each attention.", advanced=True)
    intermediate_dim: int | None = setting(
        None,
        low=4,
        high=4096,
        doc="Units between the two dense layers; empty: four times hidden_dim.",
        advanced=True,
    )
    max_length: int = setting(
        512,
        low=1,
        high=10_000,
        unit="positions",
        doc="Longest sequence that is read. Memory grows with its square: 128 sequences of 512"
        " positions take 0.5 GB a layer.",
        advanced=True,
    )
    mask_ratio: float = setting(
        0.15,
        low=0.0,
        high=0.9,
        doc="Mask ratio: share of the letters masked in training, to be predicted from the others."
        " 0: nothing is learned from letters alone.",
    )
    mask_span: int | None = setting(
        None,
        low=1,
        high=16,
        doc="How many words are masked together. Empty: kmer_size. Overlapping words of k letters"
        " spell each other, so k of a vocabulary of such words.",
        advanced=True,
    )
    dropout_rate: float = setting(
        0.1, low=0.0, high=0.9, doc="Dropout rate of the layers in training.", advanced=True
    )
    vocab_size: int | None = setting(
        None,
        low=2,
        high=MOST_WORDS,
        doc="In a notebook: sequences are ids of a vocabulary of so many words. Empty: letters.",
        advanced=True,
    )
    special_tokens: int = setting(
        0,
        low=0,
        high=100,
        doc="How many of the first ids of that vocabulary are marks (padding, [CLS], ...), which"
        " are never masked; the first of them is padding. BERT and DNABERT have 5.",
        advanced=True,
    )
    adapter_mode: str = contract("native_trainable", doc="Where its weights come from.")
    artifact_id: str = contract("diffbio.transformer_sequence_encoder", doc="Which model it is.")
    preprocessing_version: str = contract("one_hot_v1", doc="What it was given.")
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.hidden_dim, self.num_heads, "hidden_dim")
        if self.input_embedding_type == "linear":
            if self.alphabet_size > MOST_AS_ROWS:
                raise SettingError(
                    f"is linear, and sequences are in {self.alphabet_size:,} words.",
                    fix="Choose token_embedding: a vector for each word.",
                    where="input_embedding_type",
                )
            for name, usual in (("kmer_size", 1), ("vocab_size", None)):
                if getattr(self, name) != usual:
                    raise SettingError(
                        f"is {getattr(self, name)}, and letters are read one by one, as rows.",
                        fix="Choose token_embedding for input_embedding_type.",
                        where=name,
                    )
        if self.vocab_size is not None and self.special_tokens >= self.vocab_size:
            raise SettingError(
                f"{self.special_tokens} of {self.vocab_size} words are marks.",
                fix="Choose less: some must be words.",
                where="special_tokens",
            )
        if self.n_words > MOST_WORDS:
            raise SettingError(
                f"{self.kmer_size} letters of {self.alphabet_size} make {self.n_words:,} words;"
                f" {MOST_WORDS:,} at most can be learned.",
                fix="Choose shorter words.",
                where="kmer_size",
            )

    @property
    def n_words(self) -> int:
        """How many different words there are, marks included."""
        return self.vocab_size or self.alphabet_size**self.kmer_size

    @property
    def span(self) -> int:
        """How many words are masked together."""
        return self.mask_span or self.kmer_size

    @property
    def first_word(self) -> int:
        """The least id that is no mark; of letters, and of words of them, none is a mark."""
        return self.special_tokens if self.vocab_size is not None else 0
