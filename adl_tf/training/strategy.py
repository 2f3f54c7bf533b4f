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
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    names = [device.name for device in devices]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(names[0])
    # Collective operations, the default without GPUs, stay broken for the
    # rest of the process once a step was interrupted.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)
