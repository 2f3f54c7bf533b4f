"""OpenImages30k with the masks of its objects, for TFDS."""

import tensorflow_datasets as tfds

from adl_tf.datasets.builders.wsol import (
    metadata_splits,
    wsol_examples,
    wsol_features,
)
from adl_tf.datasets.metadata import metadata


class Builder(tfds.core.GeneratorBasedBuilder):
    """Splits train, val and test; masks in the last two."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "`python -m data.openimages.prepare --data_dir=FOLDER` makes the "
        "folder for `--manual_dir`."
    )

    def _info(self):
        return self.dataset_info_from_configs(
            features=wsol_features(tfds.features.ClassLabel(), masks=True),
            supervised_keys=("image", "label"),
            homepage="https://storage.googleapis.com/openimages/web/index.html",
        )

    def _split_generators(self, dl_manager):
        root = dl_manager.manual_dir
        splits = metadata_splits(root)
        self.info.features["label"].names = _class_names(root, splits)
        return {split: self._generate_examples(root, split) for split in splits}

    def _generate_examples(self, root, split):
        yield from wsol_examples(metadata(str(root), split), masks=True)


def _class_names(root, splits):
    """The names that OpenImages has for the classes, which folders bear."""
    names = {}
    for split in splits:
        examples = metadata(str(root), split, with_images=False)
        for image_id, label in zip(examples.image_ids, examples.labels):
            names[label] = image_id.split("/")[1]
    return [names[label] for label in sorted(names)]
