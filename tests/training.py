"""A short training, which processes of their own run too: it imports nothing of the tests."""

import os
import time

from nn import data, schedules, vector

BLOBS = data.blobs(60, rng=0)
SETTINGS = {
    "loss": "cross_entropy", "batch_size": 16, "optimizer": "adamw", "rng": 3, "clip": 5.0,
    "schedule": schedules.cosine(0.02, 40), "validation": 0.2, "patience": 30,
    "metric": "accuracy",
}  # fmt: skip


def jitter(X, epoch, rng):
    if os.environ.get("PAUSE") == str(epoch):
        print("paused", flush=True)
        time.sleep(60)
    return X + rng.normal(0.0, 0.01 * epoch, X.shape)


def network(seed=0):
    """Return a model with every kind of state: weights, running statistics, a generator."""
    return vector.Sequential(
        vector.Dense(2, 8, rng=seed),
        vector.BatchNorm(8),
        vector.Dropout(0.2, rng=seed),
        vector.Dense(8, 3, "linear", rng=seed + 1),
    )
