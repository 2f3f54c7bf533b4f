"""A trained model, from the work directory it was trained in."""

import os

from adl_tf.methods.settings import assemble_from_settings
from adl_tf.text_files import read_names
from adl_tf.workdir import checkpoints


def load_trained(settings):
    """Builds the model of a work directory with its newest weights.

    Args:
        settings: `Settings`.

    Returns:
        Keras model.

    Raises:
        DataError: If there is no checkpoint.
    """
    path = trained_weights(settings.workdir)
    return assemble_from_settings(settings, weights=path)[0].model


def trained_weights(workdir):
    """Path of the newest weights of a work directory.

    Args:
        workdir: Work directory.

    Returns:
        Path.

    Raises:
        DataError: If there is no checkpoint.
    """
    checkpoints.require_any(workdir)
    return checkpoints.latest_weights(workdir)


def class_names(settings):
    """Names of the classes of a work directory.

    Args:
        settings: `Settings`.

    Returns:
        List of names.
    """
    return read_names(os.path.join(settings.workdir, "class_names.txt"))
