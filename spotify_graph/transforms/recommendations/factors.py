"""Latent factors by implicit alternating least squares.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), in the form of Rendle,
Krichene, Zhang and Koren, "Revisiting the Performance of iALS on Item Recommendation Benchmarks" (2022): what is
unknown has a weight of its own, and the regularization grows with how often somebody or something is seen. A negative
feedback, more skipped than liked, is a preference of 0 with the weight of its absolute value.
"""

import numpy as np

from spotify_graph.transforms.recommendations.arrays import Floats, Ints, Places
from spotify_graph.transforms.recommendations.parameters import Parameters

_CELLS = 1_000_000
"""How many factors are gathered at once."""
_STEPS = 4
_TINY = np.float32(1e-30)


def initial(tracks: int, parameters: Parameters) -> Floats:
    """Where the tracks' factors start: small and random, shape (tracks, rank)."""
    draw = np.random.default_rng(parameters.seed)
    scale = 0.1 / np.sqrt(parameters.rank)
    found: Floats = (draw.standard_normal((tracks, parameters.rank)) * scale).astype(np.float32)
    return found


def solve(
    starts: Places, others: Ints, feedback: Floats, factors: Floats, before: Floats, parameters: Parameters
) -> Floats:
    """The factors of some users that fit best to those of the tracks; or of tracks to those of users.

    Args:
        starts: where each one's feedback starts, shape (rows + 1,); each has some.
        others: of what each feedback is, shape (feedback,).
        feedback: likewise; none is 0.
        factors: of all of the others, shape (others, rank).
        before: what the factors were, shape (rows, rank): where the descent starts.
        parameters: the weight of what is unknown, and the regularization.

    Returns:
        Shape (rows, rank); 0 for those without feedback above 0.
    """
    rank = factors.shape[1]
    found = np.zeros_like(before)
    lengths = np.diff(starts)
    of_unknown = parameters.unobserved * (factors.T @ factors)
    padded = np.vstack([factors, np.zeros((1, rank), dtype=np.float32)])
    order = np.argsort(lengths, kind="stable")
    while len(order):
        # Rows of about one length are solved together, so that few cells are filled up.
        length = lengths[order]
        fits = (np.arange(1, len(order) + 1) * length * rank <= _CELLS) & (length <= 2 * length[0])
        rows, order = np.split(order, [max(1, int(fits.sum()))])
        place = np.arange(length[len(rows) - 1])
        there = place < lengths[rows, None]
        at = np.where(there, starts[rows, None] + place, 0)
        known = padded[np.where(there, others[at], len(factors))]
        weights = np.where(there, feedback[at], 0).astype(np.float32)
        strength = parameters.regularization * (lengths[rows] + parameters.unobserved * len(factors))
        found[rows] = _descended(before[rows], known, weights, of_unknown, strength.astype(np.float32)[:, None])
    return found


def _descended(at: Floats, known: Floats, weights: Floats, of_unknown: Floats, strength: Floats) -> Floats:
    """A few steps of conjugate gradients for each row, all rows at once.

    Takács, Pilászy and Tikk, "Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative
    Filtering" (2011): what a step leaves, the next round takes up.
    """
    trust = np.abs(weights)

    def times(rows: Floats) -> Floats:
        fitted = np.matmul(known, rows[:, :, None])[:, :, 0] * trust
        result: Floats = np.matmul(fitted[:, None, :], known)[:, 0, :] + rows @ of_unknown + strength * rows
        return result

    liked = np.maximum(weights, 0)
    # Who likes nothing starts at 0, and stays there.
    at = np.where(liked.any(axis=1, keepdims=True), at, 0)
    left = np.matmul(liked[:, None, :], known)[:, 0, :] - times(at)
    direction, size = left, (left**2).sum(axis=1, keepdims=True)
    for _ in range(_STEPS):
        ahead = times(direction)
        length = size / np.maximum((direction * ahead).sum(axis=1, keepdims=True), _TINY)
        at = at + length * direction
        left = left - length * ahead
        before, size = size, (left**2).sum(axis=1, keepdims=True)
        direction = left + size / np.maximum(before, _TINY) * direction
    return at
