"""Cells of the table of heatmaps: one heatmap of one network, scored."""

import dataclasses
import json
import os
import time

import numpy as np
import tensorflow as tf

from adl_tf.evaluation.faithfulness import measure_faithfulness
from adl_tf.evaluation.network import evaluate, keras_network
from adl_tf.evaluation.scoring import Scoring
from adl_tf.files import write_whole
from adl_tf.localization.metrics import chunks
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.methods.build import build_model
from adl_tf.models.preprocessing import MEAN_COLOUR
from adl_tf.workdir.run import environment
from experiments.page import machine

_PROTOCOL = PROTOCOLS["wsoleval_cvpr20"]
_SIDE = 224
_NAME = "heatmaps_mobilenet_v1"
_COLUMNS = (
    "network",
    "heatmap",
    "GT-known Loc, fixed",
    "other half's",
    "best",
    "MaxBoxAccV2",
    "Top-1 Loc",
    "average drop",
    "increase",
    "deletion",
    "insertion",
    "ms",
)


class Cells:
    """The measured cells of a table, kept as they are done.

    Args:
        folder: Folder of the results.
        examples: `Examples` of ImageNet images.
        weights: `"imagenet"` or a file.
    """

    def __init__(self, folder, examples, weights):
        self._path = os.path.join(folder, _NAME)
        self._examples, self._weights = examples, weights
        self._kept = {"environment": environment(), "cells": {}}
        if os.path.isfile(f"{self._path}.json"):
            with open(f"{self._path}.json", encoding="utf-8") as file:
                self._kept = json.load(file)

    def do(self, network, heatmap, batch_size, faithfulness_images):
        """Measures a cell, unless it is there.

        Args:
            network: Tuple of its name and of the backbone's options.
            heatmap: Tuple of the row's name, the heatmap's and its options.
            batch_size: Number of images in a step.
            faithfulness_images: Number of images.
        """
        key = f"{network[0]}: {heatmap[0]}"
        if key in self._kept["cells"]:
            return
        made = _network(network[1], *heatmap[1:], self._weights)
        scoring = self._scoring(self._examples)
        answers = evaluate(made, scoring, batch_size)
        metrics, _ = scoring.result(answers)
        count = min(faithfulness_images, len(self._examples))
        every = np.linspace(0, len(self._examples) - 1, count).astype(int)
        some = self._scoring(self._examples.take(every.tolist()))
        del metrics["curve"]
        self._kept["cells"][key] = {
            "metrics": metrics,
            "of_other_half": _of_other_half(scoring.scores),
            "faithfulness": measure_faithfulness(made, some, batch_size),
            "faithfulness_images": count,
            "milliseconds": _milliseconds(made),
        }
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        write_whole(
            f"{self._path}.json", json.dumps(self._kept, indent=1) + "\n"
        )

    def summary(self, network, name):
        """A cell in a few words."""
        cell = self._kept["cells"][f"{network}: {name}"]
        return f"GT-known Loc {cell['metrics']['max_box_acc']:.1f} at best"

    def write_page(self, networks, heatmaps):
        """Writes the table of the cells that are there, and returns it."""
        rows = [
            _row(network, name, self._kept["cells"][f"{network}: {name}"])
            for network in networks
            for name in heatmaps
            if f"{network}: {name}" in self._kept["cells"]
        ]
        text = page(rows, self._kept)
        write_whole(f"{self._path}.md", text)
        return text

    def _scoring(self, examples):
        return Scoring(examples, _PROTOCOL, _SIDE, _SIDE)


def page(rows, kept):
    """The table and its description, in Markdown."""
    first = next(iter(kept["cells"].values()))
    metrics = first["metrics"]
    centre = metrics["baselines"]["centre"]["gt_known_loc"]
    lines = [
        "# Heatmaps of ImageNet's MobileNetV1 as localisers",
        f"{metrics['num_images']} images of ImageNet's validation set, "
        f"squeezed to {_SIDE}x{_SIDE} pixels; protocol `{_PROTOCOL.name}`; "
        "heatmaps of the true class; weights as `keras.applications` has "
        "them, nothing trained. Percent; in brackets 95 % intervals of a "
        "bootstrap over the images. GT-known Loc is at the fixed threshold of "
        f"{_PROTOCOL.fixed_threshold}, at that chosen on the other half of "
        "the images (both halves in turn), and at the best for these images, "
        "an oracle; Top-1 Loc is at the last one. The best centred square "
        f"has {centre:.1f}.",
        "Faithfulness is measured on "
        f"{first['faithfulness_images']} of the images, hidden pixels the "
        "mean colour of ImageNet: average drop and deletion are better when "
        "low, increase and insertion when high. Milliseconds are of an "
        "image, class and map together, in batches of 16.",
        "\n".join(
            "| " + " | ".join(map(str, row)) + " |"
            for row in (_COLUMNS, ["---"] * len(_COLUMNS), *rows)
        ),
        "Made by `python -m experiments.heatmaps`.",
        machine(kept["environment"]),
    ]
    return "\n\n".join(lines) + "\n"


def _row(network, name, cell):
    metrics, faithful = cell["metrics"], cell["faithfulness"]
    intervals = metrics["confidence_intervals"]
    low, high = intervals["best_tau"]["gt_known_loc"]
    return [
        network,
        name,
        f"{metrics['fixed_tau']['gt_known_loc']:.1f}",
        f"{cell['of_other_half']:.1f}",
        f"{metrics['best_tau']['gt_known_loc']:.1f} ({low:.1f} to {high:.1f})",
        f"{metrics['max_box_acc_v2']:.1f}",
        f"{metrics['best_tau']['top1_loc']:.1f}",
        *(f"{value:.1f}" for value in faithful.values()),
        f"{cell['milliseconds']:.0f}",
    ]


def _network(backbone_arguments, heatmap, options, weights):
    options = dict(options)
    if options.get("background") == "mean":
        options["background"] = MEAN_COLOUR
    free = "scales" in options
    model = build_model(
        "mobilenet_v1",
        weights=weights,
        input_shape=(None, None, 3) if free else (_SIDE, _SIDE, 3),
        backbone_arguments=backbone_arguments,
    )
    made = keras_network(model, heatmap, **options)
    return dataclasses.replace(made, input_size=_SIDE)


def _of_other_half(scores):
    """GT-known Loc, each half at the threshold that is best for the other."""
    hits = np.concatenate([scores.hits(part) for part in chunks(len(scores))])
    halves = hits[::2], hits[1::2]
    found = [
        half[:, np.argmax(other.mean(axis=0))]
        for half, other in (halves, halves[::-1])
    ]
    return 100 * float(np.concatenate(found).mean())


def _milliseconds(network, images=16, rounds=5):
    """Milliseconds an image takes, in the fastest of several rounds."""
    batch = tf.zeros((images, _SIDE, _SIDE, 3), tf.uint8)
    labels = np.zeros(images, np.int64)
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        _, maps = network.localize(batch, labels)
        maps.numpy()
        seconds.append(time.perf_counter() - begin)
    return 1000 * min(seconds[1:]) / images
