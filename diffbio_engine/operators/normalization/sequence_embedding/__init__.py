"""Sequences of letters as vectors: learned from masked letters, and from labels where known."""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    BACKGROUND,
    CLASSES_OF_SEQUENCES,
    LABELS,
    SALIENCY,
    SEQUENCES,
    Buffer,
    Config,
    Kind,
    Port,
    ReadsLetters,
    Role,
    TrainingBuffer,
    contract,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.normalization.sequence_embedding._filter_motifs import (
    MOTIFS,
    filter_motifs,
    some_to_read,
)
from diffbio_engine.operators.normalization.sequence_embedding._letters import (
    letter_cross_entropy,
    reverse_complement,
    turned_round,
)
from diffbio_engine.operators.normalization.sequence_embedding._pooling import pooling_of
from diffbio_engine.operators.normalization.sequence_embedding._sequence_encoders import (
    encoder_of,
)
from diffbio_engine.parts.class_head import ClassHead, told_classes
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.dense_networks import quiet_linear
from diffbio_engine.parts.in_pieces import in_pieces
from diffbio_engine.parts.letter_saliency import class_margin, letter_saliency
from diffbio_engine.parts.letters import letters_of
from diffbio_engine.parts.masked_letters import hidden_letters
from diffbio_engine.parts.transformer_layer import check_heads
from diffbio_engine.ports.alphabets import MOST_AS_ROWS, PAST_THE_END

# Letters that are read at a time where nothing is learned: memory stays some hundred MB.
_LETTERS_AT_ONCE = 32_768


class SequenceEmbeddingConfig(Config):
    """Settings of the sequence embedding."""

    alphabet_size: int = size("letters", default=4, doc="How many letters the alphabet has.")
    n_classes: int = size("classes", default=0, doc="How many classes the labels have; 0: none.")
    method: Literal["conv", "transformer"] = setting(
        "conv",
        choices=("conv", "transformer"),
        doc="conv: convolutions, for motifs of some letters. transformer: each position hears all"
        " others; needs more sequences, and memory with the square of their length.",
    )
    pooling: Literal["attention", "mean", "position"] = setting(
        "attention",
        choices=("attention", "mean", "position"),
        doc="How positions become one vector. mean: wherever it stands; blind to sites at a fixed"
        " place, such as splice sites. attention: learns where to look. position: a weight for each"
        " position, for sequences that are cut around one site.",
    )
    reverse_complement: Literal["off", "augment", "tie"] = setting(
        "off",
        choices=("off", "augment", "tie"),
        doc="Where the strand of DNA says nothing (peaks, enhancers). tie: the mean of both."
        " augment: in training one of the two by chance, then their mean. off: the strand matters.",
    )
    embedding_dim: int = setting(
        64, low=2, high=512, log=True, doc="Width of the embedding; a multiple of num_heads."
    )
    n_layers: int = setting(2, low=1, high=12, doc="Encoder layers.")
    num_conv_layers: int | None = setting(
        None, low=1, high=12, doc="Layers of the form conv, in place of n_layers.", advanced=True
    )
    kernel_size: int = setting(
        7, low=1, high=31, unit="letters", doc="Kernel size of a convolution.", advanced=True
    )
    num_heads: int = setting(
        4, low=1, high=16, doc="Heads of each attention, also of that of pooling.", advanced=True
    )
    max_length: int = setting(
        100,
        low=1,
        high=10_000,
        unit="letters",
        doc="Length of the longest sequence (pooling 'position': the positions with weights).",
        advanced=True,
    )
    mask_ratio: float = setting(
        0.15,
        low=0.0,
        high=0.9,
        doc="Mask ratio: share of the letters masked in training, to be predicted from the others."
        " 0: nothing is learned from letters alone.",
    )
    dropout_rate: float = setting(
        0.1, low=0.0, high=0.9, doc="Dropout rate of the layers in training.", advanced=True
    )
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.embedding_dim, self.num_heads, "embedding_dim")
        if self.alphabet_size > MOST_AS_ROWS:
            raise SettingError(
                f"are {self.alphabet_size:,} words, and this block reads each as a row of numbers.",
                fix="Take the block 'Sequence transformer' with token_embedding, or the letters.",
                where="sequences",
            )
        if self.reverse_complement != "off" and self.alphabet_size != 4:
            raise SettingError(
                f"is '{self.reverse_complement}', and an alphabet of {self.alphabet_size} letters"
                " has no other strand.",
                fix="Choose 'off'; proteins have one direction.",
                where="reverse_complement",
            )


