"""The bytes of Arrow's texts as NumPy arrays, for work that is done on all texts at once."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PADDING = 8
"""How many zeros follow the last byte."""


def encoded(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Texts in UTF-8.

    Args:
        texts: an array of strings. The results for a null mean nothing.

    Returns:
        The bytes of all texts, padded; where each text begins in them; and how many bytes it has.
    """
    _, offsets, data = texts.buffers()
    if not len(texts):
        return np.zeros(PADDING, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    first, last = int(ends[0]), int(ends[-1])
    padded = np.zeros(last - first + PADDING, np.uint8)
    if last > first:
        padded[:-PADDING] = np.frombuffer(data, np.uint8)[first:last]
    return padded, ends[:-1] - first, np.diff(ends)
