"""CUB-200-2011 with the validation images of CUBV2, for TFDS."""

from adl_tf.datasets.builders.wsol import WsolBuilder
from adl_tf.datasets.cub import cub, cub_splits


class Builder(WsolBuilder):
    """Splits train, val (CUBV2) and test, one box an image."""

    homepage = "https://data.caltech.edu/records/65de6-vp158"

    def splits(self, root):
        return cub_splits(root)

    def class_names(self, root, splits):
        return cub(root, "test").class_names

    def read(self, root, split):
        return cub(root, split)
