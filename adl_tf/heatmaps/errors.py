"""Models and arguments that a heatmap cannot be made of."""

from adl_tf.errors import UsageError


class HeatmapError(UsageError, ValueError):
    """As every `ValueError`; commands show it in one line."""
