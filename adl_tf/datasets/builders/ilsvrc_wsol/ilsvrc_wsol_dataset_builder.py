"""ImageNet-1k with all boxes, and ImageNetV2 for validation, for TFDS."""

import tensorflow_datasets as tfds

from adl_tf.datasets.builders.wsol import WsolBuilder
from adl_tf.datasets.ilsvrc import ilsvrc
from adl_tf.datasets.metadata import metadata_splits


class Builder(WsolBuilder):
    """Splits train, val (ImageNetV2) and test (ImageNet's validation)."""

    homepage = "https://image-net.org/"

    def splits(self, root):
        return metadata_splits(root)

    def class_names(self, root, splits):
        names = tfds.core.tfds_path("datasets/imagenet2012/labels.txt")
        return names.read_text().split()

    def read(self, root, split):
        return ilsvrc(root, split)
