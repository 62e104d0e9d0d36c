"""Users with tastes alike: the cosine of their latent factors (`factors`).

For user-based recommendation see Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering"
(1999): what a user's nearest neighbours like, weighted by how near they are.
"""

import numpy as np

from spotify_graph.transforms.recommendations.arrays import Floats, Ints

LEAST = np.float32(0.05)
"""Below that cosine, two users have nothing in common but chance."""


def candidates(factors: Floats, strength: Floats, among: int) -> Ints:
    """Among whom similar users are sought: those with most confidence of the users with factors, by number.

    Args:
        factors: of all users, shape (users, rank).
        strength: how much confidence each user's history holds, shape (users,).
        among: how many at the most.
    """
    known = np.flatnonzero(factors.any(axis=1))
    return np.sort(known[np.lexsort((known, -strength[known]))[:among]]).astype(np.int32)


def similar_users(users: Ints, factors: Floats, among: Ints, of_them: Floats, keep: int) -> tuple[Ints, Floats]:
    """Finds some users' nearest users.

    Args:
        users: their numbers, shape (users,).
        factors: their factors.
        among: the candidates' numbers, ascending.
        of_them: and their factors.
        keep: how many to keep.

    Returns:
        The nearest ones' positions among the candidates, nearest first, and their cosines, which are at least LEAST;
        shape (users, keep or fewer) each, -1 and 0 where there are fewer.
    """
    keep = min(keep, len(among))
    if not keep:
        return np.zeros((len(users), 0), dtype=np.int32), np.zeros((len(users), 0), dtype=np.float32)
    cosines = _unit(factors) @ _unit(of_them).T
    cosines[users[:, None] == among] = -1  # not oneself
    nearest = np.argpartition(-cosines, keep - 1, axis=1)[:, :keep]
    near = np.take_along_axis(cosines, nearest, axis=1)
    order = np.lexsort((nearest, -near), axis=1)
    nearest, near = np.take_along_axis(nearest, order, axis=1), np.take_along_axis(near, order, axis=1)
    alike = near >= LEAST
    return np.where(alike, nearest, -1).astype(np.int32), np.where(alike, near, 0)


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
