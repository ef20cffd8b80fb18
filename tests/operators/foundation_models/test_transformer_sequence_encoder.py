"""Sequence transformer: PyTorch's encoder with its weights, padding, words, what is masked."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.foundation_models import (
    TransformerSequenceEncoder,
    TransformerSequenceEncoderConfig,
    create_dna_encoder,
    create_rna_encoder,
)
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._floors import (
    letter_floors,
)
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._word_saliency import (
    saliency_of_letters,
)
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._words import words_of
from diffbio_engine.parts.letters import one_hot_letters
from diffbio_engine.parts.masked_letters import draw_masks
from tests.descent import descended
from tests.weights_of_pytorch import put_encoder, put_linear

# Made by make_transformer_sequence_encoder.py beside it.
REFERENCE = Path(__file__).parents[2] / "references/foundation_models"
WORDS = {"input_embedding_type": "token_embedding", "kmer_size": 3}


def encoder_of(seed=0, **settings):
    small = {"hidden_dim": 8, "num_heads": 2, "num_layers": 1}
    return create_dna_encoder(rngs=nnx.Rngs(seed), **{**small, **settings})


def random_codes(n, width, seed=0):
    codes = np.random.default_rng(seed).integers(0, 5, (n, width)).astype(np.uint8)
    for row in range(n):
        codes[row, width - 3 * row :] = 255
    return codes


# What a test does not look at need not be compiled: a block tells far more than its vectors.
@nnx.jit
def vectors(block, given):
    found, _, _ = block.apply(given, {}, None)
    return found["embeddings"], found["token_embeddings"]


@nnx.jit
def embedded(block, codes, key=None):
    return block(codes, key=key)["embeddings"]


@nnx.jit
def of_masked(block, codes):
    found = block(codes)
    return found["mlm_mask"], found["mlm_logits"], found["mlm_loss"]


def with_weights_of_pytorch(block, told):
    if block.config.input_embedding_type == "linear":
        put_linear(block.input_projection, told, "linear.")
    else:
        block.input_projection.embedding[...] = jnp.asarray(told["embedding.weight"])
    if block.cls_token is not None:
        block.cls_token[...] = jnp.asarray(told["cls_token"])
    put_encoder(block.transformer, told)
    return block


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("form", ["linear", "words"])
def test_the_whole_encoder_is_that_of_pytorch_with_its_weights(form, pooling):
    told = dict(np.load(REFERENCE / "transformer_sequence_encoder.npz"))
    settings = WORDS if form == "words" else {}
    block = encoder_of(num_layers=2, intermediate_dim=24, pooling=pooling, **settings)
    with_weights_of_pytorch(block, told)
    codes = told["codes"].astype(np.uint8)
    there = np.arange(11) < told["lengths"][:, None]
    found, _ = vectors(block, {"sequence": np.where(there, codes, 255)})
    np.testing.assert_allclose(found, told[f"{form} {pooling}"], atol=1e-5)
    # A mask says the same, and where it is 0 letters are as if they were not there.
    given = {"sequence": codes, "attention_mask": there.astype(int)}
    masked, at_positions = vectors(block, given)
    np.testing.assert_allclose(masked, found, atol=1e-6)
    assert not np.asarray(at_positions)[2, 4:].any()


@pytest.mark.parametrize("settings", [{}, {"pooling": "cls", **WORDS}], ids=["letters", "words"])
def test_to_how_many_positions_a_batch_is_padded_changes_nothing(settings):
    block, short = encoder_of(n_classes=2, **settings), random_codes(4, 24)
    long = np.full((4, 64), 255, np.uint8)
    long[:, :24] = short
    labels = np.array([0, 1, -1, 0])
    a, b = block(short, labels=labels), block(long, labels=labels)
    assert np.ptp(a["embeddings"], axis=0).min() > 1e-3  # it does tell them apart
    for name in a:
        mine, other = np.asarray(a[name]), np.asarray(b[name])
        if name in ("token_embeddings", "mlm_mask", "letter_saliency"):
            assert not other[:, 24:].any()
        if name.startswith(("token", "mlm_m", "mlm_log", "letter")):
            mine, other = mine[:, :13], other[:, :13]  # to the end of the shortest
        np.testing.assert_allclose(mine, other, atol=1e-6, err_msg=name)


def test_letters_rows_and_ids_are_read_alike_and_one_sequence_as_many():
    codes = random_codes(3, 20)
    rows, _ = one_hot_letters(jnp.asarray(codes), 4)
    for settings in ({}, WORDS):
        block = encoder_of(**settings)
        result, state, _ = block.apply({"sequences": codes}, {}, None)
        assert result["sequences"] is codes and state == {}
        by_rows, _ = vectors(block, {"sequences": rows})
        np.testing.assert_allclose(by_rows, result["embeddings"], atol=1e-6)
        one, at_positions = vectors(block, {"sequence": codes[1]})
        assert one.shape == (8,) and at_positions.shape == (20, 8)
        np.testing.assert_allclose(one, result["embeddings"][1], atol=1e-6)
    ids = words_of(jnp.asarray(codes), None, block.config)
    given = encoder_of(input_embedding_type="token_embedding", vocab_size=64)
    given.input_projection.embedding[...] = block.input_projection.embedding[...]
    given.transformer = block.transformer
    numbers = np.where(np.asarray(ids.mask) > 0, ids.ids, -1)
    by_ids, _ = vectors(given, {"sequences": numbers})
    np.testing.assert_allclose(by_ids, result["embeddings"], atol=1e-6)


def test_words_overlap_and_one_with_a_letter_that_is_not_told_is_one_of_its_kind():
    codes = np.array([[0, 1, 2, 3, 4, 0, 0, 0, 255, 255]], np.uint8)
    words = words_of(jnp.asarray(codes), None, encoder_of(**WORDS).config)
    np.testing.assert_array_equal(words.ids[0, :6], [6, 27, 64, 64, 64, 0])
    np.testing.assert_array_equal(words.mask[0], [1] * 6 + [0] * 4)
    np.testing.assert_array_equal(words.told[0], [1, 1, 0, 0, 0, 1, 0, 0, 0, 0])
    of_bert = encoder_of(input_embedding_type="token_embedding", vocab_size=300, special_tokens=5)
    words = words_of(jnp.asarray([[2, 255, 299, 300, 3, 0, 0]]), None, of_bert.config)
    np.testing.assert_array_equal(words.ids[0], [2, 255, 299, 300, 3, 300, 300])
    np.testing.assert_array_equal(words.mask[0], [1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(words.told[0], [0, 1, 1, 0, 0, 0, 0])


def test_marks_are_of_a_vocabulary_and_letters_have_none():
    letters = TransformerSequenceEncoderConfig(special_tokens=5)
    assert letters.first_word == 0 and letters.n_words == 4
    of_bert = {"input_embedding_type": "token_embedding", "vocab_size": 300}
    assert TransformerSequenceEncoderConfig(special_tokens=5, **of_bert).first_word == 5


@pytest.mark.parametrize("span", [1, 4])
def test_words_are_masked_in_the_shares_of_bert(span, key):
    told = np.ones((300, 200), bool)
    told[:, 150:] = False
    masks = [np.asarray(x) for x in draw_masks(jnp.asarray(told), 0.15, key, span)]
    chosen, hidden, other = masks
    assert not chosen[~told].any() and not (hidden & other).any() and not (hidden & ~chosen).any()
    assert chosen[told].mean() == pytest.approx(0.15, abs=0.012)
    # Of spans that overlap, the one that hides goes first: a little more than 8 in 10.
    assert hidden.sum() / chosen.sum() == pytest.approx(0.8, abs=0.02)
    assert other.sum() / chosen.sum() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("drawn", [True, False])
def test_each_stretch_of_hidden_words_hides_a_letter_whole(drawn, key):
    k, told = 3, jnp.ones((50, 60), bool)
    masks = draw_masks(told, 0.15, key if drawn else None, k)
    seen = ~np.asarray(masks.hidden)
    of_letters = np.zeros((50, 62), bool)
    for i in range(k):
        of_letters[:, i : i + 60] |= seen
    for row, letters in zip(~seen, ~of_letters, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]]).astype(int)))
        for begin, end in edges.reshape(-1, 2):
            assert letters[begin : end + k - 1].any()


def test_without_a_key_the_same_positions_judge_and_their_share_is_as_asked():
    codes = np.random.default_rng(0).integers(0, 4, (6, 400)).astype(np.uint8)
    block = encoder_of()
    mask, logits, loss = map(np.asarray, of_masked(block, codes))
    assert (mask == mask[0]).all() and mask.mean() == pytest.approx(0.15, abs=0.01)
    # Before training every letter is as likely as any other.
    assert float(loss) == pytest.approx(np.log(4), abs=1e-3)
    changed = np.where(mask > 0, (codes + 1) % 4, codes).astype(np.uint8)
    np.testing.assert_allclose(of_masked(block, changed)[1], logits, atol=1e-6)
    assert float(of_masked(encoder_of(mask_ratio=0), codes)[2]) == 0


def test_preparing_finds_how_often_words_are_and_classes_begin_as_frequent(key):
    codes = np.random.default_rng(0).choice(4, (30, 300), p=[0.6, 0.2, 0.1, 0.1]).astype(np.uint8)
    block = encoder_of(n_classes=2, **WORDS)
    labels = np.array([0] * 19 + [1] * 9 + [-1] * 2)
    block.prepare_from({"sequences": codes, "labels": labels}, key)
    found = block(codes, labels=labels)
    shares = np.array([20, 10]) / 30
    np.testing.assert_allclose(found["class_probabilities"], np.tile(shares, (30, 1)), atol=1e-3)
    often = jnp.exp(block.log_frequency[...])
    assert float(often[0]) == pytest.approx(0.6**3, abs=0.03) and float(
        often.sum()
    ) == pytest.approx(1)
    entropy = -3 * np.sum([p * np.log(p) for p in (0.6, 0.2, 0.1, 0.1)])
    assert float(found["mlm_loss"]) == pytest.approx(entropy, rel=0.08)


def test_dropout_acts_in_training_and_only_there(key):
    codes = random_codes(4, 20)
    lively, calm = encoder_of(dropout_rate=0.5), encoder_of(dropout_rate=0.0)
    still = embedded(lively, codes)
    np.testing.assert_array_equal(still, embedded(lively, codes))
    np.testing.assert_allclose(embedded(calm, codes, key), still, atol=1e-6)
    assert np.abs(embedded(lively, codes, key) - still).max() > 1e-2


def test_it_learns_of_masked_letters_what_single_letters_and_the_letters_before_cannot_tell(key):
    """Each sequence says its first half twice: a letter is told by the one 12 positions away."""
    rng = np.random.default_rng(1)
    half = rng.integers(0, 4, (512, 12)).astype(np.uint8)
    codes = np.concatenate([half, half], axis=1)
    block = encoder_of(hidden_dim=32, num_heads=4, n_classes=2)
    block = descended(block, codes, "mlm_loss", optax.adam(3e-3), steps=200, batch=64)
    new = rng.integers(0, 4, (200, 12)).astype(np.uint8)
    loss = float(of_masked(block, np.concatenate([new, new], axis=1))[2])
    # Single letters and their neighbours leave log 4 = 1.39 nats.
    assert loss < 0.8 < min(letter_floors(codes, 4)) - 0.5, loss

    # What was pre-trained is fine-tuned: the gradient of the labels reaches every layer.
    labels = (new[:, 0] > 1).astype(int)

    def fine_tuning(block):
        return block(np.concatenate([new, new], axis=1), labels=labels)["label_loss"]

    block.classes.linear.kernel[...] = jax.random.normal(key, (32, 2))
    gradients = nnx.jit(nnx.grad(fine_tuning))(block)
    for path, gradient in nnx.to_flat_state(nnx.state(gradients)):
        if "mlm_head" not in path:
            assert np.abs(gradient[...]).max() > 0, path


def test_of_a_chain_the_letters_beside_tell_and_of_independent_letters_they_do_not():
    random = np.random.default_rng(0)
    share = np.array([0.4, 0.3, 0.2, 0.1])
    drawn = random.choice(4, (200, 200), p=share).astype(np.uint8)
    alone, beside = letter_floors(drawn, 4)
    entropy = -np.sum(share * np.log(share))
    assert alone == pytest.approx(entropy, abs=0.01) and beside == pytest.approx(alone, abs=0.005)
    # In nine of ten steps the next letter of ACGT: of its neighbours, one alone tells 0.69 of it.
    moves = np.where(random.random((200, 200)) < 0.9, 1, random.integers(0, 4, (200, 200)))
    chain = (np.cumsum(moves, axis=1) % 4).astype(np.uint8)
    chain[:, 150:] = 255
    step = np.array([0.925, 0.025, 0.025, 0.025])
    alone, beside = letter_floors(chain, 4)
    assert alone == pytest.approx(np.log(4), abs=0.01)
    assert beside < -np.sum(step * np.log(step)) + 0.01  # both sides tell more than the one before
    assert letter_floors(np.full((4, 3), 255, np.uint8), 4) == (np.log(4), np.log(4))


def test_positions_are_sinusoids_and_the_token_in_front_is_there_if_it_is_asked():
    block = encoder_of()
    positions = np.asarray(block.get_positional_encoding(5))
    at, i = np.arange(5)[:, None], np.arange(4)[None]
    angle = at / 10_000 ** (2 * i / 8)
    np.testing.assert_allclose(positions[:, ::2], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(positions[:, 1::2], np.cos(angle), atol=1e-6)
    assert block.cls_token is None and encoder_of(pooling="cls").cls_token.shape == (8,)
    assert block.foundation_model["pooling_strategy"] == "mean"
    rna = create_rna_encoder(hidden_dim=8, num_heads=2, rngs=nnx.Rngs(0))
    assert isinstance(rna, TransformerSequenceEncoder) and rna.config.alphabet_size == 4


def test_what_cannot_be_is_said_in_words():
    for settings, words in (
        ({"hidden_dim": 10, "num_heads": 4}, "10 cannot be shared among 4 heads"),
        ({"kmer_size": 3}, "letters are read one by one"),
        ({"vocab_size": 30}, "Choose token_embedding"),
        ({"alphabet_size": 20, **WORDS, "kmer_size": 4}, "make 160,000 words"),
    ):
        with pytest.raises(SettingError, match=words):
            TransformerSequenceEncoderConfig(**settings)
    with pytest.raises(DataError, match="up to 64 positions, and 24 at most are read"):
        encoder_of(max_length=20)(random_codes(2, 64))
    with pytest.raises(DataError, match=r"\(sequences, positions, 4\) was expected"):
        encoder_of().apply({"sequences": np.zeros((2, 9, 5))}, {}, None)


def test_the_saliency_of_words_is_that_of_letters_where_words_have_one_and_adds_up_over_words():
    random = np.random.default_rng(0)
    table, gradient = random.normal(size=(17, 3)), random.normal(size=(1, 4, 3))
    rows_of = lambda codes: jax.nn.one_hot(jnp.asarray(codes), 4)[None]  # noqa: E731
    one = saliency_of_letters(
        jnp.asarray(gradient), jnp.array([[2, 0, 4, 1]]), rows_of([2, 0, -1, 1]),
        jnp.asarray(table[:5]), 1)  # fmt: skip
    centred = table[:4] - table[:4].mean(axis=0)
    expected = np.zeros((1, 4, 4))
    for p, letter in ((0, 2), (1, 0), (3, 1)):
        expected[0, p, letter] = gradient[0, p] @ centred[letter]
    np.testing.assert_allclose(one, expected, atol=1e-5)
    codes = np.array([[0, 3, 1, 2]])  # the words 03, 31, 12; none at the last position
    two = saliency_of_letters(
        jnp.asarray(gradient), jnp.array([[3, 13, 6, 16]]), rows_of(codes[0]),
        jnp.asarray(table), 2)  # fmt: skip
    of = table[:16].reshape(4, 4, 3)
    second = gradient[0, 1] @ (of[3, 1] - of[:, 1].mean(axis=0))  # the 3 that begins 31
    second += gradient[0, 0] @ (of[0, 3] - of[0].mean(axis=0))  # and ends 03
    np.testing.assert_allclose(two[0, 1], [0, 0, 0, second], atol=1e-5)


@pytest.mark.parametrize("n_classes", [0, 3])
def test_words_of_one_letter_are_as_salient_as_letters_given_as_rows(n_classes):
    rows, words = (
        encoder_of(n_classes=n_classes, dropout_rate=0.0, input_embedding_type=how)
        for how in ("linear", "token_embedding")
    )
    random = np.random.default_rng(0)
    for variable in jax.tree.leaves(
        nnx.state(rows, nnx.Param), is_leaf=lambda v: isinstance(v, nnx.Variable)
    ):
        variable[...] = jnp.asarray(random.normal(size=variable[...].shape), jnp.float32)
    parts = ["transformer", "mlm_head", *(["classes"] if n_classes else [])]
    for part in parts:
        nnx.update(getattr(words, part), nnx.state(getattr(rows, part)))
    given = rows.input_projection
    vectors = given.kernel[...] + given.bias[...]
    # What is hidden is a uniform row of letters, and a word of its own.
    vectors = jnp.concatenate([vectors, vectors.mean(axis=0, keepdims=True)])
    words.input_projection.embedding[...] = vectors
    codes = random.integers(0, 4, (3, 12)).astype(np.uint8)
    of_rows, of_words = (nnx.jit(lambda b: b(codes)["letter_saliency"])(b) for b in (rows, words))
    assert float(jnp.abs(of_rows).max()) > 0.01
    np.testing.assert_allclose(of_words, of_rows, rtol=1e-3, atol=1e-4)
