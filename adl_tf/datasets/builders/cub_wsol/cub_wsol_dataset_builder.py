"""CUB-200-2011 with the validation images of CUBV2, for TFDS."""

import tensorflow_datasets as tfds

from adl_tf.datasets.builders.wsol import (
    wsol_examples,
    wsol_features,
)
from adl_tf.datasets.cub import cub
from adl_tf.datasets.metadata import metadata


class Builder(tfds.core.GeneratorBasedBuilder):
    """Splits train, val (CUBV2) and test, one box an image."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "`python -m data.cub.prepare --data_dir=FOLDER` makes the folder for "
        "`--manual_dir`."
    )

    def _info(self):
        return self.dataset_info_from_configs(
            features=wsol_features(tfds.features.ClassLabel()),
            supervised_keys=("image", "label"),
            homepage="https://data.caltech.edu/records/65de6-vp158",
        )

    def _split_generators(self, dl_manager):
        root = dl_manager.manual_dir
        names = cub(str(root), "test").class_names
        self.info.features["label"].names = names
        splits = ["train", "test"]
        if (root / "CUBV2").is_dir():
            splits.append("val")
        return {split: self._generate_examples(root, split) for split in splits}

    def _generate_examples(self, root, split):
        if split == "val":
            examples = metadata(str(root / "CUBV2"), split)
        else:
            examples = cub(str(root), split)
        yield from wsol_examples(examples)
