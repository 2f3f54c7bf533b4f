"""ImageNet-1k with all boxes, and ImageNetV2 for validation, for TFDS."""

import tensorflow_datasets as tfds

from adl_tf.datasets.builders.wsol import (
    metadata_splits,
    wsol_examples,
    wsol_features,
)
from adl_tf.datasets.ilsvrc import ilsvrc


class Builder(tfds.core.GeneratorBasedBuilder):
    """Splits train, val (ImageNetV2) and test (ImageNet's validation)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "`python -m data.ilsvrc.prepare --data_dir=FOLDER` makes the folder "
        "for `--manual_dir`."
    )

    def _info(self):
        names = tfds.core.tfds_path("datasets/imagenet2012/labels.txt")
        return self.dataset_info_from_configs(
            features=wsol_features(tfds.features.ClassLabel(names_file=names)),
            supervised_keys=("image", "label"),
            homepage="https://image-net.org/",
        )

    def _split_generators(self, dl_manager):
        root = dl_manager.manual_dir
        splits = metadata_splits(root)
        return {split: self._generate_examples(root, split) for split in splits}

    def _generate_examples(self, root, split):
        yield from wsol_examples(ilsvrc(str(root), split))
