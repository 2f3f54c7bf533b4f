"""Lookup tables for the 256 neighbourhoods of a pixel that is added.

A neighbourhood is a byte: which of the eight neighbours are there already.
"""

import functools

import numpy as np

# Eight neighbours, clockwise from above: the bits of a neighbourhood. Odd
# ones are the corners.
_STEPS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def _tables():
    growth = np.zeros((256, 2), np.int8)
    touching = np.zeros(256, np.uint8)
    sharing = np.zeros(256, np.uint8)
    for bits in range(256):
        present = [bool(bits >> n & 1) for n in range(8)]
        for n in range(0, 8, 2):
            # A square of this pixel, two edges and the corner between them.
            edge, corner, other = (present[(n + i) % 8] for i in range(3))
            count = edge + corner + other
            growth[bits, 0] += count >= 2
            before = -2 if count == 2 and not corner else (0, 1, 0, -1)[count]
            after = -2 if count == 1 and corner else (1, 0, -1, 0)[count]
            growth[bits, 1] += after - before
        around = list(present)
        for n in range(0, 8, 2):
            # Two edges touch each other across the corner between them.
            around[n + 1] |= around[n] and around[(n + 2) % 8]
        touching[bits] = _groups(around)
        edges = [n % 2 == 0 for n in range(8)]
        sharing[bits] = _groups(present, edges)
    return growth, touching, sharing


def _groups(around, wanted=(True,) * 8):
    """A bit for the first wanted place of each run on the ring of eight."""
    if all(around):
        return 1
    bits = 0
    start = around.index(False)
    taken = False
    for n in range(start, start + 8):
        n %= 8
        taken = taken and around[n]
        if around[n] and wanted[n] and not taken:
            bits |= 1 << n
            taken = True
    return bits


# GROWTH: twice the growth of the area between pixel centres, and four times
# the change of the Euler number (components less holes). The others: a bit for
# one neighbour in each group that the pixel joins, those at its corners too
# (TOUCHING), or those alone that share an edge with it (SHARING).
GROWTH, TOUCHING, SHARING = _tables()


@functools.cache
def distances(row):
    """How far away, in places, the neighbour of the lowest bit is.

    Args:
        row: Places in a row of the image.

    Returns:
        uint32 array `(256,)`: adding wraps, and so leads back, too.
    """
    lowest = [(n & -n).bit_length() - 1 for n in range(256)]
    steps = np.array([_STEPS[max(0, place)] for place in lowest])
    return (steps @ (row, 1)).astype(np.uint32)
