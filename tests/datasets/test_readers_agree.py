"""One set of images in three formats is one data set."""

import csv
import dataclasses
import pathlib

import cv2
import numpy as np

from adl_tf.datasets.load import load_examples
from adl_tf.datasets.pipeline import training_batches
from adl_tf.evaluation.network import evaluate, keras_network
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.training.loop import train
from adl_tf.workdir.trained import load_trained
from tests.datasets.tfds_files import prepare, share

CLASSES = ["auk", "bunting", "cardinal"]


def write_three_ways(root):
    """The same images as CUB's folder, as metadata and as TFDS."""
    random = np.random.default_rng(3)
    lines, rows = {}, {"train": [], "test": []}

    def add(file, line):
        lines.setdefault(f"{file}.txt", []).append(line)

    for number in range(1, 25):
        width, height = random.integers(30, 90, 2).tolist()
        x, y = (random.uniform(0, side / 3) for side in (width, height))
        w, h = (random.uniform(side / 4, side / 2) for side in (width, height))
        x, y, w, h = (round(value, 1) for value in (x, y, w, h))
        image = random.integers(90, 150, (height, width, 3), np.uint8)
        label, split = number % 3, "test" if number % 4 == 0 else "train"
        image[int(y) : int(y + h), int(x) : int(x + w), label] = 240
        name = f"{label + 1:03d}.{CLASSES[label]}/{number}.jpg"
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
        add("images", f"{number} {name}")
        add("image_class_labels", f"{number} {label + 1}")
        add("bounding_boxes", f"{number} {x} {y} {w} {h}")
        add("train_test_split", f"{number} {int(split == 'train')}")
        folder, name = f"metadata/{split}", f"images/{name}"
        add(f"{folder}/image_ids", name)
        add(f"{folder}/class_labels", f"{name},{label}")
        add(f"{folder}/image_sizes", f"{name},{width},{height}")
        add(f"{folder}/localization", f"{name},{x},{y},{x + w},{y + h}")
        rows[split].append(
            {
                "image": str(path),
                "image/filename": name,
                "label": label,
                "label_name": CLASSES[label],
                "bbox": share((x, y, x + w, y + h), (width, height)),
                "segmentation_mask": np.full((height, width, 1), 255, np.uint8),
            }
        )
    for number, name in enumerate(CLASSES, 1):
        add("classes", f"{number} {number:03d}.{name}")
    for file, content in lines.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("\n".join(content))
    prepare(str(root), "caltech_birds2011", shards=2, **rows)


def learned(run, examples, scored):
    """What training shows and leaves, and what evaluation makes of it."""
    run = train(run)
    history = pathlib.Path(run.workdir, "history.csv").read_text()
    timing = pathlib.Path(run.workdir, "timing.csv").read_text()
    for row in csv.DictReader(timing.splitlines()):
        assert 0 <= float(row["input_wait"]) <= 100
    scoring = Scoring(
        dataclasses.replace(scored, masks=None),
        PROTOCOLS["adl_cvpr19"],
        run.input_size,
        run.resize_size,
    )
    network = keras_network(load_trained(run))
    metrics, records = scoring.result(evaluate(network, scoring, 4))
    records = list(records)
    for record in records:
        del record["image_id"]
    boxes = [each.tolist() for each in examples.boxes + scored.boxes]
    return boxes, history, metrics, records


def test_folder_metadata_and_tfds_are_one(tmp_path, settings):
    """The same tensors, boxes, training and metrics."""
    write_three_ways(tmp_path)
    batches, results = [], []
    for dataset in ("cub", "metadata", "tfds:caltech_birds2011"):
        examples, scored = (
            load_examples(dataset, str(tmp_path), split, "1-3")
            for split in ("train", "test")
        )
        run = settings(
            dataset=dataset,
            data_dir=str(tmp_path),
            classes="1-3",
            workdir=str(tmp_path / dataset),
        )
        results.append(learned(run, examples, scored))
        batches.append(
            training_batches(
                examples, batch_size=4, resize_size=20, input_size=16, seed=1
            )
            .take(5)
            .as_numpy_iterator()
        )
    for (images, labels), *others in zip(*batches, strict=True):
        for same_images, classes in others:
            np.testing.assert_array_equal(images, same_images)
            np.testing.assert_array_equal(labels, classes)
    assert results[0] == results[1] == results[2]
