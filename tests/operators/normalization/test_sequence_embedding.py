"""Sequence embedding: letters and strands, padding, PyTorch's transformer, what is masked."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.data.writers.motif_file import write_motifs
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.normalization import SequenceEmbedding, SequenceEmbeddingConfig
from diffbio_engine.operators.normalization.sequence_embedding._letters import reverse_complement
from diffbio_engine.operators.normalization.sequence_embedding._sequence_encoders import (
    Transformer,
)
from diffbio_engine.parts.letters import one_hot_letters
from diffbio_engine.parts.masked_letters import hidden_letters
from diffbio_engine.ports.alphabets import DNA
from tests.weights_of_pytorch import put_encoder

REFERENCE = Path(__file__).parents[2] / "references/normalization/sequence_embedding.npz"
LETTERS = "ACGTN"


def block_of(seed=0, **settings):
    config = SequenceEmbeddingConfig(**{"embedding_dim": 8, "num_heads": 2, **settings})
    return SequenceEmbedding(config, rngs=nnx.Rngs(seed))


def moved(block):
    """With weights of pooling that are not nothing."""
    for name in {"query", "place", "weights"} & set(vars(block.pooling)):
        weights = getattr(block.pooling, name)
        weights[...] = jax.random.normal(jax.random.key(3), weights.shape)
    return block


def codes_of(*texts, width=0):
    width = width or max(map(len, texts))
    rows = [[LETTERS.index(c) for c in text] + [255] * (width - len(text)) for text in texts]
    return np.array(rows, np.uint8)


def random_codes(n, width, seed=0):
    codes = np.random.default_rng(seed).integers(0, 5, (n, width)).astype(np.uint8)
    for row in range(n):
        codes[row, width - 3 * row :] = 255
    return codes


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "conv", "pooling": "attention", "reverse_complement": "tie", "n_layers": 1},
        {"method": "conv", "pooling": "position", "max_length": 128, "kernel_size": 4},
        {"method": "transformer", "pooling": "attention", "n_layers": 1},
    ],
    ids=lambda s: f"{s['method']} {s['pooling']}",
)
def test_to_how_many_positions_a_batch_is_padded_changes_nothing(settings):
    block, short = moved(block_of(n_classes=2, **settings)), random_codes(5, 64)
    long = np.full((5, 128), 255, np.uint8)
    long[:, :64] = short
    labels = np.array([0, 1, 1, -1, 0])
    with jax.enable_x64(True):  # so that it is no question of rounding
        a, b = block(short, labels=labels), block(long, labels=labels)
    assert np.ptp(a["embeddings"], axis=0).min() > 1e-3  # it does tell them apart
    along = {"position_embeddings", "letter_saliency"}
    for name in set(a) - along:
        np.testing.assert_allclose(a[name], b[name], atol=1e-9, err_msg=name)
    for name in along:
        positions = np.asarray(b[name])
        np.testing.assert_allclose(a[name], positions[:, :64], atol=1e-9)
        assert not positions[:, 64:].any() and not positions[4, 52:].any()


def test_the_documented_example_runs_on_one_hot_letters():
    config = SequenceEmbeddingConfig(alphabet_size=4, max_length=100, embedding_dim=64, n_layers=2)
    seq_embed = SequenceEmbedding(config, rngs=nnx.Rngs(42))
    codes = random_codes(5, 50)
    rows, _ = one_hot_letters(jnp.asarray(codes), 4)
    result, state, _ = seq_embed.apply({"sequences": rows}, {}, None)
    assert result["embeddings"].shape == (5, 64) and result["sequences"] is rows and state == {}
    np.testing.assert_array_equal(result["embedding"], result["embeddings"])
    by_codes, _, _ = seq_embed.apply({"sequences": codes}, {}, None)
    np.testing.assert_allclose(by_codes["embeddings"], result["embeddings"], atol=1e-6)
    for one in (rows[1], codes[1]):
        single, _, _ = seq_embed.apply({"sequence": one}, {}, None)
        assert single["embedding"].shape == (64,)
        assert single["position_embeddings"].shape == (50, 64)
        np.testing.assert_allclose(single["embedding"], result["embeddings"][1], atol=1e-6)


def test_letters_are_one_hot_and_uniform_where_they_are_not_told():
    rows, there = one_hot_letters(jnp.asarray(codes_of("GN", width=3)), 4)
    np.testing.assert_array_equal(rows[0], [[0, 0, 1, 0], [0.25] * 4, [0] * 4])
    np.testing.assert_array_equal(there[0], [1, 1, 0])


def test_a_convolution_is_that_of_flax_and_its_mean_is_the_embedding_before_training():
    for pooling in ("mean", "attention", "position"):
        block = block_of(pooling=pooling, n_layers=1, kernel_size=4)
        codes = random_codes(4, 20)
        rows, there = one_hot_letters(jnp.asarray(codes), 4)
        conv = nnx.Conv(4, 8, (4,), padding="SAME", rngs=nnx.Rngs(9))
        conv.kernel[...] = block.encoder.layers[0].kernel[...]
        expected = nnx.relu(conv(rows)) * there[..., None]
        found = block(codes)
        np.testing.assert_allclose(found["position_embeddings"], expected, atol=1e-6)
        mean = expected.sum(axis=1) / there.sum(axis=1)[:, None]
        np.testing.assert_allclose(found["embeddings"], mean, atol=1e-4)


def test_the_transformer_is_that_of_pytorch_with_its_weights():
    told = dict(np.load(REFERENCE))
    model = Transformer(4, 8, 2, 2, rngs=nnx.Rngs(0))
    put_encoder(model, told)
    there = told["there"].astype(np.float32)
    found = nnx.jit(lambda model, x, mask: model.heard(x, mask, 0.0, None))(
        model, told["tokens"], there
    )
    np.testing.assert_allclose(found[told["there"]], told["output"][told["there"]], atol=1e-5)


def test_reading_in_pieces_is_reading_at_once(monkeypatch):
    from diffbio_engine.operators.normalization import sequence_embedding

    codes = random_codes(7, 24)
    whole = block_of(method="transformer", n_layers=1)(codes)
    monkeypatch.setattr(sequence_embedding, "_LETTERS_AT_ONCE", 48)
    pieces = block_of(method="transformer", n_layers=1, seed=0)(np.concatenate([codes, codes]))
    np.testing.assert_allclose(pieces["embeddings"][:7], whole["embeddings"], atol=1e-5)


def test_tied_strands_are_one_and_the_other_strand_is_read_from_its_own_end():
    here, other = codes_of("GATTACAN", width=12), codes_of("NTGTAATC", width=12)
    rows, mask = one_hot_letters(jnp.asarray(here), 4)
    expected, _ = one_hot_letters(jnp.asarray(other), 4)
    np.testing.assert_array_equal(reverse_complement(rows, mask), expected)
    tied = moved(block_of(reverse_complement="tie"))
    np.testing.assert_allclose(tied(here)["embeddings"], tied(other)["embeddings"], atol=1e-6)
    free = moved(block_of())
    assert np.abs(free(here)["embeddings"] - free(other)["embeddings"]).max() > 1e-3


def test_letters_are_masked_as_bert_does_and_never_those_that_nobody_knows(key):
    codes = random_codes(40, 200)
    codes[:, :150] = codes[:, :150].astype(int) % 4
    rows, mask = one_hot_letters(jnp.asarray(codes), 4)
    shown, chosen = (np.asarray(x) for x in hidden_letters(rows, mask, 0.5, key))
    told = np.asarray(codes) < 4
    assert not chosen[~told].any() and chosen[told].mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_array_equal(shown[chosen == 0], np.asarray(rows)[chosen == 0])
    of_chosen, truth = shown[chosen == 1], np.asarray(rows)[chosen == 1]
    untold = (of_chosen == 0.25).all(axis=1)
    assert untold.mean() == pytest.approx(0.8, abs=0.03)
    # One in ten is drawn at random, and so a quarter of these is the letter itself.
    same = (of_chosen == truth).all(axis=1)
    assert same.mean() == pytest.approx(0.125, abs=0.03)


def test_before_training_letters_are_as_frequent_as_in_the_background(key):
    background = np.array([0.4, 0.1, 0.1, 0.4])
    codes = np.random.default_rng(0).choice(4, (60, 80), p=background).astype(np.uint8)
    found = block_of()(codes, background=background, key=key)
    entropy = -np.sum(background * np.log(background))
    assert float(found["masked_letter_loss"]) == pytest.approx(entropy, abs=0.06)


def test_letters_are_salient_where_they_move_the_class_and_nowhere_past_the_end():
    block, codes = (
        moved(block_of(n_classes=2, n_layers=1, kernel_size=3)),
        codes_of("ACGTNA", width=8),
    )
    block.classes.linear.kernel[...] = jax.random.normal(jax.random.key(1), (8, 2))
    found = np.asarray(block(codes)["letter_saliency"])[0]
    rows, _ = one_hot_letters(jnp.asarray(codes), 4)
    there = np.asarray(rows[0]) == 1
    assert found[there].all() and not found[~there].any()

    # Against every letter at its chance, to first order: small steps towards it move the margin.
    def margin(rows):
        shares = np.asarray(block(rows)["class_probabilities"])[0]
        return abs(np.log(shares[0] / shares[1]))

    step = 1e-2
    for at in (0, 3):
        letter = jnp.full(4, 0.25) - rows[0, at]
        moved_rows = [rows.at[0, at].add(sign * step * letter) for sign in (1, -1)]
        slope = (margin(moved_rows[0]) - margin(moved_rows[1])) / (2 * step)
        assert -slope == pytest.approx(found[at].sum(), rel=0.05, abs=1e-3)


def test_only_known_labels_are_learned_from_and_classes_begin_as_frequent_as_they_are(key):
    block, codes = block_of(n_classes=3), random_codes(6, 30)
    labels = np.array([0, 0, 0, -1, 2, -1])
    block.prepare_from({"sequences": codes, "labels": labels}, key)
    found = block(codes, labels=labels)
    shares = np.array([4, 1, 2]) / 7
    np.testing.assert_allclose(found["class_probabilities"], np.tile(shares, (6, 1)), atol=1e-3)
    expected = -np.mean(np.log(shares[[0, 0, 0, 2]]))
    assert float(found["label_loss"]) == pytest.approx(expected, abs=1e-3)
    assert float(block(codes, labels=np.full(6, -1))["label_loss"]) == 0
    assert "class_probabilities" not in block_of()(codes)


def test_preparing_measures_in_deviations_of_positions_and_a_refresh_leaves_that(key):
    block, codes = block_of(), random_codes(20, 64)
    before = block(codes)
    block.prepare_from({"sequences": codes}, key)
    at_positions = np.asarray(before["position_embeddings"])[codes != 255]
    scale = np.sqrt(at_positions.var(axis=0).mean())
    expected = (before["embeddings"] - at_positions.mean(axis=0)) / scale
    np.testing.assert_allclose(block(codes)["embeddings"], expected, rtol=1e-3, atol=1e-4)
    centre = np.array(block.centre[...])
    block.prepare_from({"sequences": codes[:3]}, key, first=False)
    np.testing.assert_array_equal(block.centre[...], centre)


def test_gradients_reach_rows_of_letters_and_the_background(key):
    rows, _ = one_hot_letters(jnp.asarray(random_codes(3, 16)), 4)
    block = block_of(n_layers=1)

    def objective(rows, background):
        found = block(rows, background=background, key=key)
        return found["masked_letter_loss"] + jnp.sum(found["embeddings"] ** 2)

    gradients = jax.jit(jax.grad(objective, (0, 1)))(rows, jnp.full(4, 0.25))
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)


def test_what_cannot_be_is_said_in_words():
    with pytest.raises(SettingError, match="10 cannot be shared among 4 heads"):
        SequenceEmbeddingConfig(embedding_dim=10)
    with pytest.raises(SettingError, match="an alphabet of 20 letters has no other strand"):
        SequenceEmbeddingConfig(alphabet_size=20, reverse_complement="tie")
    short = block_of(pooling="position", max_length=20)
    with pytest.raises(DataError, match="up to 64 positions, and only 24 have weights"):
        short(random_codes(2, 64))
    with pytest.raises(DataError, match=r"\(sequences, positions, 4\) was expected"):
        block_of().apply({"sequences": np.zeros((2, 9, 5))}, {}, None)


def test_a_motif_that_excites_a_filter_is_read_from_it_and_goes_home_as_meme(tmp_path):
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (200, 40)).astype(np.uint8)
    motif = np.array([2, 0, 3, 3, 0, 1, 0])  # GATTACA
    at = random.integers(0, 33, 200)
    for row, start in zip(codes, at, strict=True):
        row[start : start + 7] = motif
    block = SequenceEmbedding(
        SequenceEmbeddingConfig(embedding_dim=8, num_heads=2, kernel_size=7), rngs=nnx.Rngs(0)
    )
    block.prepare_from({"sequences": codes}, jax.random.key(0))
    first = block.encoder.layers[0]
    kernel = np.zeros((7, 4, 8), np.float32)
    kernel[np.arange(7), motif, 3] = 1.0  # one filter sees the motif, the others see nothing
    first.kernel[...], first.bias[...] = jnp.asarray(kernel), jnp.full(8, -5.0)
    found = block(codes[:2])
    motifs, windows = np.asarray(found["filter_motifs"]), np.asarray(found["filter_windows"])
    assert motifs.shape == (8, 7, 4) and windows[0] >= 200 and not windows[1:].any()
    np.testing.assert_array_equal(motifs[0].argmax(axis=1), motif)
    np.testing.assert_allclose(motifs.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(motifs[1:], 0.25)
    counts = np.zeros((7, 4))  # by hand: windows with more than half of the largest score
    for row in codes:
        scores = np.array([(row[i : i + 7] == motif).sum() - 5.0 for i in range(34)])
        for i in np.flatnonzero(scores > 1.0):
            counts[np.arange(7), row[i : i + 7]] += 1
    np.testing.assert_allclose(motifs[0], counts / counts.sum(axis=1, keepdims=True), atol=1e-5)
    write_motifs(motifs, windows, DNA, np.full(4, 0.25), tmp_path / "m.meme")
    text = (tmp_path / "m.meme").read_text()
    assert text.count("MOTIF ") == 1 and f"w= 7 nsites= {int(windows[0])}" in text
    home = np.array([line.split() for line in text.splitlines()[-7:]], float)
    np.testing.assert_allclose(home, motifs[0], atol=1e-6)
