"""OpenImages30k with the masks of its objects, for TFDS."""

from adl_tf.datasets.builders.wsol import WsolBuilder
from adl_tf.datasets.metadata import metadata, metadata_splits


class Builder(WsolBuilder):
    """Splits train, val and test; masks in the last two."""

    homepage = "https://storage.googleapis.com/openimages/web/index.html"
    masks = True

    def splits(self, root):
        return metadata_splits(root)

    def class_names(self, root, splits):
        """OpenImages's own class names, which the folders have."""
        names = {}
        for split in splits:
            examples = metadata(root, split, with_images=False)
            for image_id, label in zip(examples.image_ids, examples.labels):
                names[label] = image_id.split("/")[1]
        return [names[label] for label in sorted(names)]

    def read(self, root, split):
        return metadata(root, split)
