"""One pass of a trained model over a test set."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.errors import DataError
from adl_tf.localization.boxes import box_iou
from adl_tf.localization.metrics import localization_metrics
from adl_tf.methods.cam import class_activation_maps, feature_model


def evaluate(model, examples, protocol, settings):
    """Classifies and localises every picture, and scores the answers.

    Each picture goes through the network once. Its box is that of the map of
    its true class: where the class answer is right, the two maps are one.

    Args:
        model: Keras model of `build_model`.
        examples: `Examples` with a box for every picture.
        protocol: `Protocol`.
        settings: Namespace with `batch_size`, `input_size`, `resize_size`.

    Returns:
        Tuple of the dictionary for metrics.json and the list of dictionaries,
        one a picture, for per_image.jsonl; boxes there are in pixels of the
        network's input.

    Raises:
        DataError: If a picture has no box, cannot be read, or its class is
            not one of the model's.
    """
    _check(examples, model.output_shape[-1])
    with pipeline.bad_picture_named(examples):
        probabilities, scored = _one_pass(model, examples, protocol, settings)
    overlaps = np.stack([overlap.max(axis=1) for _, _, overlap in scored])
    ranking = np.argsort(-probabilities, axis=1, kind="stable")
    correct = ranking[:, 0] == examples.labels
    correct_top5 = (ranking[:, :5] == examples.labels[:, None]).any(axis=1)
    metrics = {
        "num_images": len(examples),
        **localization_metrics(overlaps, correct, correct_top5, protocol),
    }
    best = metrics["best_tau"]["tau"]
    column = int(np.argmin(np.abs(protocol.threshold_values() - best)))
    records = [
        {
            "image_id": examples.image_ids[index],
            "label": int(examples.labels[index]),
            "predicted": int(ranking[index, 0]),
            "probability": round(
                float(probabilities[index, ranking[index, 0]]), 6
            ),
            "box": estimates[column].tolist(),
            "ground_truth": expected.tolist(),
            "iou": round(float(overlaps[index, column]), 6),
            "tau": best,
        }
        for index, (estimates, expected, _) in enumerate(scored)
    ]
    return metrics, records


def _one_pass(model, examples, protocol, settings):
    """Probabilities of all classes, and boxes and overlaps of each picture."""
    predict = _predict_function(model)
    batches = pipeline.test_batches(
        examples,
        batch_size=settings.batch_size,
        input_size=settings.input_size,
        resize_size=(
            settings.resize_size
            if protocol.centre_crop
            else settings.input_size
        ),
    )

    def score(class_map, index, file_size):
        size = file_size if examples.sizes is None else examples.sizes[index]
        estimates = protocol.estimate(class_map, settings.input_size)
        expected = protocol.expected(
            examples.boxes[index],
            size,
            settings.input_size,
            settings.resize_size,
        )
        return estimates, expected, box_iou(estimates, expected)

    probabilities, scored = [], []
    bar = tqdm(total=len(examples), desc="scoring", leave=False, disable=None)
    # OpenCV works outside Python's lock: boxes of one batch are found while
    # the network sees the next.
    with ThreadPoolExecutor() as pool, bar:
        for images, file_sizes in batches:
            first = len(scored)
            numbers = range(first, first + len(images))
            answers, maps = predict(images, examples.labels[numbers])
            probabilities.append(answers.numpy())
            scored += [
                pool.submit(score, *each)
                for each in zip(maps.numpy(), numbers, file_sizes.numpy())
            ]
            bar.update(len(numbers))
    return (
        np.concatenate(probabilities),
        [future.result() for future in scored],
    )


def _predict_function(model):
    features_and_logits = feature_model(model)
    kernel = model.get_layer("logits").kernel

    @tf.function(reduce_retracing=True)
    def predict(images, labels):
        logits, features = features_and_logits(
            tf.cast(images, "float32"), training=False
        )
        maps = class_activation_maps(features, kernel, labels)
        return tf.nn.softmax(logits), maps

    return predict


def _check(examples, num_classes):
    if not len(examples):
        raise DataError("there are no pictures to score")
    for image_id, boxes, label in zip(
        examples.image_ids, examples.boxes, examples.labels
    ):
        if not len(boxes):
            raise DataError(f"picture {image_id} has no box to compare with")
        if label >= num_classes:
            raise DataError(
                f"picture {image_id} is of class {label}, and the model knows "
                f"classes 0-{num_classes - 1}"
            )
