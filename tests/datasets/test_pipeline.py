"""From paths to batches: order, crops and warps."""

import itertools

import cv2
import numpy as np
import PIL.Image
import pytest

# Not by name: pytest would take `test_batches` for a test.
from adl_tf.datasets import pipeline
from tests.datasets.drawings import assert_close, drawing, examples_of, save

SIZES = [(13, 9), (9, 14), (30, 21), (40, 57), (16, 16), (5, 24), (64, 12)]

BUDGET = 2**20


@pytest.fixture
def drawings(tmp_path):
    """Examples of images of many sizes, and the images."""
    images = [drawing(*size, seed) for seed, size in enumerate(SIZES)]
    paths = [
        save(tmp_path / f"{number}.png", image)
        for number, image in enumerate(images)
    ]
    return examples_of(paths), images


def noise_images(count, side=10):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, side, side, 3), np.uint8)


def steps(count, number, *, batch_size=4, seed=1, **settings):
    """The first batches of a training on images of noise."""
    batches = pipeline.training_batches(
        examples_of([f"{place}.png" for place in range(count)]),
        batch_size=batch_size,
        resize_size=10,
        input_size=8,
        seed=seed,
        images=noise_images(count),
        **settings,
    )
    return list(batches.take(number).as_numpy_iterator())


def assert_same(found, expected):
    assert len(found) == len(expected) > 0
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each[1], other[1])
        np.testing.assert_array_equal(each[0], other[0])


def labels_of(batches):
    return np.concatenate([labels for _, labels in batches])


def images_of(batches):
    return np.concatenate([images for images, _ in batches])


