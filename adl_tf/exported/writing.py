"""Export of a trained classifier as a SavedModel or for TensorFlow Lite."""

import os
import shutil

import tensorflow as tf

from adl_tf.exported.description import (
    LOCALIZATION,
    Description,
    write_description,
)
from adl_tf.exported.graph import Localizer
from adl_tf.exported.threshold import Threshold, evaluated_threshold
from adl_tf.files import check_replaceable
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
    """Writes a trained classifier in a form that needs no code of ours.

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
    """
    replaces = check_replaceable(output_dir, _OF_AN_EXPORT, LOCALIZATION)
    chosen = evaluated_threshold(settings.workdir)
    if threshold is not None:
        chosen = Threshold(threshold, chosen.protocol, "as given")
    protocol = protocol_named(chosen.protocol)
    localizer = Localizer(model, settings.input_size, chosen.value, protocol)
    partial = output_dir.rstrip("/") + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    (write or _write_saved_model)(localizer, partial)
    write_description(
        partial,
        Description(
            class_names,
            chosen.value,
            chosen.origin,
            protocol,
            settings.input_size,
            settings.resize_size,
        ),
    )
    if replaces:
        print(f"an earlier export in {output_dir} is replaced")
    shutil.rmtree(output_dir, ignore_errors=True)
    os.rename(partial, output_dir)
    return chosen


def _write_saved_model(localizer, folder):
    tf.saved_model.save(localizer, folder, signatures=localizer.signatures())
