"""Sequences as vectors by a transformer: pre-trained on masked letters, fine-tuned on labels."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    CLASSES_OF_SEQUENCES,
    LABELS,
    SALIENCY,
    SEQUENCES,
    Buffer,
    Kind,
    Port,
    ReadsLetters,
    Role,
    operator,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._floors import (
    FLOORS,
    letter_floors,
)
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._settings import (
    EncoderSettings,
)
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._word_saliency import (
    MOST_LETTERS,
    saliency_of_letters,
    word_gradient,
)
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._words import (
    Words,
    measured,
    words_of,
)
from diffbio_engine.parts.class_head import ClassHead, told_classes
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.dense_networks import quiet_linear
from diffbio_engine.parts.in_pieces import in_pieces
from diffbio_engine.parts.letter_saliency import class_margin, letter_saliency
from diffbio_engine.parts.letters import letters_of
from diffbio_engine.parts.transformer_stack import TransformerStack, sinusoids
from diffbio_engine.ports.alphabets import width_for

# Letters that are read at a time where nothing is learned: memory stays some hundred MB.
_LETTERS_AT_ONCE = 32_768


class TransformerSequenceEncoderConfig(EncoderSettings):
    """Settings of the sequence transformer."""


@operator(title="Sequence transformer")
class TransformerSequenceEncoder(ReadsLetters):
    """Learns a vector for each sequence: pre-trained on masked letters, fine-tuned on labels.

    ``x = W word + sinusoids(position)``, after a learned token ``[CLS]`` where the pooling is cls;
    then pre-norm layers of self-attention and a last normalisation: ``torch.nn.TransformerEncoder``
    with ``norm_first=True``, ``activation="gelu"``. A word is a letter, as a row (one-hot, or
    uniform where it is not told: N, X), or ``kmer_size`` letters from each position on, or an id.
    A word with a letter that is not told has one vector, that of hidden words. ``embedding =
    (pooled - centre) / scale``. Past the end, and where ``attention_mask`` is 0, nothing is read,
    heard or averaged: to how many positions a batch is padded changes nothing.

    Losses: ``mlm_loss = -log p(word)`` of masked words, nats a word, with ``p = softmax(log
    frequency + W h)``. With a key ``mask_ratio`` of the told words are chosen, 8 in 10 hidden, 1
    another word, 1 left (BERT); without one the same positions of each sequence, all hidden, so
    that it judges. Overlapping words are masked in spans of ``kmer_size``: each span hides one
    letter whole. ``mlm_logits`` and ``mlm_mask`` are of that pass. ``label_loss`` is the
    cross-entropy, nats, of ``softmax(W embedding + b)`` over sequences whose label is not -1;
    without wired labels there are no classes and it is 0.

    ``letter_saliency`` of words: of each letter, in all the words of letters that it stands in.

    Softens: nothing; the networks are smooth, and which words are masked is drawn.
    Hard limit: as ``W`` of the classes grows, the probabilities become one-hot; ``class_labels``
    are the likeliest class at any size.
    Gradients: reach letters given as rows (``linear``) and all weights; not codes, words, ids. The
    token in front hears of masked words nothing but through the layers that it shares with them.
    Cost: O(sequences * length^2 * hidden_dim) time and O(sequences * num_heads * length^2) memory
    in training: of 128 sequences of 512 letters, four heads, 0.5 GB a layer; otherwise pieces of
    32,768 letters. Logits of words: O(letters * words).
    Start: words as frequent as in the data, classes as among the known labels; ``centre`` is the
    mean over all positions, ``scale`` one deviation.

    References:
        Ji et al. (2021), DNABERT, Bioinformatics 37 (overlapping words, masked in spans).
        Devlin et al. (2019), BERT: pre-training of deep bidirectional transformers.
        Chen et al. (2022), Interpretable RNA foundation model from unannotated data (RNA-FM).
        Vaswani et al. (2017), Attention is all you need.
    """

    Config = TransformerSequenceEncoderConfig
    inputs = (
        replace(SEQUENCES, also=("sequence",)),
        Port(
            "attention_mask",
            "sequences positions",
            Kind.INDEX,
            "1 where a position is read, 0 where not; without it, all that are there.",
            optional=True,
        ),
        replace(LABELS, optional=True),
    )
    outputs = (
        Port(
            "embeddings",
            "sequences features",
            Kind.FEATURES,
            "A vector for each sequence.",
            result="obsm/X_sequence_diffbio",
            role=Role.LATENT,
        ),
        Port(
            "token_embeddings",
            "sequences positions channels",
            Kind.PARAMETER,
            "A vector for each position, 0 past the end; too large to be kept.",
        ),
        *CLASSES_OF_SEQUENCES,
        Port(
            "mlm_logits",
            "sequences positions words",
            Kind.PARAMETER,
            "Logits of the words at each position, some of which were hidden.",
        ),
        Port(
            "mlm_mask",
            "sequences positions",
            Kind.PARAMETER,
            "1 where a word was to be predicted.",
        ),
        SALIENCY,
        *FLOORS,
        Port("mlm_loss", "", Kind.LOSS, "-log p of masked words, nats a word."),
        Port("label_loss", "", Kind.LOSS, "Cross-entropy of sequences whose label is known."),
    )
    needs_training = learns_classes = True
    prepare_once = True
    prepare_cells = 4096
    # One class, as between several that begin alike the likeliest changes with any step.
    example = {"hidden_dim": 8, "num_heads": 2, "num_layers": 1, "n_classes": 1}

    def setup(self, rngs: nnx.Rngs) -> None:
        config, width = self.config, self.config.hidden_dim
        small = nnx.initializers.normal(0.5)
        self.input_projection: nnx.Linear | nnx.Embed
        if config.input_embedding_type == "linear":
            self.input_projection = nnx.Linear(config.alphabet_size, width, rngs=rngs)
        else:  # one more, for what is hidden or not told
            self.input_projection = nnx.Embed(
                config.n_words + 1, width, embedding_init=small, rngs=rngs
            )
        self.cls_token = (
            nnx.Param(small(rngs.params(), (width,))) if config.pooling == "cls" else None
        )
        hidden = config.intermediate_dim or 4 * width
        self.transformer = TransformerStack(
            width, config.num_heads, hidden, config.num_layers, rngs=rngs
        )
        self.mlm_head = quiet_linear(width, config.n_words, rngs=rngs)
        self.log_frequency = Buffer(jnp.full(config.n_words, -np.log(config.n_words)))
        if config.n_classes:
            self.classes = ClassHead(width, config.n_classes, buffer=Buffer, rngs=rngs)
        self.floors = Buffer(jnp.full(2, np.log(config.n_words)))
        self.centre, self.scale = Buffer(jnp.zeros(width)), Buffer(jnp.ones(width))

    def prepare(
        self,
        sequences: np.ndarray,
        attention_mask: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        # Once: the classes have learned to read the embedding as it was scaled.
        given = None if attention_mask is None else jnp.asarray(attention_mask)
        found = measured(self, jnp.asarray(sequences), given)
        pooled, mean, deviation, counts = map(np.asarray, found)
        put(self.log_frequency, np.log((counts + 1.0) / (counts + 1.0).sum()))
        put(self.centre, mean)
        if self._reads_letters:
            put(self.floors, np.array(letter_floors(sequences, self.config.alphabet_size)))
        # One for all: a channel that is silent at the start would be blown up when it speaks.
        scale = max(float(np.sqrt(np.mean(deviation**2))), 1e-3)
        put(self.scale, np.full(len(mean), scale))
        if self.config.n_classes:
            self.classes.begin((pooled - mean) / scale, labels)

    def __call__(
        self,
        sequences: jax.Array,
        attention_mask: jax.Array | None = None,
        labels: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        config, rate = self.config, self.config.dropout_rate
        self._check_length(sequences.shape[1])
        hide = drop = last = again = None
        if key is not None:
            hide, drop, again, last = jax.random.split(key, 4)
        words = words_of(sequences, attention_mask, config)
        pooled, positions = self._read(words.values, words.mask, drop)
        embeddings = (pooled - self.centre[...]) / self.scale[...]
        heard, chosen = positions, jnp.zeros_like(words.mask)
        if config.mask_ratio:
            heard, chosen = self._hidden(words, hide, again)
        logits = self.mlm_head(heard) + self.log_frequency[...]
        found = {
            "embeddings": embeddings,
            "token_embeddings": positions,
            "mlm_logits": logits,
            "mlm_mask": chosen,
            "mlm_loss": words.cross_entropy(logits, chosen),
            "label_loss": jnp.zeros((), embeddings.dtype),
        }
        if config.n_classes:
            log_shares = self.classes(embeddings, rate, last)
            found |= told_classes(log_shares, labels)
        if self._reads_letters:
            found["entropy_alone"], found["entropy_beside"] = self.floors[...]
            at_once = _LETTERS_AT_ONCE // words.mask.shape[1]
            found["letter_saliency"] = letter_saliency(
                self._telling, words.values, words.mask, at_once
            )
        elif config.vocab_size is None and config.alphabet_size <= MOST_LETTERS:
            found["letter_saliency"] = self._saliency_of_words(sequences, words)
        return found

    def get_positional_encoding(self, seq_len: int) -> jax.Array:
        """Sinusoids of the first positions, (seq_len, hidden_dim)."""
        return sinusoids(jnp.arange(seq_len, dtype=float), self.config.hidden_dim)

    @property
    def _reads_letters(self) -> bool:
        return self.config.input_embedding_type == "linear"

    @property
    def foundation_model(self) -> dict[str, str]:
        """Which model made the vectors, and of what."""
        config = self.config
        return {
            "model_family": "transformer_sequence_encoder",
            "artifact_id": config.artifact_id,
            "preprocessing_version": config.preprocessing_version,
            "adapter_mode": config.adapter_mode,
            "pooling_strategy": config.pooling,
        }

    def _hidden(
        self, words: Words, hide: jax.Array | None, drop: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Positions that have heard of the words that are not hidden, and which these are."""
        config = self.config
        ratio, span, first = config.mask_ratio, config.span, config.first_word
        visible, chosen = words.hidden(ratio, span, first, config.n_words, hide)
        return self._read(visible, words.mask, drop)[1], chosen

    def _telling(self, rows: jax.Array, mask: jax.Array) -> jax.Array:
        """What letters speak for: the class of a sequence, else its letters that are masked."""
        if self.config.n_classes:
            pooled, _ = self._read(rows, mask, None)
            return class_margin(self.classes((pooled - self.centre[...]) / self.scale[...]))
        words = words_of(rows, mask, self.config)
        heard, chosen = self._hidden(words, None, None)
        return -words.cross_entropy(self.mlm_head(heard) + self.log_frequency[...], chosen)

    def _saliency_of_words(self, sequences: jax.Array, words: Words) -> jax.Array:
        """The same for letters that are read as overlapping words."""
        config, shown, chosen = self.config, words.values, jnp.zeros_like(words.mask)
        if not config.n_classes and config.mask_ratio:
            shown, chosen = words.hidden(config.mask_ratio, config.span, 0, config.n_words, None)

        def score(x: jax.Array, mask: jax.Array, *said: jax.Array) -> jax.Array:
            pooled, positions = self._encode(x, mask, None)
            if config.n_classes:
                of_classes = self.classes((pooled - self.centre[...]) / self.scale[...])
                return class_margin(of_classes)
            ids, told, asked = said
            logits = self.mlm_head(positions) + self.log_frequency[...]
            return -Words(ids, ids, mask, told).cross_entropy(logits, asked)

        vectors, beside = self.input_projection(shown), (words.mask, words.ids, words.told, chosen)
        at_once = _LETTERS_AT_ONCE // words.mask.shape[1]
        gradient = word_gradient(score, vectors, beside, at_once)
        rows, _ = letters_of(sequences, config.alphabet_size)
        assert isinstance(self.input_projection, nnx.Embed)
        table = self.input_projection.embedding[...]
        return saliency_of_letters(gradient, shown, rows, table, config.kmer_size)

    def _encode(
        self, values: jax.Array, mask: jax.Array, drop: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Pooled vectors (N, E) and those of positions (N, L, E)."""
        given = values.ndim == 3 and not self._reads_letters  # vectors of words
        x = values if given else self.input_projection(values)
        if self.cls_token is not None:
            first = jnp.broadcast_to(self.cls_token[...], (len(x), 1, x.shape[-1]))
            x = jnp.concatenate([first.astype(x.dtype), x], axis=1)
            mask = jnp.pad(mask, ((0, 0), (1, 0)), constant_values=1.0)
        x = x + self.get_positional_encoding(x.shape[1])
        x = self.transformer.heard(x, mask, self.config.dropout_rate, drop)
        if self.cls_token is not None:
            return x[:, 0], x[:, 1:]
        return jnp.sum(x, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1.0)[:, None], x

    def _read(
        self, values: jax.Array, mask: jax.Array, drop: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """The same, in pieces where nothing is learned."""
        if drop is not None:
            return self._encode(values, mask, drop)
        at_once = max(1, _LETTERS_AT_ONCE // mask.shape[1])
        return in_pieces(lambda x, there: self._encode(x, there, None), (values, mask), at_once)

    def _check_length(self, length: int) -> None:
        most = width_for(self.config.max_length)
        if length > most:
            raise DataError(
                f"These sequences have up to {length} positions, and {most} at most are read:"
                " memory grows with the square.",
                fix=f"Raise max_length to {length}, or use shorter sequences.",
                where="max_length",
            )


def create_dna_encoder(
    *, rngs: nnx.Rngs | None = None, name: str | None = None, **settings: Any
) -> TransformerSequenceEncoder:
    """An encoder of DNA, letters in the order ACGT; settings by keyword."""
    config = TransformerSequenceEncoderConfig(**{"alphabet_size": 4, **settings})
    return TransformerSequenceEncoder(config, rngs=rngs, name=name)


def create_rna_encoder(
    *, rngs: nnx.Rngs | None = None, name: str | None = None, **settings: Any
) -> TransformerSequenceEncoder:
    """An encoder of RNA, letters in the order ACGU: the codes of DNA."""
    return create_dna_encoder(rngs=rngs, name=name, **settings)
