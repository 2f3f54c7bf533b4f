"""TFDS builder of a data set that `data/<name>/prepare.py` made."""

import abc

import numpy as np
import tensorflow_datasets as tfds

from adl_tf.datasets.image_sizes import image_sizes
from adl_tf.datasets.masks import read_mask, union
from adl_tf.errors import DataError


class WsolBuilder(tfds.core.GeneratorBasedBuilder, abc.ABC):
    """A builder whose images, classes and boxes come from our readers.

    Attributes:
        homepage: Address of the data set's page.
        masks: Whether the objects are given as masks.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "`python -m data.<name>.prepare --data_dir=FOLDER` makes the folder "
        "for `--manual_dir`."
    )
    homepage: str
    masks = False

    @abc.abstractmethod
    def splits(self, root):
        """Names of the splits in a folder."""

    @abc.abstractmethod
    def class_names(self, root, splits):
        """Names of the classes."""

    @abc.abstractmethod
    def read(self, root, split):
        """`Examples` of a split."""

    def _info(self):
        return self.dataset_info_from_configs(
            features=wsol_features(tfds.features.ClassLabel(), self.masks),
            supervised_keys=("image", "label"),
            homepage=self.homepage,
        )

    def _split_generators(self, dl_manager):
        root = str(dl_manager.manual_dir)
        splits = self.splits(root)
        if not splits:
            raise DataError(
                f"{root} has no splits: give the folder that "
                "data/<name>/prepare.py made as --manual_dir"
            )
        self.info.features["label"].names = self.class_names(root, splits)
        return {split: self._generate_examples(root, split) for split in splits}

    def _generate_examples(self, root, split):
        yield from wsol_examples(self.read(root, split), self.masks)


def wsol_features(label, masks=False):
    """Features of a data set of images, classes and boxes or masks.

    Args:
        label: `tfds.features.ClassLabel`.
        masks: Whether the objects are given as masks.

    Returns:
        `tfds.features.FeaturesDict` of

        - `image`: the encoded file, unchanged,
        - `file_name`: its path in the data set,
        - `label`,
        - `size`: width and height that the boxes refer to,
        - `objects`: for each box `bbox`, which is TFDS's (y0, x0, y1, x1 as
          fractions, cut at the edge), and `pixels`, which is x0, y0, x1, y1
          as annotated,
        - with masks: `segmentation_mask`, 255 where the object is, and
          `ignore_mask`, 255 at pixels that are not scored. An image
          without a mask has one of a single pixel, 0.
    """
    mask = {"shape": (None, None, 1), "encoding_format": "png"}
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "file_name": tfds.features.Text(),
            "label": label,
            "size": tfds.features.Tensor(shape=(2,), dtype=np.int32),
            "objects": tfds.features.Sequence(
                {
                    "bbox": tfds.features.BBoxFeature(),
                    "pixels": tfds.features.Tensor(
                        shape=(4,), dtype=np.float32
                    ),
                }
            ),
        }
        | (
            {
                "segmentation_mask": tfds.features.Image(**mask),
                "ignore_mask": tfds.features.Image(**mask),
            }
            if masks
            else {}
        )
    )


def wsol_examples(examples, masks=False):
    """Yields what TFDS writes to disk.

    Args:
        examples: `Examples`.
        masks: As for `wsol_features`.

    Yields:
        Tuples of the name of an image and a dictionary of its features.
    """
    sizes = examples.sizes
    if sizes is None:
        sizes = image_sizes(examples.paths)
    for index, image_id in enumerate(examples.image_ids):
        features = {
            "image": examples.paths[index],
            "file_name": image_id,
            "label": int(examples.labels[index]),
            "size": sizes[index].astype(np.int32),
            "objects": [
                {"bbox": relative_box(box, sizes[index]), "pixels": box}
                for box in examples.boxes[index]
            ],
        }
        if masks:
            paths = examples.masks[index] if examples.masks else ()
            ignored = examples.ignored[index] if examples.ignored else ""
            features["segmentation_mask"] = merged_masks(paths)
            features["ignore_mask"] = merged_masks([ignored] if ignored else ())
        yield image_id, features


def relative_box(box, size):
    """A box as TFDS has it.

    Args:
        box: x0, y0, x1, y1 in pixels.
        size: Width and height in pixels.

    Returns:
        `tfds.features.BBox`, cut at the edge of the image.
    """
    x0, y0, x1, y1 = np.clip(np.divide(box, (*size, *size)), 0, 1).tolist()
    return tfds.features.BBox(ymin=y0, xmin=x0, ymax=y1, xmax=x1)


def merged_masks(paths):
    """The union of masks.

    Args:
        paths: Paths of masks. Should their sizes differ, the others are
            stretched to the largest.

    Returns:
        uint8 array `(height, width, 1)` of 0 and 255; `(1, 1, 1)` without a
        path.

    Raises:
        DataError: If a file cannot be read.
    """
    if not paths:
        return np.zeros((1, 1, 1), np.uint8)
    merged = union([read_mask(path) for path in paths])
    return merged[..., np.newaxis].astype(np.uint8) * 255
