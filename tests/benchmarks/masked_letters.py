"""Masked letters that were not trained on: the sequence transformer's, and what counting tells.

Cross-entropy in nats a letter, of a fifth of the sequences that is never seen: splice junctions
(2,200 of 60 bp), and simulated sequences that say 12 random letters twice. Beside it the floors of
the block: letters alone, and the best of contexts of one to five letters before or one to three on
both sides. Words of three letters: nats a masked word, of which one letter a stretch is unknown.
``--long N`` trains on the splice junctions alone for N steps and tells how it goes: a tenth of the
sequences that are trained on is put aside, and says which step is best.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from learn_from_sequences import read

from diffbio_engine.operators.foundation_models import create_dna_encoder
from diffbio_engine.operators.foundation_models.transformer_sequence_encoder._floors import (
    letter_floors,
)
from diffbio_engine.parts.masked_letters import draw_masks


def repeats(n=2200):
    half = np.random.default_rng(0).integers(0, 4, (n, 12)).astype(np.uint8)
    return np.concatenate([half, half], axis=1)


def trained(codes, steps, look=None, **settings):
    """Pre-trained on masked letters alone; ``look(steps so far, block)`` is called meanwhile."""
    block = create_dna_encoder(rngs=nnx.Rngs(0), **settings)
    block.prepare_from({"sequences": codes}, jax.random.key(1))
    optimizer = nnx.Optimizer(block, optax.adam(2e-3), wrt=nnx.Param)

    @nnx.jit
    def step(block, optimizer, codes, key):
        _, gradient = nnx.value_and_grad(lambda b: b(codes, key=key)["mlm_loss"])(block)
        optimizer.update(block, gradient)

    random = np.random.default_rng(2)
    for i in range(steps):
        rows = random.integers(0, len(codes), 64)
        step(block, optimizer, codes[rows], jax.random.fold_in(jax.random.key(3), i))
        if look:
            look(i + 1, block)
    return block


def counted(learn, test, before, after, ratio=0.15):
    """Nats of the masked letters of ``test`` by those beside them, counted in ``learn``."""
    width = before + 1 + after

    def contexts(codes):
        windows = np.lib.stride_tricks.sliding_window_view(codes, width, axis=1)
        context = np.zeros(windows.shape[:2], int)
        for i in (i for i in range(width) if i != before):
            context = context * 4 + np.minimum(windows[..., i], 3)
        return context, windows[..., before], (windows < 4).all(axis=-1)

    context, letter, told = contexts(learn)
    counts = np.ones((4 ** (width - 1), 4))
    np.add.at(counts, (context[told], letter[told]), 1.0)
    share = counts / counts.sum(axis=1, keepdims=True)
    context, letter, told = contexts(test)
    masked = np.asarray(draw_masks(jnp.asarray(test < 4), ratio, None).chosen)
    told &= masked[:, before : test.shape[1] - after]
    return float(-np.log(share[context[told], letter[told]]).mean())


def long_training(codes, steps, every=500):
    """Of each look: steps, nats of what was put aside, nats of the fifth that is never seen."""
    n = len(codes)
    told, aside, unseen = np.split(codes, [n * 18 // 25, n * 4 // 5])
    judge = nnx.jit(lambda block, x: block(x)["mlm_loss"])
    start, seen = time.process_time(), []

    def look(done, block):
        if done % every and done != steps:
            return
        seen.append((done, float(judge(block, aside)), float(judge(block, unseen))))
        took = time.process_time() - start
        print("{:,} steps: put aside {:.4f}, not seen {:.4f}; ".format(*seen[-1]), end="")
        print(f"{took:.0f} CPU s", flush=True)

    trained(told, steps, look)
    best = min(seen, key=lambda found: found[1])
    print("the best by what was put aside, of {:,} steps: {:.4f}; not seen {:.4f}".format(*best))
    learn = np.concatenate([told, aside])
    sides = [*((k, 0) for k in range(1, 6)), *((k, k) for k in range(1, 4))]
    floor, before, after = min((counted(learn, unseen, *both), *both) for both in sides)
    print(f"the same letters by {before} before and {after} after: {floor:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--long", type=int, default=0)
    asked = parser.parse_args()
    words = {"input_embedding_type": "token_embedding", "kmer_size": 3}
    splice = np.random.default_rng(0).permutation(read("splice_train.fa")[0])
    if asked.long:
        return long_training(splice, asked.long)
    for name, codes, settings in (
        ("said twice", repeats(), {}),
        ("splice", splice, {}),
        ("splice, words", splice, words),
    ):
        start, learned = time.process_time(), len(codes) * 4 // 5
        block = trained(codes[:learned], asked.steps, **settings)
        loss = float(nnx.jit(lambda b, x: b(x)["mlm_loss"])(block, codes[learned:]))
        alone, beside = letter_floors(codes, 4)
        took = time.process_time() - start
        print(
            f"{name}: {loss:.3f} nats; letters alone {alone:.3f}, letters beside {beside:.3f};"
            f" {asked.steps} steps, {took:.0f} CPU s",
            flush=True,
        )


if __name__ == "__main__":
    main()
