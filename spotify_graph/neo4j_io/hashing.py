"""64-bit hashes of Arrow's values: the same for the same values in every process and on every machine.

They divide rows into buckets, find keys that may be the same, and add up to fingerprints. If they are ever computed
differently, everything must be staged again: snapshots with different hashes can't be compared bucket by bucket.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spotify_graph.neo4j_io.texts import encoded

Hashes = NDArray[np.uint64]

_BATCH_ROWS = 16_384
"""How many rows are hashed at once: what is worked out of them stays in the processor's cache."""
_LONG = 256
"""Longer texts, in bytes, are hashed one by one; few are."""

_NULL = np.uint64(0x2545F4914F6CDD1D)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_WORD = 8


def of_rows(columns: Sequence[pa.Array]) -> Hashes:
    """Hashes rows, given as columns: the order of the columns matters."""
    hashes = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        hashes = mixed(hashes * _ODD + of_values(column))
    return hashes


def of_table(rows: pa.Table) -> Hashes:
    """Hashes the rows of a table."""
    batches = rows.to_batches(max_chunksize=_BATCH_ROWS)
    return np.concatenate([np.zeros(0, np.uint64), *(of_rows(batch.columns) for batch in batches)])


def of_values(values: pa.Array) -> Hashes:
    """Hashes values. A null is a value too; the two zeros are one, and every NaN is the same.

    Values that are encoded by a dictionary have the hashes of those that are not.
    """
    if pa.types.is_dictionary(values.type):
        hashes = _of_encoded(values)
    elif pa.types.is_string(values.type):
        hashes = _of_texts(values)
    elif pa.types.is_list(values.type):
        hashes = _of_lists(values)
    elif pa.types.is_floating(values.type):
        numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False).astype(np.float64) + 0.0
        numbers[np.isnan(numbers)] = np.nan
        hashes = mixed(numbers.view(np.uint64))
    else:
        numbers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        hashes = mixed(numbers.astype(np.uint64))
    if values.null_count:
        hashes[values.is_null().to_numpy(zero_copy_only=False)] = _NULL
    return hashes


def mixed(words: Hashes) -> Hashes:
    """Spreads words over 64 bits, one to one: the last step of SplitMix64 (Steele, Lea and Flood, 2014)."""
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def _of_texts(texts: pa.Array) -> Hashes:
    data, starts, lengths = encoded(texts)
    # The eight bytes from each byte on, as a number.
    words = np.ndarray((len(data) - _WORD + 1,), "<u8", data.data, strides=(1,))
    hashes = mixed(lengths.astype(np.uint64) + _ODD)
    short = np.flatnonzero(lengths <= _LONG)
    for place in range(0, _LONG, _WORD):
        short = short[lengths[short] > place]
        if not len(short):
            break
        # Most texts are ids of one length: a slice takes a fraction of the time that a list of places does.
        which = slice(None) if len(short) == len(hashes) else short
        unused = np.maximum(place + _WORD - lengths[which], 0).astype(np.uint64) * np.uint64(8)
        # A shift to the left and back drops what is beyond the end of the text.
        word = (words[starts[which] + place] << unused) >> unused
        hashes[which] = mixed(hashes[which] ^ word)
    for i in np.flatnonzero(lengths > _LONG):
        text = data[starts[i] : starts[i] + lengths[i]]
        hashes[i] = int.from_bytes(blake2b(text.tobytes(), digest_size=_WORD).digest(), "little")
    return hashes


def _of_encoded(values: pa.DictionaryArray) -> Hashes:
    if not len(values.dictionary):
        return np.zeros(len(values), np.uint64)
    if len(values.dictionary) > len(values):
        return of_values(values.dictionary_decode())
    hashes: Hashes = of_values(values.dictionary)[pc.fill_null(values.indices, 0).to_numpy()]
    return hashes


def _of_lists(lists: pa.Array) -> Hashes:
    if not len(lists):
        return np.zeros(0, np.uint64)
    ends = lists.offsets.to_numpy().astype(np.int64)
    elements = of_values(lists.values.slice(ends[0], ends[-1] - ends[0]))
    ends -= ends[0]
    lengths = np.diff(ends)
    places = np.arange(1, len(elements) + 1) - np.repeat(ends[:-1], lengths)
    # Sums modulo 2^64: the differences of running sums are exact, wherever those overflow.
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed(elements + places.astype(np.uint64) * _ODD))])
    return mixed(sums[ends[1:]] - sums[ends[:-1]] + lengths.astype(np.uint64))
