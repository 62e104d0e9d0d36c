"""Hashes say of values what they are, and nothing of how they are stored."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from spotify_graph.neo4j_io import hashing

texts = st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=20)


@given(texts=texts, first=st.integers(0, 20), count=st.integers(0, 20))
def test_values_have_the_same_hashes_by_dictionary(texts: list[str | None], first: int, count: int) -> None:
    plain = pa.array(texts, pa.string())
    # A slice has the dictionary of the whole, which may be longer than it is.
    encoded = plain.dictionary_encode().slice(first, count)
    assert np.array_equal(hashing.of_values(encoded), hashing.of_values(plain.slice(first, count)))
