"""Answers of an exported model as files: JSON lines, drawings, a page."""

import glob
import json
import os
import shutil

import jinja2
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets.pipeline import reason
from adl_tf.errors import DataError, UsageError
from adl_tf.reporting import drawing

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
# Longer side of the drawings in pixels.
DRAWING_SIDE = 480


def find_pictures(patterns):
    """Paths of the pictures that files, folders and patterns stand for.

    Args:
        patterns: List of text.

    Returns:
        Sorted list of paths, each once. A file that is named is there however
        it ends.

    Raises:
        UsageError: If one of them stands for nothing.
    """
    paths = set()
    for pattern in patterns:
        pattern = os.path.expanduser(pattern)
        if os.path.isdir(pattern):
            found = [
                os.path.join(folder, name)
                for folder, _, names in os.walk(pattern)
                for name in names
                if name.lower().endswith(ENDINGS)
            ]
        elif os.path.isfile(pattern):
            found = [pattern]
        else:
            found = [p for p in glob.glob(pattern) if os.path.isfile(p)]
        if not found:
            raise UsageError(f"--images={pattern}: there is no such picture")
        paths.update(found)
    return sorted(paths)


def predict(saved_model, paths, output_dir, class_id=None, title=""):
    """Localises pictures and writes answers, drawings and a page.

    Args:
        saved_model: Folder of an exported model.
        paths: List of paths of pictures.
        output_dir: Folder to write to.
        class_id: Class to look for, or `None` for the most probable one.
        title: Heading of the page.

    Returns:
        Tuple of the path of the page and the list of records of the pictures
        that could not be read.

    Raises:
        DataError: If the folder holds no exported model.
        UsageError: If there is no such class.
    """
    localize, class_names = _load(saved_model, class_id)
    answers = os.path.join(output_dir, "predictions.jsonl")
    for name in ("heatmaps", "drawings"):
        folder = os.path.join(output_dir, name)
        if os.path.isfile(answers):  # of an earlier call
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder, exist_ok=True)
    records = []
    with open(answers, "w", encoding="utf-8") as file:
        for index, path in enumerate(
            tqdm(paths, desc="localising", leave=False, disable=None)
        ):
            name = f"{index:05d}"
            try:
                record = _localize(localize, class_names, path)
                picture, heatmap = record.pop("arrays")
            except tf.errors.OpError as error:
                record = {"image": path, "error": reason(error)}
            except OSError as error:
                record = {"image": path, "error": str(error)}
            else:
                record["heatmap"] = f"heatmaps/{name}.npy"
                np.save(os.path.join(output_dir, record["heatmap"]), heatmap)
                _draw(output_dir, name, picture, heatmap, record["box"])
            file.write(json.dumps(record) + "\n")
            records.append({**record, "name": name})
    page = os.path.join(output_dir, "index.html")
    _write_page(page, records, title, looked_for=class_id is not None)
    return page, [record for record in records if "error" in record]


def _load(saved_model, class_id):
    if not os.path.isfile(os.path.join(saved_model, "saved_model.pb")):
        raise DataError(
            f"{saved_model} holds no SavedModel: make one with "
            "python -m adl_tf.export"
        )
    names_path = os.path.join(saved_model, "assets.extra", "class_names.txt")
    if not os.path.isfile(names_path):
        raise DataError(
            f"{names_path} is missing: {saved_model} is not from adl_tf.export"
        )
    with open(names_path, encoding="utf-8") as file:
        class_names = file.read().splitlines()
    loaded = tf.saved_model.load(saved_model)
    if class_id is None:
        function = loaded.signatures["serving_default"]
    else:
        if class_id >= len(class_names):
            raise UsageError(
                f"--class_id={class_id}: the model knows classes "
                f"0-{len(class_names) - 1}"
            )
        signature = loaded.signatures["localize"]

        def function(image_bytes):
            return signature(
                image_bytes=image_bytes, class_id=tf.constant([class_id])
            )

    def localize(image_bytes):
        return function(image_bytes=tf.constant([image_bytes]))

    # The function must not outlive the variables of what was loaded.
    localize.loaded = loaded
    return localize, class_names


def _localize(localize, class_names, path):
    with open(path, "rb") as file:
        encoded = file.read()
    picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    answer = {
        name: value[0].numpy() for name, value in localize(encoded).items()
    }
    class_id = int(answer["class_id"])
    return {
        "image": path,
        "class_id": class_id,
        "class_name": class_names[class_id],
        "probability": float(answer["probability"]),
        "box": [round(float(value), 2) for value in answer["box"]],
        "arrays": (picture.numpy(), answer["heatmap"]),
    }


def _draw(output_dir, name, picture, heatmap, box):
    picture, factor = drawing.shrink(picture, DRAWING_SIDE)
    box = [value * factor for value in box]
    for kind, drawn in (
        ("picture", picture),
        ("heatmap", drawing.overlay_heatmap(picture, heatmap)),
        ("box", drawing.draw_box(picture, box, drawing.ESTIMATE)),
    ):
        path = os.path.join(output_dir, "drawings", f"{name}_{kind}.jpg")
        drawing.write_picture(path, drawn)


def _write_page(path, records, title, looked_for):
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("adl_tf.reporting", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for record in records:
        record["file_name"] = os.path.basename(record["image"])
    text = environment.get_template("prediction.html").render(
        title=title, records=records, looked_for=looked_for
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
