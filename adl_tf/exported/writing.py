"""Export of a trained classifier as a SavedModel or for TensorFlow Lite."""

import tensorflow as tf

from adl_tf.errors import DataError
from adl_tf.exported.description import (
    LOCALIZATION,
    Description,
    write_description,
)
from adl_tf.exported.graph import Localizer
from adl_tf.exported.threshold import Threshold, evaluated_threshold
from adl_tf.files import check_replaceable
from adl_tf.folders import replaced_whole
from adl_tf.localization.protocols import protocol_named

# What is written into the folder, in either format.
_OF_AN_EXPORT = {
    "assets",
    "assets.extra",
    "fingerprint.pb",
    "model.tflite",
    "saved_model.pb",
    "variables",
}


def export(
    model, output_dir, class_names, settings, threshold=None, write=None
):
    """Writes a trained classifier in a form that runs without this package.

    Args:
        model: Keras model of `build_model`.
        output_dir: Folder to write, which must not exist, be empty, or hold
            an earlier export and nothing else, which is replaced.
        class_names: List of the names of its classes.
        settings: Settings of the run: `workdir`, `input_size` and
            `resize_size` are used.
        threshold: Float in [0, 1], or `None` for the one of metrics.json in
            the work directory: that chosen on a validation split, or else the
            best one; or 0.2 without it.
        write: Function of a `Localizer` and a folder that writes the one into
            the other, or `None` for a SavedModel.

    Returns:
        `Threshold` that was stored.

    Raises:
        UsageError: If the folder is in use.
        DataError: If the names are not one for each class.
        AdlTfError: If it cannot be written; what was there is as it was.
    """
    replaces = check_replaceable(output_dir, _OF_AN_EXPORT, LOCALIZATION)
    num_classes = model.output_shape[-1]
    if len(class_names) != num_classes:
        raise DataError(
            f"{len(class_names):,} class names for a network of "
            f"{num_classes:,} classes: {settings.workdir}/class_names.txt "
            "is not that of its training"
        )
    chosen = evaluated_threshold(settings.workdir)
    if threshold is not None:
        chosen = Threshold(threshold, chosen.protocol, "as given")
    protocol = protocol_named(chosen.protocol)
    localizer = Localizer(model, settings.input_size, chosen.value, protocol)
    description = Description(
        class_names,
        chosen.value,
        chosen.origin,
        protocol,
        settings.input_size,
        settings.resize_size,
    )
    if replaces:
        print(f"an earlier export in {output_dir} is replaced")
    with replaced_whole(output_dir) as folder:
        try:
            (write or _write_saved_model)(localizer, folder)
        except (tf.errors.OpError, RuntimeError) as error:
            raise OSError(" ".join(str(error).split())) from error
        write_description(folder, description)
    return chosen


def _write_saved_model(localizer, folder):
    tf.saved_model.save(localizer, folder, signatures=localizer.signatures())
