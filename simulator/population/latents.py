"""The latent normals of the copula: their names, how they hang together, and how they are drawn."""

from collections.abc import Iterable
from math import sqrt
from typing import Final

import numpy as np
from numba import njit, uint8

from cardarena.simulator.behaviour.elementary import log, normal_quantile
from cardarena.simulator.behaviour.randomness import CARDHOLDER, POPULATION_TRAIT, draw
from cardarena.simulator.errors import CardArenaError

#: Standard normals inside a segment. Append only, in fours: the position is part of what a draw is keyed by.
LATENTS: Final = (
    "privacy",
    "need",
    "income",
    "spend",
    "age",
    "deal",
    "satisfaction",
    "trust",
    "cards_held",
    "city_tier",
    "gender",
    "blocks_tracking",
    "refuses_secondary_use",
    "shares_no_preferences",
    "context_daily",
    "context_personal_high_value",
    "context_household_large",
    "context_cross_border",
    "context_business",
    "response",
    "tolerance",
    "credit",
    "wallet",
    "contact",
)
N_LATENTS: Final = len(LATENTS)


def cholesky(pairs: Iterable[tuple[str, str, float]]) -> np.ndarray:
    """Return the lower factor of the correlation matrix whose pairs are given and whose others are 0.

    Written out instead of taken from LAPACK, whose last bits differ between machines.

    Args:
        pairs: two names out of `LATENTS` and their correlation.

    Returns:
        Lower triangular matrix, shape (24, 24).

    Raises:
        CardArenaError: the correlations cannot hold together.
    """
    matrix = [[float(row == column) for column in range(N_LATENTS)] for row in range(N_LATENTS)]
    for a, b, value in pairs:
        i, j = LATENTS.index(a), LATENTS.index(b)
        matrix[i][j] = matrix[j][i] = value
    lower = np.zeros((N_LATENTS, N_LATENTS))
    for i in range(N_LATENTS):
        for j in range(i + 1):
            rest = matrix[i][j]
            for k in range(j):
                rest -= float(lower[i, k]) * float(lower[j, k])
            if i != j:
                lower[i, j] = rest / float(lower[j, j])
            elif rest > 0.0:
                lower[i, i] = sqrt(rest)
            else:
                raise CardArenaError(
                    f"no population has these correlations: they contradict at {LATENTS[i]!r}"
                )
    return lower


@njit(cache=True)
def uniforms(seed, cardholder, block, attempt):
    """Return the four uniforms of one block of a cardholder's traits."""
    return draw(seed, cardholder, 0, CARDHOLDER, POPULATION_TRAIT, 0, uint8(block), 0, 0, attempt)


@njit(cache=True)
def fill_normals(seed, cardholder, block, out):
    """Fill `out`, whose length is a multiple of four, with independent normals from `block` and those after it."""
    for i in range(0, out.shape[0], 4):
        a, b, c, d = uniforms(seed, cardholder, block + i // 4, 0)
        out[i] = normal_quantile(a)
        out[i + 1] = normal_quantile(b)
        out[i + 2] = normal_quantile(c)
        out[i + 3] = normal_quantile(d)


@njit(cache=True)
def correlate(lower, z):
    """Turn independent normals into correlated ones, in place: z <- lower z."""
    # From the last to the first, since each needs only those before it.
    for i in range(z.shape[0] - 1, -1, -1):
        total = 0.0
        for k in range(i + 1):
            total += lower[i, k] * z[k]
        z[i] = total


@njit(cache=True)
def gamma_mean_one(seed, cardholder, block, shape, normal, uniform):
    """Return a gamma variate of mean 1 and a shape of at least 1, by Marsaglia and Tsang (2000).

    The first try takes the normal that it is given, so that the variate keeps the correlations of that normal; the
    few that are refused draw again from `block`. Both are independent of the uniform, so the gamma is exact.

    Args:
        seed: 64-bit world seed.
        cardholder: id.
        block: block of draws for the tries after the first.
        shape: shape of the gamma; its variance is 1 / shape.
        normal: standard normal of the first try.
        uniform: uniform of the first try.
    """
    d = shape - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    attempt = 0
    while True:
        v = 1.0 + c * normal
        if v > 0.0:
            v = v * v * v
            if log(uniform) < 0.5 * normal * normal + d - d * v + d * log(v):
                return d * v / shape
        attempt += 1
        a, uniform, _, _ = uniforms(seed, cardholder, block, attempt)
        normal = normal_quantile(a)
