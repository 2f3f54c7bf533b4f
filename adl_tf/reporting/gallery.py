"""The images of test sets with boxes at every threshold, as data of a page.

Everything that moves in the page is computed there from these data: boxes are
integers, and overlaps of integers come out the same in every language.
"""

import base64
import contextlib

import cv2
import numpy as np

from adl_tf.datasets.examples import read_bytes
from adl_tf.localization.metrics import THRESHOLDS
from adl_tf.localization.scores import nearest

# Images of a test set that are shown; larger sets are thinned out evenly.
MAX_IMAGES = 500
# Side in pixels and JPEG quality of the images in the page.
IMAGE_SIDE = 240
JPEG_QUALITY = 72


def gallery(runs):
    """Data from which the page draws images, boxes and accuracies.

    Args:
        runs: List of `Run`.

    Returns:
        Tuple of a dictionary for JSON and the list of paths of the images
        that cannot be read. The dictionary holds `runs` (names), `classes`
        (names), `images` (`name`, number of the class, `source` as a data
        URI or `None`) and `evaluations`: for each protocol and split
        `thresholds`, `marks` (those with a meaning), `images` (numbers) and
        `runs`, where a run that was not evaluated so is `None`.
    """
    images, classes, unreadable = {}, {}, []
    evaluations = []
    for name in evaluation_names(runs):
        found = {run.name: run.evaluations.get(name) for run in runs}
        evaluation = _evaluation(name, found, images, classes, unreadable)
        if evaluation:
            evaluations.append(evaluation)
    data = {
        "runs": [run.name for run in runs],
        "classes": list(classes),
        "images": [image for _, image in images.values()],
        "evaluations": evaluations,
    }
    return data, unreadable


def evaluation_names(runs):
    """Names of all evaluations, those that most runs have first.

    Args:
        runs: List of `Run`.

    Returns:
        List of names.
    """
    names = dict.fromkeys(name for run in runs for name in run.evaluations)
    return sorted(
        names,
        key=lambda name: -sum(name in run.evaluations for run in runs),
    )


def _evaluation(name, evaluations, images, classes, unreadable):
    shown = [each for each in evaluations.values() if _has_boxes(each)]
    if not shown:
        return None
    first, arrays = shown[0], shown[0].arrays
    thresholds = arrays["thresholds"]
    chosen = spread(len(arrays["image_ids"]), MAX_IMAGES)
    ids = arrays["image_ids"][chosen].tolist()
    numbers = []
    for place in chosen:
        key = path, byte_range = first.source(place)
        if key not in images:
            source = encode_image(path, byte_range)
            if source is None:
                unreadable.append(path)
            label = first.class_name(arrays["labels"][place])
            image = {
                "name": str(arrays["image_ids"][place]),
                "class": classes.setdefault(label, len(classes)),
                "source": source,
            }
            images[key] = (len(images), image)
        numbers.append(images[key][0])
    return {
        "name": name,
        "thresholds": thresholds.tolist(),
        "marks": _marks(evaluations, thresholds),
        "images": numbers,
        "runs": [
            _run(each, ids)
            if _has_boxes(each)
            and np.array_equal(each.arrays["thresholds"], thresholds)
            else None
            for each in evaluations.values()
        ],
    }


def _has_boxes(evaluation):
    if evaluation is None or evaluation.arrays is None:
        return False
    return bool(evaluation.metrics.get("curve"))


def _run(evaluation, ids):
    metrics, arrays = evaluation.metrics, evaluation.arrays
    places = {
        image_id: place
        for place, image_id in enumerate(arrays["image_ids"].tolist())
    }
    correct = evaluation.correct_classes
    input_size, resize_size = arrays["sizes"].tolist()

    def of_image(place):
        if place is None:
            return None
        entry = {
            "boxes": evaluation.rows_of_boxes(place).tolist(),
            "truth": evaluation.ground_truth(place).tolist(),
            "heatmap": base64.b64encode(
                arrays["heatmaps"][place].tobytes()
            ).decode(),
        }
        if correct is not None:
            entry["right"] = bool(correct[place])
            predicted = arrays["predicted"][place]
            entry["predicted"] = evaluation.class_name(predicted)
        if "probabilities" in arrays:
            probability = float(arrays["probabilities"][place])
            entry["probability"] = round(probability, 4)
        return entry

    return {
        "size": input_size,
        # Share of the side of the image that the network sees.
        "crop": input_size / resize_size,
        "min_iou": metrics["rules"]["min_iou"],
        "count": metrics["num_images"],
        "gt_known_loc": metrics["curve"]["gt_known_loc"],
        "top1_loc": metrics["curve"]["top1_loc"],
        "heatmap_side": arrays["heatmaps"].shape[1],
        "entries": [of_image(places.get(image_id)) for image_id in ids],
    }


def encode_image(path, byte_range=None):
    """An image as the network's input is warped, small, as a data URI.

    Args:
        path: File that holds an image in any format that OpenCV reads.
        byte_range: Its first byte there and number of bytes, or `None` for the
            whole file.

    Returns:
        Text, or `None` if there is no such image.
    """
    image = read_image(path, byte_range)
    if image is None:
        return None
    side = min(IMAGE_SIDE, max(image.shape[:2]))
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return data_uri(image)


def read_image(path, byte_range=None):
    """Reads an image as the pipeline does: without turning.

    Args:
        path: As of `encode_image`.
        byte_range: As of `encode_image`.

    Returns:
        uint8 array `(height, width, 3)`, BGR, or `None` if there is no such
        image.
    """
    with contextlib.suppress(OSError, cv2.error):  # empty or huge, too
        return cv2.imdecode(
            np.frombuffer(read_bytes(path, byte_range), np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION,
        )
    return None


def data_uri(image):
    """An image as text that a page can hold.

    Args:
        image: uint8 array `(height, width, 3)`, BGR.

    Returns:
        Text.
    """
    _, encoded = cv2.imencode(
        ".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
    )
    text = base64.b64encode(encoded.tobytes()).decode()
    return f"data:image/jpeg;base64,{text}"


def _marks(evaluations, thresholds):
    """Thresholds with a meaning: label and index, the fixed one first."""
    marks = {}
    for tau, meaning in THRESHOLDS.items():
        for name, evaluation in evaluations.items():
            value = evaluation and evaluation.tau(tau)
            if value is None:
                continue
            several = tau != "fixed_tau" and len(evaluations) > 1
            of = f" of {name}" if several else ""
            marks[f"{value:g} {meaning}{of}"] = nearest(thresholds, value)
    return [{"label": label, "place": place} for label, place in marks.items()]


def spread(count, limit):
    """Indices that are spread over a list evenly.

    Args:
        count: Length of the list.
        limit: Largest number of indices.

    Returns:
        int array, ascending.
    """
    if count <= limit:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, limit).round().astype(int))
