"""Classes of sequences that were not trained on: the embedding's, and logistic regression's.

Enhancers (1,484 and as many other sequences of 200 bp): AUROC and accuracy over five folds, beside
logistic regression on 1- to 4-mers. Splice junctions (2,200 of 60 bp, three classes): accuracy,
beside logistic regression on one-hot letters. Each fold is trained by ``fit`` as a run is: a tenth
of its training part is held out and says when to stop; the fold itself is never seen. Folds are
random: related sequences in both parts (which were not removed) flatter all methods alike.
"""

import argparse
import itertools
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from diffbio_engine.pipelines import DataPort, build
from diffbio_engine.pipelines.presets.preset import JOINT
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.training import fit

DATA = Path(__file__).resolve().parents[3] / "shared/data/sequences/encoders"
# What is known of the data before any label is looked at: enhancers act from either strand, a
# splice site has one, and lies in the middle of each sequence.
SETS = {
    "enhancer": ("enhancer_train.fa", {"reverse_complement": "augment"}),
    "splice": ("splice_train.fa", {}),
}
CODES = np.full(256, 4, np.uint8)
CODES[np.frombuffer(b"ACGT", np.uint8)] = range(4)


def read(name):
    """Codes (N, L) and labels from 0."""
    lines = (DATA / name).read_text().split()
    words = [line.removeprefix("label=") for line in lines if line.startswith("label=")]
    letters = [line for line in lines if set(line) <= set("ACGTN") and len(line) > 20]
    codes = np.array([CODES[np.frombuffer(s.encode(), np.uint8)] for s in letters])
    assert len(codes) == len(words)
    return codes, np.unique(words, return_inverse=True)[1].astype(np.int32)


def kmers(codes, longest=4):
    """Frequencies of all 1- to 4-mers, (N, 340)."""
    found = []
    for k in range(1, longest + 1):
        n = codes.shape[1] - k + 1
        number = sum(4 ** (k - 1 - i) * codes[:, i : i + n].astype(int) for i in range(k))
        told = np.all([codes[:, i : i + n] < 4 for i in range(k)], axis=0)
        counts = np.zeros((len(codes), 4**k))
        for row, (numbers, known) in enumerate(zip(number, told, strict=True)):
            counts[row] = np.bincount(numbers[known], minlength=4**k) / n
        found.append(counts)
    return np.concatenate(found, axis=1)


def one_hot(codes):
    return np.eye(5)[codes][:, :, :4].reshape(len(codes), -1)


def trained(codes, labels, settings, training, seed):
    """A pipeline of the embedding alone."""
    n_classes = int(labels.max()) + 1
    told = np.bincount(codes[codes < 4], minlength=4)
    data = {"sequences": codes, "labels": labels, "background": told / told.sum()}
    fields = {
        "sequences": DataPort.named("sequences", codes.shape[1]),
        "labels": DataPort.named("labels", n_classes=n_classes),
        "background": DataPort.named("background", 4),
    }
    spec = PipelineSpec(
        name="Learn",
        blocks=(Block("embed", "normalization.sequence_embedding", settings),),
        wires=tuple(Wire(f"data.{name}", f"embed.{name}") for name in fields),
        training=training,
    )
    pipeline = build(spec, fields, seed=seed)
    reports = fit(pipeline, data, seed=seed)
    return pipeline, len(reports), data["background"]


def scores(truth, shares):
    area = roc_auc_score(truth, shares[:, 1]) if shares.shape[1] == 2 else np.nan
    return accuracy_score(truth, shares.argmax(axis=1)), area


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--folds", type=int, default=5, help="how many of the five are done")
    parser.add_argument("--set", nargs="*", default=[], help="settings, name=value")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", action="store_true", help="the peers alone")
    asked = parser.parse_args()
    given = {k: int(v) if v.isdigit() else v for k, v in (x.split("=") for x in asked.set)}
    given = {k: float(v) if str(v).startswith("0.") else v for k, v in given.items()}
    for name in asked.sets:
        file, settings = SETS[name]
        codes, labels = read(file)
        features = {"1-4-mers": kmers(codes), "one-hot": one_hot(codes)}
        folds = StratifiedKFold(5, shuffle=True, random_state=asked.seed).split(codes, labels)
        found = {n: [] for n in (*features, "embedding")}
        start, steps = time.process_time(), []
        for learn, test in itertools.islice(folds, asked.folds):
            for n, x in features.items():
                peer = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=3000))
                peer.fit(x[learn], labels[learn])
                found[n].append(scores(labels[test], peer.predict_proba(x[test])))
            if asked.peers:
                continue
            training = {**JOINT, "batch_size": asked.batch}
            pipeline, n_steps, background = trained(
                codes[learn], labels[learn], settings | given, training, asked.seed
            )
            steps.append(n_steps)
            shares = pipeline(
                {"sequences": jnp.asarray(codes[test]), "background": jnp.asarray(background),
                 "labels": jnp.full(len(test), -1)},
                ports=("embed.class_probabilities",),
            )["embed.class_probabilities"]  # fmt: skip
            found["embedding"].append(scores(labels[test], np.asarray(shares)))
            print(name, steps[-1], "steps", found["embedding"][-1], flush=True)
        print(f"{name}: {time.process_time() - start:.0f} CPU s, steps {steps}")
        for n, values in found.items():
            if values:
                accuracy, area = np.mean(values, axis=0)
                print(f"  {n:10s} accuracy {accuracy:.3f}  AUROC {area:.3f}")


if __name__ == "__main__":
    main()
