"""The `data_format` argument of the layers."""

import keras


def standardized(data_format):
    """Resolves the `data_format` argument of a layer.

    Args:
        data_format: `"channels_last"`, `"channels_first"` or `None` for
            `keras.config.image_data_format()`.

    Returns:
        `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If it is another value.
    """
    data_format = data_format or keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "`data_format` must be 'channels_last' or 'channels_first'. "
            f"Received: data_format={data_format!r}"
        )
    return data_format