def test_what_a_training_batch_is():
    ((images, labels),) = steps(7, 1, batch_size=6, replicas=2)
    assert (images.shape, images.dtype) == ((3, 8, 8, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((3,), np.int32)


@pytest.mark.parametrize(
    ("count", "batch_size"),
    [(8, 4), (7, 4), (3, 8), (1, 2)],
    ids=["whole", "across_epochs", "batch_larger_than_data", "one_image"],
)
def test_each_image_once_an_epoch(count, batch_size):
    labels = labels_of(steps(count, 2 * count, batch_size=batch_size))
    epochs = labels.reshape(-1, count)
    assert len(epochs) == 2 * batch_size
    np.testing.assert_array_equal(
        np.sort(epochs, axis=1), np.tile(np.arange(count), (len(epochs), 1))
    )
    if count >= 7:
        assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


def test_the_seed_decides():
    first = steps(7, 5, seed=3)
    assert_same(steps(7, 5, seed=3), first)
    other = steps(7, 5, seed=4)
    assert labels_of(other).tolist() != labels_of(first).tolist()
    # One image: the order is the same, the crops are not.
    assert np.any(
        images_of(steps(1, 5, seed=3)) != images_of(steps(1, 5, seed=4))
    )


@pytest.mark.parametrize("first_step", [1, 2, 5, 7, 11])
@pytest.mark.parametrize(("count", "batch_size"), [(7, 4), (3, 8)])
def test_a_later_start_sees_the_same(count, batch_size, first_step):
    whole = steps(count, first_step + 3, batch_size=batch_size)
    later = steps(count, 3, batch_size=batch_size, first_step=first_step)
    assert_same(later, whole[first_step:])


@pytest.mark.parametrize(
    ("replicas", "num_pipelines"), [(1, 1), (2, 1), (2, 2), (4, 2), (4, 4)]
)
def test_replicas_share_the_global_batch(replicas, num_pipelines):
    settings = {"batch_size": 8, "first_step": 3}
    each = replicas // num_pipelines
    parts = [
        steps(
            7,
            4 * each,
            replicas=replicas,
            pipeline=number,
            num_pipelines=num_pipelines,
            **settings,
        )
        for number in range(num_pipelines)
    ]
    joined = []
    for step in range(4):
        turn = slice(step * each, (step + 1) * each)
        batches = list(itertools.chain(*(part[turn] for part in parts)))
        assert len(batches) == replicas
        joined.append((images_of(batches), labels_of(batches)))
    assert_same(joined, steps(7, 4, **settings))


def test_crops_are_windows_of_the_image():
    images = noise_images(5)
    batches = steps(5, 80)
    seen = []
    for image, label in zip(
        images_of(batches), labels_of(batches), strict=True
    ):
        matches = [
            (int(label), top, left, flipped)
            for top, left, flipped in itertools.product(
                range(3), range(3), (False, True)
            )
            if np.array_equal(
                image[:, ::-1] if flipped else image,
                images[label, top : top + 8, left : left + 8],
            )
        ]
        assert len(matches) == 1
        seen += matches
    # Every window of every image, about equally often: 320 draws of 90,
    # and none of the 18 ways to crop is rare.
    ways, counts = np.unique(np.array(seen)[:, 1:], axis=0, return_counts=True)
    assert len(ways) == 18
    assert counts.min() >= 5
    assert 120 < sum(flipped for *_, flipped in seen) < 200
    # An image is not cropped in the same way in each epoch.
    assert len(set(seen)) > 60


def test_without_room_only_flips():
    images = noise_images(2)
    batches = pipeline.training_batches(
        examples_of(["a.png", "b.png"]),
        batch_size=8,
        resize_size=10,
        input_size=10,
        seed=0,
        images=images,
    )
    flips = set()
    for batch, labels in batches.take(3).as_numpy_iterator():
        for image, label in zip(batch, labels, strict=True):
            flipped = not np.array_equal(image, images[label])
            flips.add(flipped)
            expected = images[label]
            np.testing.assert_array_equal(
                image, expected[:, ::-1] if flipped else expected
            )
    assert flips == {False, True}


def test_cached_and_uncached_are_one(drawings):
    examples, _ = drawings
    counted = []

    def progress(decoded):
        for image in decoded:
            counted.append(image)
            yield image

    cache = pipeline.decode_all(examples, 20, progress, BUDGET)
    assert (cache.shape, cache.dtype) == ((7, 20, 20, 3), np.uint8)
    assert len(counted) == 7
    settings = {
        "batch_size": 4,
        "resize_size": 20,
        "input_size": 16,
        "seed": 5,
        "first_step": 1,
    }
    uncached, cached = (
        pipeline.training_batches(examples, images=images, **settings)
        for images in (None, cache)
    )
    assert_same(
        list(cached.take(4).as_numpy_iterator()),
        list(uncached.take(4).as_numpy_iterator()),
    )


def test_no_cache_larger_than_allowed(drawings):
    examples, _ = drawings
    allowed = 7 * 8 * 8 * 3
    cache = pipeline.decode_all(examples, 8, iter, allowed)
    assert cache.shape == (7, 8, 8, 3)
    assert pipeline.decode_all(examples, 9, iter, allowed) is None


def warped_by_opencv(image, size):
    """As the authors' code: floats, cut to whole levels in the end."""
    return cv2.resize(image.astype("float32"), (size, size)).astype("uint8")


@pytest.mark.parametrize(
    ("resize_size", "input_size", "begin"),
    [(20, 16, 2), (21, 14, 3), (16, 16, 0)],
)
def test_the_centre_of_the_warped_images(
    drawings, resize_size, input_size, begin
):
    examples, originals = drawings
    batches = list(
        pipeline.test_batches(
            examples,
            batch_size=3,
            resize_size=resize_size,
            input_size=input_size,
        ).as_numpy_iterator()
    )
    assert [len(images) for images, _ in batches] == [3, 3, 1]
    end = begin + input_size
    images = images_of(batches)
    assert images.dtype == np.uint8
    for image, original in zip(images, originals, strict=True):
        warped = warped_by_opencv(original, resize_size)
        assert_close(image, warped[begin:end, begin:end])
    sizes = np.concatenate([sizes for _, sizes in batches])
    assert sizes.tolist() == [list(size) for size in SIZES]


def test_caches_hold_warped_images(drawings):
    examples, originals = drawings
    cache = pipeline.decode_all(examples, 18, iter, BUDGET).numpy()
    warped = np.stack([warped_by_opencv(each, 18) for each in originals])
    assert_close(cache, warped)
    # Cut to whole levels: rounded ones would be half a level higher.
    assert abs(np.mean(cache.astype(float) - warped)) < 0.1


@pytest.mark.parametrize("size", [9, 18, 40])
def test_warp_of_wsolevaluation_is_that_of_pil(drawings, size):
    """Antialiased where the image becomes smaller."""
    examples, originals = drawings
    batches = pipeline.test_batches(
        examples,
        batch_size=7,
        resize_size=size,
        input_size=size,
        warp_rule="antialiased",
    )
    found = images_of(list(batches.as_numpy_iterator()))
    expected = np.stack(
        [
            np.asarray(
                PIL.Image.fromarray(each).resize(
                    (size, size), PIL.Image.Resampling.BILINEAR
                )
            )
            for each in originals
        ]
    )
    assert np.abs(found.astype(int) - expected).max() <= 1
    plain = np.stack([warped_by_opencv(each, size) for each in originals])
    if size == 9:
        assert np.abs(plain.astype(int) - expected).max() > 5
