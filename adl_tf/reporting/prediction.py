"""Predictions of an exported model as files: JSON lines, drawings, a page."""

import json
import os
import typing
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from tqdm import tqdm

from adl_tf import drawing
from adl_tf.datasets.decoding import read_image, warp
from adl_tf.errors import DataError, UsageError
from adl_tf.folders import replaced_whole
from adl_tf.localization.boxes import cutoffs
from adl_tf.reporting.pages import template

# Longer side of the drawings in pixels.
DRAWING_SIDE = 480
BATCH_SIZE = 32
# A box that covers this share of its image localises nothing.
NEARLY_WHOLE = 0.95
# Fields of records for the page and the count alone.
_UNWRITTEN = ("name", "share")


class LoadedImage(typing.NamedTuple):
    """What is kept of an image between decoding and drawing.

    Attributes:
        path: Its file.
        error: Why it could not be read, or empty text.
        size: Width and height in pixels.
        warped: uint8 array `(input_size, input_size, 3)`.
        shrunk: uint8 array `(height, width, 3)` to draw on.
        factor: Float: the size of `shrunk` as a share of `size`.
    """

    path: str
    error: str = ""
    size: tuple[int, int] = (0, 0)
    warped: np.ndarray | None = None
    shrunk: np.ndarray | None = None
    factor: float = 1.0


def predict(
    model,
    paths,
    output_dir,
    class_id=None,
    threshold=None,
    masks=False,
    title="",
):
    """Localises images and writes predictions, drawings and a page.

    While the network runs on one batch, threads draw the one before and
    decode the next.

    Args:
        model: `ExportedModel`.
        paths: List of paths of images.
        output_dir: Folder to write to; what an earlier call wrote there is
            replaced.
        class_id: Class to look for, or `None` for the most probable one.
        threshold: Float in [0, 1], or `None` for the exported one.
        masks: Whether to write what is above the threshold as PNG files of
            the sizes of the images: 255 there, 0 elsewhere.
        title: Heading of the page.

    Returns:
        Tuple of the path of the page, the list of records of the images
        that could not be read, and how many boxes cover nearly the whole
        image.

    Raises:
        UsageError: If the model has no such class.
        AdlTfError: If the folder cannot be written; what was there is as it
            was.
    """
    num_classes = len(model.description.class_names)
    if class_id is not None and class_id >= num_classes:
        raise UsageError(
            f"--class_id={class_id}: the model has classes 0-{num_classes - 1}"
        )
    with replaced_whole(output_dir) as folder:
        records = _write_all(model, paths, folder, class_id, threshold, masks)
        page = os.path.join(folder, "index.html")
        _write_page(page, records, title, looked_for=class_id is not None)
    page = os.path.join(output_dir, "index.html")
    whole = sum(record.get("share", 0) >= NEARLY_WHOLE for record in records)
    return page, [record for record in records if "error" in record], whole


def _write_all(model, paths, folder, class_id, threshold, masks):
    """Writes all but the page into an empty folder; returns the records."""
    for kind in ("heatmaps", "drawings", "masks"):
        if masks or kind != "masks":
            os.mkdir(os.path.join(folder, kind))
    predictions = os.path.join(folder, "predictions.jsonl")
    records = []

    def draw(number, image, outputs):
        record = _record(image, outputs, model.description.class_names)
        record["name"] = f"{number:05d}"
        if not image.error:
            _write_drawings(folder, record, image, outputs["heatmap"])
        if masks and not image.error:
            record["mask"] = f"masks/{record['name']}.png"
            mask = _mask(model.description, threshold, outputs, image.size)
            path = os.path.join(folder, record["mask"])
            drawing.write_image(path, mask)
        return record

    with (
        open(predictions, "w", encoding="utf-8") as file,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
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

        drawn = []
        for images in _loaded(pool, paths, model.description):
            found = _localize(model, images, class_id, threshold)
            finish(drawn)
            first = len(records)
            drawn = [
                pool.submit(draw, first + place, *pair)
                for place, pair in enumerate(zip(images, found))
            ]
        finish(drawn)
    return records


def _loaded(pool, paths, description):
    """Yields batches of `LoadedImage`; the next one is read meanwhile."""

    def load(start):
        batch = paths[start : start + BATCH_SIZE]
        return [pool.submit(_load, path, description) for path in batch]

    following = load(0)
    for start in range(0, len(paths), BATCH_SIZE):
        images = [future.result() for future in following]
        following = load(start + BATCH_SIZE)
        yield images


def _load(path, description):
    try:
        image = read_image(path)
    except DataError as error:
        return LoadedImage(path, str(error))
    height, width = image.shape[:2]
    shrunk, factor = drawing.shrink(image, DRAWING_SIDE)
    side, rule = description.input_size, description.protocol.warp
    warped = warp(image, side, rule).numpy()
    return LoadedImage(path, "", (width, height), warped, shrunk, factor)


def _localize(model, images, class_id, threshold):
    """Dictionary of outputs for each image; `None` for one not read.

    Boxes are in pixels of the images as given.
    """
    read = [image for image in images if not image.error]
    if not read:
        return [None] * len(images)
    outputs = model(
        np.stack([image.warped for image in read]),
        np.full(len(read), -1 if class_id is None else class_id),
        threshold,
    )
    ends = np.float32([[*image.size, *image.size] for image in read])
    boxes = outputs["box"] * (ends / model.description.input_size)
    outputs["box"] = np.minimum(boxes, ends)
    rows = zip(*outputs.values())
    each = (dict(zip(outputs, row)) for row in rows)
    return [None if image.error else next(each) for image in images]


def _record(image, outputs, class_names):
    if image.error:
        return {"image": image.path, "error": image.error}
    class_id = int(outputs["class_id"])
    x0, y0, x1, y1 = box = [round(float(v), 2) for v in outputs["box"]]
    width, height = image.size
    return {
        "image": image.path,
        "class_id": class_id,
        "class_name": class_names[class_id],
        "probability": float(outputs["probability"]),
        "box": box,
        "share": (x1 - x0) * (y1 - y0) / (width * height),
    }


def _write_drawings(folder, record, image, heatmap):
    """Heatmap and drawings of an image; the record gets the heatmap's path."""
    name = record["name"]
    record["heatmap"] = f"heatmaps/{name}.npy"
    np.save(os.path.join(folder, record["heatmap"]), heatmap)
    box = [value * image.factor for value in record["box"]]
    for kind, drawn in (
        ("image", image.shrunk),
        ("heatmap", drawing.overlay_heatmap(image.shrunk, heatmap)),
    ):
        path = os.path.join(folder, "drawings", f"{name}_{kind}.jpg")
        drawn = drawing.draw_box(drawn, box, drawing.ESTIMATE)
        drawing.write_image(path, drawn)


def _mask(description, threshold, outputs, size):
    """uint8 array: 255 above the threshold at the size of the image, else 0."""
    if threshold is None:
        threshold = description.threshold
    heatmap, to_levels = outputs["heatmap"], description.protocol.to_levels
    # The heatmap's own highest level: enlarged, it may be less.
    cutoff = cutoffs(to_levels(heatmap), [threshold])[0]
    enlarged = np.clip(cv2.resize(heatmap, size), 0, 1)
    return np.where(to_levels(enlarged) > cutoff, 255, 0).astype(np.uint8)


def _write_page(path, records, title, looked_for):
    for record in records:
        record["file_name"] = os.path.basename(record["image"])
    text = template("prediction.html").render(
        title=title, records=records, looked_for=looked_for
    )
    # Names of files need not be UTF-8.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
