"""Records that keep to the processor's cache lines: a record begins on one and fills whole ones.

A day reads the same lines of every record; a record that straddles them would have it read one or two more.
"""

from typing import Any, Final

import numpy as np

#: Bytes that come from memory together.
LINE: Final = 64


def in_lines(fields: list[Any]) -> np.dtype:
    """Return the dtype of a record of these fields, in this order, padded to whole lines."""
    packed = np.dtype(fields)
    places: Any = packed.fields
    return np.dtype(
        {
            "names": list(places),
            "formats": [dtype for dtype, _ in places.values()],
            "offsets": [first for _, first in places.values()],
            "itemsize": -(-packed.itemsize // LINE) * LINE,
        }
    )


def zeros(n: int, dtype: np.dtype) -> np.ndarray:
    """Return `n` zeroed records, the first of which begins on a line; untouched pages cost nothing."""
    room = np.zeros(n * dtype.itemsize + LINE, dtype=np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + n * dtype.itemsize].view(dtype)


def copied(array: np.ndarray) -> np.ndarray:
    """Return a copy of an array; records of whole lines begin on one."""
    if array.dtype.fields is None or array.dtype.itemsize % LINE:
        return array.copy()
    copy = zeros(array.size, array.dtype)
    # Field by field: what a file left in the padding stays behind, so that equal records are equal bytes.
    for name in array.dtype.names or ():
        copy[name] = array[name]
    return copy
