"""The types of the models' arrays, and blocks of them put together."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T", bound="DataclassInstance")

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def together(blocks: Sequence[_T]) -> _T:
    """Blocks with the same arrays as attributes, one after the other; at least one."""
    first = blocks[0]
    return type(first)(*(np.concatenate([getattr(it, field.name) for it in blocks]) for field in fields(first)))