@operator(title="Sequence embedding")
class SequenceEmbedding(ReadsLetters):
    """Learns a vector for each sequence: from its own letters, and from labels where known.

    Letters are rows of an alphabet: one-hot, or uniform where a letter is not told (N, X).
    ``h`` at each position, by one of two forms: conv, layers of ``relu(conv(x))`` (same-padded), or
    transformer, ``W letter + sinusoids(position)`` and pre-norm layers of self-attention.
    ``pooled`` is the mean of ``h`` over the sequence, an attention's or a position-weighted one;
    ``embedding = (pooled - centre) / scale``. Past the end nothing is read, heard or averaged: to
    how many positions a batch is padded changes nothing.

    Losses: with a key, ``mask_ratio`` of the told letters are chosen, 8 in 10 of these made
    untold, 1 another letter, 1 left; ``masked_letter_loss = -log p(letter)``, nats a letter, with
    ``p = softmax(log background + W h)``. Without a key the same positions of each sequence are
    masked, so that held-out sequences judge by letters that cannot be seen.
    ``label_loss`` is the cross-entropy, nats, of ``softmax(W embedding + b)`` over sequences whose
    label is not -1; without wired labels there are no classes and it is 0.

    ``filter_motifs`` are what the first filters of conv see, as frequencies of letters: of windows
    that excite a filter more than half as much as the most exciting one, among up to 1,024 of the
    sequences it was prepared with.

    Softens: nothing; the networks are smooth, and which letters are masked is drawn.
    Hard limit: as ``W`` of the classes grows, the probabilities become one-hot; ``class_labels``
    are the likeliest class at any size.
    Gradients: reach letters given as rows, ``background`` and all weights; not codes.
    Cost: conv, O(letters * kernel_size * embedding_dim^2) time. transformer, O(sequences * length^2
    * embedding_dim) time and O(sequences * num_heads * length^2) memory in training: of 128
    sequences of 512 letters, four heads, 0.5 GB a layer; otherwise pieces of 32,768 letters.
    Start: random kernels (He), the mean, letters as frequent as in ``background``, classes as among
    the known labels; ``centre`` is the mean of ``h`` over all positions, ``scale`` one deviation.

    References:
        Alipanahi et al. (2015), Predicting the sequence specificities of DNA- and RNA-binding
        proteins by deep learning, Nature Biotechnology 33 (DeepBind).
        Kelley et al. (2016), Basset, Genome Research 26 (motifs of filters).
        Ji et al. (2021), DNABERT, Bioinformatics 37; Devlin et al. (2019), BERT (masked letters).
        Vaswani et al. (2017), Attention is all you need.
    """

    Config = SequenceEmbeddingConfig
    inputs = (
        replace(SEQUENCES, also=("sequence",)),
        replace(BACKGROUND, optional=True),
        replace(LABELS, optional=True),
    )
    outputs = (
        Port(
            "embeddings",
            "sequences features",
            Kind.FEATURES,
            "A vector for each sequence.",
            also=("embedding",),
            result="obsm/X_sequence_diffbio",
            role=Role.LATENT,
        ),
        Port(
            "position_embeddings",
            "sequences positions channels",
            Kind.PARAMETER,
            "A vector for each position, 0 past the end; too large to be kept.",
        ),
        *CLASSES_OF_SEQUENCES,
        SALIENCY,
        *MOTIFS,
        Port("masked_letter_loss", "", Kind.LOSS, "-log p of masked letters, nats a letter."),
        Port("label_loss", "", Kind.LOSS, "Cross-entropy of sequences whose label is known."),
    )
    needs_training = learns_classes = True
    prepare_once = True
    prepare_cells = 4096
    example = {"embedding_dim": 8, "num_heads": 2, "n_layers": 1, "kernel_size": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        config, width = self.config, self.config.embedding_dim
        self.encoder = encoder_of(config, rngs)
        self.pooling = pooling_of(config, rngs)
        self.letters = quiet_linear(width, config.alphabet_size, rngs=rngs)
        if config.n_classes:
            self.classes = ClassHead(width, config.n_classes, buffer=Buffer, rngs=rngs)
        self.centre, self.scale = Buffer(jnp.zeros(width)), Buffer(jnp.ones(width))
        # Sequences of a person: they are in no bundle.
        self.seen = TrainingBuffer(jnp.full((1, 1), PAST_THE_END, jnp.uint8))

    def prepare(self, sequences: np.ndarray, labels: np.ndarray | None = None) -> None:
        # Once: the classes have learned to read the embedding as it was scaled.
        pooled, mean, deviation = map(np.asarray, _measured(self, jnp.asarray(sequences)))
        put(self.centre, mean)
        self.seen = TrainingBuffer(jnp.asarray(some_to_read(sequences)))
        # One for all: a channel that is silent at the start would be blown up when it speaks.
        scale = max(float(np.sqrt(np.mean(deviation**2))), 1e-3)
        put(self.scale, np.full(len(mean), scale))
        if self.config.n_classes:
            self.classes.begin((pooled - mean) / scale, labels)

    def __call__(
        self,
        sequences: jax.Array,
        background: jax.Array | None = None,
        labels: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        rows, mask = letters_of(sequences, self.config.alphabet_size)
        drop = hide = None
        if key is not None:
            strand, hide, drop, last = jax.random.split(key, 4)
            if self.config.reverse_complement == "augment":
                other = jax.random.bernoulli(strand, 0.5, (len(rows), 1, 1))
                rows = jnp.where(other, reverse_complement(rows, mask), rows)
        pooled, positions = self._read(rows, mask, drop)
        embeddings = (pooled - self.centre[...]) / self.scale[...]
        found = {
            "embeddings": embeddings,
            "position_embeddings": positions,
            "masked_letter_loss": self._letter_loss(rows, mask, background, hide),
            "label_loss": jnp.zeros((), rows.dtype),
            "letter_saliency": letter_saliency(
                lambda rows, mask: self._telling(rows, mask, background),
                rows,
                mask,
                _LETTERS_AT_ONCE // rows.shape[1],
            ),
        }
        if self.config.method == "conv":
            seen, there = letters_of(self.seen[...], self.config.alphabet_size)
            found["filter_motifs"], found["filter_windows"] = filter_motifs(
                self.encoder.excited(seen, there), seen, there, self.config.kernel_size
            )
        if self.config.n_classes:
            rate = self.config.dropout_rate
            log_shares = self.classes(embeddings, rate, None if key is None else last)
            found |= told_classes(log_shares, labels)
        return found

    def _read(
        self, rows: jax.Array, mask: jax.Array, drop: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Pooled vectors (N, E) and those of positions (N, L, E), of one strand or of both."""
        rate, how = self.config.dropout_rate, self.config.reverse_complement
        both = how == "tie" or (how == "augment" and drop is None)

        def read(rows: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
            x = self.encoder(rows, mask, rate, drop)
            if not both:
                return self.pooling(x, mask), x
            y = self.encoder(reverse_complement(rows, mask), mask, rate, drop)
            pooled = (self.pooling(x, mask) + self.pooling(y, mask)) / 2
            return pooled, (x + turned_round(y, mask)) / 2

        if drop is not None:
            return read(rows, mask)
        at_once = max(1, _LETTERS_AT_ONCE // rows.shape[1])
        return in_pieces(read, (rows, mask), at_once)

    def _telling(self, rows: jax.Array, mask: jax.Array, background: jax.Array | None) -> jax.Array:
        """What letters speak for: the class of a sequence, else its letters that are masked."""
        if not self.config.n_classes:
            truth = jax.lax.stop_gradient(rows)
            return -self._letter_loss(rows, mask, background, None, truth)
        pooled, _ = self._read(rows, mask, None)
        return class_margin(self.classes((pooled - self.centre[...]) / self.scale[...]))

    def _letter_loss(
        self,
        rows: jax.Array,
        mask: jax.Array,
        background: jax.Array | None,
        key: jax.Array | None,
        truth: jax.Array | None = None,
    ) -> jax.Array:
        if not self.config.mask_ratio:
            return jnp.zeros((), rows.dtype)
        visible, chosen = hidden_letters(rows, mask, self.config.mask_ratio, key)
        if key is None:
            _, positions = self._read(visible, mask, None)
        else:
            positions = self.encoder(visible, mask, self.config.dropout_rate, key)
        logits = self.letters(positions)
        if background is not None:
            logits = logits + jnp.log(jnp.maximum(background, 1e-6))
        return letter_cross_entropy(logits, rows if truth is None else truth, chosen)


@nnx.jit
def _measured(block: SequenceEmbedding, sequences: jax.Array) -> tuple[jax.Array, ...]:
    """Pooled vectors (N, E); mean and deviation over all positions of what stands there, (E,)."""
    rows, mask = letters_of(sequences, block.config.alphabet_size)
    pooled, x = block._read(rows, mask, None)
    n = jnp.maximum(jnp.sum(mask), 1.0)
    mean = jnp.sum(x, axis=(0, 1)) / n
    squares = jnp.sum(mask[..., None] * (x - mean) ** 2, axis=(0, 1))
    return pooled, mean, jnp.sqrt(squares / n)
