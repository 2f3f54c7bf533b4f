"""Answers of an exported model as files: JSON lines, drawings, a page."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from adl_tf import drawing
from adl_tf.datasets.pipeline import reason
from adl_tf.exported.decoding import MAX_PIXELS, claimed_pixels
from adl_tf.reporting.pages import template

# Longer side of the drawings in pixels.
DRAWING_SIDE = 480
BATCH_SIZE = 32
# Share of its image that a box covers which shows nothing.
NEARLY_WHOLE = 0.95
# What records have for the page and the count alone.
_UNWRITTEN = ("name", "share")


def predict(localizer, paths, output_dir, masks=False, title=""):
    """Localises images and writes answers, drawings and a page.

    While the network sees one batch, threads draw the one before and read the
    next.

    Args:
        localizer: `SavedLocalizer`.
        paths: List of paths of images.
        output_dir: Folder to write to; what an earlier call wrote there is
            replaced.
        masks: Whether to write what is above the threshold as PNG files of
            the sizes of the images: 255 there, 0 elsewhere.
        title: Heading of the page.

    Returns:
        Tuple of the path of the page, the list of records of the images
        that could not be read, and how many boxes cover nearly the whole
        image.
    """
    _make_folders(output_dir, masks)
    records = []
    workers = os.cpu_count() or 1
    with (
        open(_answers(output_dir), "w", encoding="utf-8") as file,
        ThreadPoolExecutor(workers) as pool,
        tqdm(
            total=len(paths), desc="localising", leave=False, disable=None
        ) as bar,
    ):

        def finish(drawn):
            for future in drawn:
                records.append(future.result())
                record = {
                    k: v for k, v in records[-1].items() if k not in _UNWRITTEN
                }
                file.write(json.dumps(record) + "\n")
                bar.update()

        def draw(number, path, encoded, answer):
            record = _record(path, encoded, answer, localizer.class_names)
            record["name"] = f"{number:05d}"
            if "error" not in record:
                masks_of = localizer if masks else None
                _write_files(output_dir, record, encoded, answer, masks_of)
            return record

        starts = range(0, len(paths), BATCH_SIZE)
        batches = [paths[start : start + BATCH_SIZE] for start in starts]
        reading = [pool.submit(_read, path) for path in batches[0]]
        drawn = []
        for index, batch in enumerate(batches):
            encoded = [future.result() for future in reading]
            following = batches[index + 1] if index + 1 < len(batches) else []
            reading = [pool.submit(_read, path) for path in following]
            found = localizer(encoded)
            finish(drawn)
            drawn = [
                pool.submit(draw, starts[index] + place, path, data, answer)
                for place, (path, data, answer) in enumerate(
                    zip(batch, encoded, found)
                )
            ]
        finish(drawn)
    page = os.path.join(output_dir, "index.html")
    _write_page(page, records, title, looked_for=localizer.class_id is not None)
    whole = sum(record.get("share", 0) >= NEARLY_WHOLE for record in records)
    return page, [record for record in records if "error" in record], whole


def _answers(output_dir):
    return os.path.join(output_dir, "predictions.jsonl")


def _make_folders(output_dir, masks):
    """Empty folders for the files of each image."""
    is_earlier = os.path.isfile(_answers(output_dir))
    for kind in ("heatmaps", "drawings", "masks"):
        folder = os.path.join(output_dir, kind)
        if is_earlier:
            shutil.rmtree(folder, ignore_errors=True)
        if masks or kind != "masks":
            os.makedirs(folder, exist_ok=True)


def _read(path):
    """Bytes of a file, or the error that there was."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return error


def _record(path, encoded, answer, class_names):
    if isinstance(encoded, OSError):
        return {"image": path, "error": encoded.strerror or str(encoded)}
    class_id = int(answer["class_id"])
    if class_id < 0:
        return {"image": path, "error": _why(encoded)}
    return {
        "image": path,
        "class_id": class_id,
        "class_name": class_names[class_id],
        "probability": float(answer["probability"]),
        "box": [round(float(value), 2) for value in answer["box"]],
    }


def _decoded(encoded):
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return image.numpy()


def _why(encoded):
    """What is wrong with an image that the model gave no answer to."""
    try:
        pixels = int(claimed_pixels(tf.constant(encoded)))
    except tf.errors.OpError:  # Its head is damaged.
        pixels = 0
    if pixels > MAX_PIXELS:
        return f"it has more than {MAX_PIXELS:,} pixels"
    try:
        _decoded(encoded)
    except tf.errors.OpError as error:
        return reason(error)
    return "the model cannot decode it"


def _write_files(output_dir, record, encoded, answer, masks_of):
    """Heatmap, drawings and mask of an image; the record gets their paths."""
    name = record["name"]
    image, heatmap = _decoded(encoded), answer["heatmap"]
    x0, y0, x1, y1 = record["box"]
    height, width = image.shape[:2]
    record["share"] = (x1 - x0) * (y1 - y0) / (width * height)
    record["heatmap"] = f"heatmaps/{name}.npy"
    np.save(os.path.join(output_dir, record["heatmap"]), heatmap)
    if masks_of:
        record["mask"] = f"masks/{name}.png"
        drawing.write_image(
            os.path.join(output_dir, record["mask"]),
            masks_of.mask(heatmap, *image.shape[:2]),
        )
    image, factor = drawing.shrink(image, DRAWING_SIDE)
    box = [value * factor for value in record["box"]]
    for kind, drawn in (
        ("image", image),
        ("heatmap", drawing.overlay_heatmap(image, heatmap)),
    ):
        path = os.path.join(output_dir, "drawings", f"{name}_{kind}.jpg")
        drawn = drawing.draw_box(drawn, box, drawing.ESTIMATE)
        drawing.write_image(path, drawn)


def _write_page(path, records, title, looked_for):
    for record in records:
        record["file_name"] = os.path.basename(record["image"])
    text = template("prediction.html").render(
        title=title, records=records, looked_for=looked_for
    )
    # Names of files need not be UTF-8.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
