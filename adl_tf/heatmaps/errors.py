"""Error for models and arguments that heatmaps do not support."""

from adl_tf.errors import UsageError


class HeatmapError(UsageError, ValueError):
    """A `ValueError` that commands show in one line."""
