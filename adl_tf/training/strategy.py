"""Where training runs."""

import tensorflow as tf


def make_strategy(name):
    """A `tf.distribute` strategy by name.

    Args:
        name: `"auto"` or `"mirrored"` for all GPUs, or the CPU (each logical
            device of it) where there is none; `"one_device"` for the first.

    Returns:
        `tf.distribute.Strategy`.
    """
    devices = tf.config.list_logical_devices(
        "GPU"
    ) or tf.config.list_logical_devices("CPU")
    names = [device.name for device in devices]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(names[0])
    return tf.distribute.MirroredStrategy(names)
