"""Data sets as TFDS leaves them, of a few images."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds


def prepare(folder, real, shards=1, **splits):
    """Writes rows as the TFDS builder `real` would, in its own features."""
    builder = tfds.builder(real, data_dir=folder)
    path = builder.data_path
    path.mkdir(parents=True)
    infos = []
    for split, rows in splits.items():
        template = tfds.core.ShardedFileTemplate(
            dataset_name=builder.name,
            data_dir=path,
            split=split,
            filetype_suffix="tfrecord",
        )
        begins = [len(rows) * shard // shards for shard in range(shards + 1)]
        for shard, (begin, end) in enumerate(zip(begins, begins[1:])):
            file = template.sharded_filepath(
                shard_index=shard, num_shards=shards
            )
            with tf.io.TFRecordWriter(str(file)) as writer:
                for row in rows[begin:end]:
                    writer.write(builder.info.features.serialize_example(row))
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=list(np.diff(begins)),
                num_bytes=0,
                filename_template=template,
            )
        )
    builder.info.set_splits(tfds.core.SplitDict(infos))
    builder.info.write_to_directory(path)


def share(box, size):
    x0, y0, x1, y1 = box
    width, height = size
    return tfds.features.BBox(
        ymin=y0 / height, xmin=x0 / width, ymax=y1 / height, xmax=x1 / width
    )
