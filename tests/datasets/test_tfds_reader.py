"""TFDS data sets: with the features of the real ones and drawn images."""

import os

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from adl_tf.datasets import pipeline
from adl_tf.datasets.examples import read_bytes
from adl_tf.datasets.load import load_examples, split_names
from adl_tf.errors import DataError, UsageError
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.reporting.gallery import encode_image
from tests.datasets.tfds_files import prepare, share

SIZES = [(61, 40), (37, 53), (48, 48), (90, 31), (33, 34), (52, 47), (41, 77)]
CLASSES = ["auk", "bunting", "cardinal"]


def jpeg(width, height, seed):
    noise = np.random.default_rng(seed).uniform(0, 255, (4, 4, 3))
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8))[1]


IMAGES = [jpeg(*size, seed).tobytes() for seed, size in enumerate(SIZES)]


class PixelBoxes(tfds.core.GeneratorBasedBuilder):
    """The features of adl_tf's own builders."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        mask = tfds.features.Image(shape=(None, None, 1))
        pixels = tfds.features.Tensor(shape=(4,), dtype=np.float32)
        objects = {"bbox": tfds.features.BBoxFeature(), "pixels": pixels}
        features = {
            "image": tfds.features.Image(),
            "file_name": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=CLASSES),
            "size": tfds.features.Tensor(shape=(2,), dtype=np.int32),
            "objects": tfds.features.Sequence(objects),
            "segmentation_mask": mask,
            "ignore_mask": mask,
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, manager):
        raise NotImplementedError

    def _generate_examples(self):
        raise NotImplementedError


def bird(index, **changes):
    width, height = SIZES[index]
    levels = np.arange(width * height).reshape(height, width, 1) % 256
    return {
        "image": IMAGES[index],
        "image/filename": f"{index % 3}.x/{index}.jpg",
        "label": index % 3,
        "label_name": "x",
        "bbox": share((3.3 + index, 2, width - 4.7, height), SIZES[index]),
        "segmentation_mask": levels.astype(np.uint8),
        **changes,
    }


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tfds"))
    rows = [bird(index) for index in range(7)]
    prepare(folder, "caltech_birds2011", shards=3, train=rows)
    return folder


def read(folder, name="caltech_birds2011", split="train", **arguments):
    return load_examples(f"tfds:{name}", folder, split, **arguments)


def test_names_labels_boxes_and_bytes(birds):
    examples = read(birds)
    assert examples.image_ids == [f"{i % 3}.x/{i}.jpg" for i in range(7)]
    assert examples.labels.tolist() == [i % 3 for i in range(7)]
    assert examples.num_classes == 200
    assert examples.sizes.tolist() == [list(size) for size in SIZES]
    for index, (boxes, (width, height)) in enumerate(
        zip(examples.boxes, SIZES)
    ):
        expected = [[3.3 + index, 2, width - 4.7, height]]
        np.testing.assert_array_equal(
            boxes, np.round(expected, 3).astype(np.float32)
        )
        assert (
            read_bytes(examples.paths[index], examples.byte_ranges[index])
            == IMAGES[index]
        )
    assert len(set(examples.paths)) == 3


def test_masks_are_read_from_the_records(birds):
    scoring = Scoring(read(birds), PROTOCOLS["wsoleval_cvpr20"], 32, 32)
    mask, ignored = scoring._masks(2)
    levels = np.arange(48 * 48).reshape(48, 48) % 256
    expected = cv2.resize(
        (levels >= 128).astype(np.uint8), (32, 32), interpolation=0
    )
    np.testing.assert_array_equal(mask, expected > 0)
    assert ignored is None


def test_parts_of_splits(birds):
    whole = read(birds).image_ids
    assert read(birds, split="train[:50%]").image_ids == whole[:4]
    assert read(birds, split="train[50%:]").image_ids == whole[4:]
    assert read(birds, split="train[1:-1]").image_ids == whole[1:-1]
    kept = read(birds, split="train[2:]", classes="3,1")
    assert kept.image_ids == [whole[place] for place in (2, 3, 5, 6)]
    assert kept.labels.tolist() == [0, 1, 0, 1]
    assert [
        read_bytes(*each) for each in zip(kept.paths, kept.byte_ranges)
    ] == [IMAGES[place] for place in (2, 3, 5, 6)]


def test_what_is_not_there(birds, tmp_path):
    assert split_names("tfds:caltech_birds2011", birds) == ["train"]
    with pytest.raises(UsageError, match=r"no split 'test': it has train"):
        read(birds, split="test")
    with pytest.raises(DataError, match="tfds build mnist"):
        read(birds, "mnist")
    with pytest.raises(UsageError, match="--boxes is not for"):
        load_examples("cub", birds, "train", boxes=birds)
    rows = [bird(0), bird(1, image=b"\x89PNG and nothing more of it")]
    prepare(
        str(tmp_path),
        "imagenet_v2",
        train=[
            {"image": row["image"], "label": 0, "file_name": f"0/{place}.jpg"}
            for place, row in enumerate(rows)
        ],
    )
    examples = read(str(tmp_path), "imagenet_v2")
    assert "image 0/1.jpg in" in str(pipeline.undecodable(examples))
    with open(examples.paths[0], "r+b") as file:
        file.truncate(os.path.getsize(examples.paths[0]) - 3)
    with pytest.raises(DataError, match="missing or damaged"):
        read(str(tmp_path), "imagenet_v2")


def test_dogs_pets_and_other_names(tmp_path):
    folder = str(tmp_path)
    dog = {
        "image": IMAGES[0],
        "image/filename": "a/dog.jpg",
        "label": 7,
        "objects": [
            {"bbox": share((1, 2, 30, 40), SIZES[0])},
            {"bbox": share((5, 6, 61, 39), SIZES[0])},
        ],
    }
    prepare(folder, "stanford_dogs", train=[dog])
    (boxes,) = read(folder, "stanford_dogs").boxes
    assert boxes.tolist() == [[1, 2, 30, 40], [5, 6, 61, 39]]

    trimap = np.full((*SIZES[1][::-1], 1), 2, np.uint8)
    trimap[10:20, 5:25] = 1
    trimap[20:25, 5:25] = 3
    pet = {
        "image": IMAGES[1],
        "label": 3,
        "species": 0,
        "file_name": "pet.jpg",
        "segmentation_mask": trimap,
        "head_bbox": share((4, 5, 6, 7), SIZES[1]),
    }
    headless = {
        **pet,
        "file_name": "other.jpg",
        "head_bbox": tfds.features.BBox(0.0, 0.0, 0.0, 0.0),
    }
    prepare(folder, "oxford_iiit_pet", train=[pet, headless])
    pets = read(folder, "oxford_iiit_pet")
    assert [boxes.tolist() for boxes in pets.boxes] == [[[4, 5, 6, 7]], []]
    scoring = Scoring(pets.take([0]), PROTOCOLS["wsoleval_cvpr20"], 32, 32)
    mask, ignored = scoring._masks(0)
    small = cv2.resize(trimap, (32, 32), interpolation=0)
    np.testing.assert_array_equal(mask, small == 1)
    np.testing.assert_array_equal(ignored, small == 3)


def test_boxes_in_pixels_and_masks_of_what_does_not_count(tmp_path):
    mask = np.zeros((*SIZES[0][::-1], 1), np.uint8)
    mask[5:20, 10:30] = 255
    none = np.zeros((1, 1, 1), np.uint8)
    row = {
        "image": IMAGES[0],
        "file_name": "a/b.jpg",
        "label": 2,
        "size": SIZES[0],
        "objects": [
            {
                "bbox": share((1, 2, 61, 30), SIZES[0]),
                "pixels": [1.1, 2, 61.9, 30],
            }
        ],
        "segmentation_mask": mask,
        "ignore_mask": 255 - mask,
    }
    plain = {"segmentation_mask": none, "ignore_mask": none, "file_name": "c"}
    rows = [row, {**row, **plain}]
    prepare(str(tmp_path), "pixel_boxes", train=rows)
    examples = read(str(tmp_path), "pixel_boxes")
    assert examples.class_names == CLASSES
    assert examples.sizes.tolist() == [list(SIZES[0])] * 2
    np.testing.assert_array_equal(
        examples.boxes[0], np.float32([[1.1, 2, 61.9, 30]])
    )
    assert (examples.masks[1], examples.ignored[1]) == ((), "")
    scoring = Scoring(examples, PROTOCOLS["wsoleval_cvpr20"], 32, 32)
    object_mask, ignored = scoring._masks(0)
    assert object_mask.any()
    np.testing.assert_array_equal(ignored, ~object_mask)


def test_several_objects_of_one_class(tmp_path, capsys):
    def voc(name, *labels):
        return {
            "image": IMAGES[0],
            "image/filename": name,
            "objects": [
                {
                    "label": label,
                    "bbox": share((1, 2, 30, 40), SIZES[0]),
                    "pose": 0,
                    "is_truncated": False,
                    "is_difficult": False,
                }
                for label in labels
            ],
            "labels": sorted(set(labels)),
            "labels_no_difficult": sorted(set(labels)),
        }

    rows = [voc("a.jpg", 4), voc("b.jpg", 4, 5), voc("c.jpg", 6, 6), voc("d")]
    prepare(str(tmp_path), "voc/2007", train=rows)
    examples = read(str(tmp_path), "voc/2007")
    assert examples.image_ids == ["a.jpg", "c.jpg"]
    assert examples.labels.tolist() == [4, 6]
    assert [len(boxes) for boxes in examples.boxes] == [1, 2]
    assert "2 images" in capsys.readouterr().out


def test_boxes_joined_by_file_name(tmp_path):
    folder = str(tmp_path)
    names = [f"ILSVRC2012_val_0000000{index}.JPEG" for index in range(3)]
    rows = [
        {"image": IMAGES[index], "label": index, "file_name": name}
        for index, name in enumerate(names)
    ]
    prepare(folder, "imagenet2012", validation=rows)
    plain = read(folder, "imagenet2012", "validation")
    assert [len(boxes) for boxes in plain.boxes] == [0, 0, 0]
    texts = tmp_path / "texts"
    texts.mkdir()
    paths = [f"val/{name}" for name in reversed(names[1:])]
    lines = {
        "image_ids": paths,
        "class_labels": [f"{path},0" for path in paths],
        "image_sizes": [f"{path},500,375" for path in paths],
        "localization": [f"{paths[0]},1,2,3,4", f"{paths[0]},5,6,7,8"],
    }
    for name, content in lines.items():
        (texts / f"{name}.txt").write_text("\n".join(content))
    joined = read(folder, "imagenet2012", "validation", boxes=str(texts))
    assert [boxes.tolist() for boxes in joined.boxes] == [
        [],
        [],
        [[1, 2, 3, 4], [5, 6, 7, 8]],
    ]
    assert joined.labels.tolist() == [0, 1, 2]
    assert joined.sizes[1:].tolist() == [[500, 375]] * 2
    (texts / "image_ids.txt").write_text("\n".join([*paths, f"b/{names[1]}"]))
    for name in ("class_labels", "image_sizes"):
        with open(texts / f"{name}.txt", "a") as file:
            file.write(f"\nb/{names[1]},3" + ",3" * (name == "image_sizes"))
    with pytest.raises(DataError, match="both end in"):
        read(folder, "imagenet2012", "validation", boxes=str(texts))


def batches_of(examples, steps, first_step=0, memory_budget=None, seed=1):
    return list(
        pipeline.training_batches(
            examples,
            batch_size=4,
            resize_size=20,
            input_size=16,
            seed=seed,
            first_step=first_step,
            memory_budget=memory_budget,
        )
        .take(steps)
        .as_numpy_iterator()
    )


def test_files_larger_than_the_budget_are_read_in_turn(tmp_path):
    """Each image once an epoch, any place again, and the seed decides."""
    order = np.arange(28)
    rows = [
        {
            "image": IMAGES[index % 7],
            "label": int(index),
            "file_name": f"{index}.jpg",
        }
        for index in order
    ]
    prepare(str(tmp_path), "imagenet2012", shards=7, train=rows)
    examples = read(str(tmp_path), "imagenet2012").take(order[1:])
    budget = 5 * int(examples.byte_ranges[:, 1].mean()) + 1
    found = batches_of(examples, 27, memory_budget=budget)
    labels = np.concatenate([labels for _, labels in found])
    epochs = labels.reshape(4, 27)
    assert np.array_equal(np.sort(epochs), np.tile(order[1:], (4, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 4
    for first_step in (3, 7, 20):
        later = batches_of(examples, 3, first_step, budget)
        for (images, labels), (others, expected) in zip(
            later, found[first_step:]
        ):
            np.testing.assert_array_equal(labels, expected)
            np.testing.assert_array_equal(images, others)
    other = np.concatenate(
        [each for _, each in batches_of(examples, 6, 0, budget, seed=2)]
    )
    assert other.tolist() != np.ravel(epochs)[:24].tolist()


def test_report_shows_images_of_records(birds):
    examples = read(birds)
    source = encode_image(examples.paths[3], tuple(examples.byte_ranges[3]))
    assert source.startswith("data:image/jpeg")
    assert encode_image(examples.paths[3], (1, 50)) is None
    assert encode_image(examples.paths[3], (10**9, 50)) is None
