"""Makes statistical_losses.npz. Run: python tests/references/losses/make_statistical_losses.py

Log-probabilities in float64: scipy.stats.nbinom (SciPy 1.18.1) and scipy.stats.poisson; zero
inflation as the mixture itself, log(pi [y = 0] + (1 - pi) exp(log nb)) in NumPy.
"""

from pathlib import Path

import numpy as np
from scipy.special import expit
from scipy.stats import nbinom, poisson

rng = np.random.default_rng(11)
theta = np.array([1e-3, 0.05, 0.7, 3.0, 40.0, 2e4])
mu = np.exp(rng.uniform(np.log(1e-4), np.log(3e3), size=(60, 6)))
y = nbinom.rvs(theta, theta / (theta + mu), random_state=rng).astype(float)
y[:3] = [[0], [1], [419]]
logits = rng.normal(-1, 2, size=(60, 6))
pi = expit(logits)
log_nb = nbinom.logpmf(y, theta, theta / (theta + mu))
np.savez(
    Path(__file__).with_name("statistical_losses.npz"),
    y=y,
    mu=mu,
    theta=theta,
    logits=logits,
    log_nb=log_nb,
    log_poisson=poisson.logpmf(y, mu),
    log_zinb=np.where(y == 0, np.log(pi + (1 - pi) * np.exp(log_nb)), np.log1p(-pi) + log_nb),
)
