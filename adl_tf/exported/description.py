"""Description of an exported model: classes, threshold and protocol."""

import dataclasses
import json
import os

from adl_tf.errors import DataError, UsageError
from adl_tf.localization.protocols import Protocol, protocol_named, varied
from adl_tf.text_files import names_text, read_json, read_names

CLASS_NAMES = os.path.join("assets.extra", "class_names.txt")
LOCALIZATION = os.path.join("assets.extra", "localization.json")


@dataclasses.dataclass(frozen=True)
class Description:
    """Classes, threshold and protocol of an exported model.

    Attributes:
        class_names: List of the names of its classes.
        threshold: Float in [0, 1]: that of its boxes.
        threshold_origin: Where the threshold comes from, in words.
        protocol: `Protocol` whose levels and largest contour give the boxes.
        input_size: Side of the network's input in pixels.
        resize_size: Side in pixels that images were warped to in training,
            before crops; `None` if the export does not say.
    """

    class_names: list
    threshold: float
    threshold_origin: str
    protocol: Protocol
    input_size: int
    resize_size: int | None

    def makes_boxes_of(self, protocol):
        """Whether a protocol makes the same boxes of the same heatmap."""
        own = self.protocol
        return (own.levels, own.largest_by) == (
            protocol.levels,
            protocol.largest_by,
        )


def write_description(folder, description):
    """Writes the description of a model into its folder.

    Args:
        folder: Folder of the model.
        description: `Description`.
    """
    os.makedirs(os.path.join(folder, "assets.extra"), exist_ok=True)
    path = os.path.join(folder, CLASS_NAMES)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(names_text(description.class_names))
    fields = {
        "threshold": description.threshold,
        "threshold_origin": description.threshold_origin,
        "protocol": description.protocol.name,
        "input_size": description.input_size,
        "resize_size": description.resize_size,
    }
    path = os.path.join(folder, LOCALIZATION)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(fields, file, indent=1)


def read_description(folder):
    """Reads the description of a model.

    Args:
        folder: Folder of the model.

    Returns:
        `Description`.

    Raises:
        DataError: If the folder is no exported model.
    """
    if not os.path.isfile(os.path.join(folder, LOCALIZATION)):
        raise not_exported(folder)
    class_names = read_names(os.path.join(folder, CLASS_NAMES))
    path = os.path.join(folder, LOCALIZATION)
    fields = read_json(path)
    try:
        threshold = fields["threshold"]
        if not is_threshold(threshold):
            raise DataError(f"{path}: threshold {threshold} is not in [0, 1]")
        return Description(
            class_names,
            threshold,
            # Not in all exports of 0.1.0.
            fields.get("threshold_origin", ""),
            protocol_named(fields["protocol"]),
            fields["input_size"],
            fields.get("resize_size"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise not_exported(folder) from error


def is_threshold(value):
    """Whether a value from a file is a number in [0, 1].

    Args:
        value: Any value that JSON has.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= 1


def as_exported(protocol):
    """A protocol with the heatmaps that an exported model makes itself.

    Args:
        protocol: `Protocol`.

    Returns:
        `Protocol`.

    Raises:
        UsageError: If it wants heatmaps that exported models do not make.
    """
    if protocol.normalization != "min_max":
        raise UsageError(
            "--saved_model makes its own heatmaps, with "
            "normalization=min_max alone"
        )
    if protocol.interpolation == "bilinear":
        return protocol
    return varied(protocol, "interpolation=bilinear")


def not_exported(folder):
    """The error to raise for a folder that holds no exported model."""
    return DataError(
        f"{folder} is not a model that adl_tf.export wrote, or is damaged: "
        "export it again"
    )
