"""Whether random draws come as often as they should."""

import numpy as np


def assert_share(hits, rate, sigmas=3):
    """`hits`: booleans, independent, each true with probability `rate`."""
    sigma = np.sqrt(rate * (1 - rate) / hits.size)
    assert abs(hits.mean() - rate) <= sigmas * sigma
