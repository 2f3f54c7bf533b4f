"""What do box and heatmap cost in the exported model, and `adl_tf.predict`?

    python -m benchmarks.savedmodel --images='CUB_200_2011/images/*/*_000*.jpg'

Claims: from JPEG to box takes at most 1.15 times as long as from JPEG to class
probabilities with the same network, at batch sizes 1 and 32; and
`adl_tf.predict`, with its drawings, keeps 0.9 of the SavedModel's own images a
second, once the model is loaded. Weights are random: time is the same.
"""

import os
import tempfile

import numpy as np
from absl import flags as absl_flags

from adl_tf import command
from adl_tf.errors import UsageError
from adl_tf.settings import Settings
from benchmarks.timing import Row, alternate, machine, print_rows, ratio

absl_flags.DEFINE_string("images", None, "Images, as for adl_tf.predict.")
absl_flags.DEFINE_list(
    "backbones", ["vgg_gap", "mobilenet_v1"], "Networks to time."
)
absl_flags.DEFINE_integer("rounds", 7, "How often each is timed.", 1)
absl_flags.DEFINE_integer(
    "predicted", 128, "Number of images for adl_tf.predict; 0 leaves it out."
)

BATCH_SIZES = (1, 32)
SIDE = 224


def main(values):
    if not values.images:
        raise UsageError("--images is needed")
    if values.predicted:
        from adl_tf.training.memory import keep_freed_memory

        keep_freed_memory()  # as adl_tf.predict does
    command.load_tensorflow()
    from adl_tf.reporting.images import find_images

    paths, _ = find_images(values.images)
    # Spread over the classes.
    count = max(values.predicted, max(BATCH_SIZES))
    paths = paths[:: max(1, len(paths) // count)][:count]
    print(machine())
    for backbone in values.backbones:
        with tempfile.TemporaryDirectory() as folder:
            saved = os.path.join(folder, "saved")
            print_rows(_time(backbone, paths, saved, values.rounds))
            if values.predicted:
                print_rows(
                    _time_predict(backbone, saved, paths, folder, values.rounds)
                )


def _time(backbone, paths, saved, rounds):
    import tensorflow as tf

    from adl_tf import build_model
    from adl_tf.exported.writing import export

    model = build_model(backbone, num_classes=200, weights=None)
    settings = Settings(workdir=os.path.dirname(saved), input_size=SIDE)
    export(model, saved, [str(n) for n in range(200)], settings, 0.35)
    loaded = tf.saved_model.load(saved)
    localize = loaded.signatures["serving_default"]
    classify = _classifier(model)
    encoded = np.array([open(path, "rb").read() for path in paths], object)

    print(f"{backbone}, TensorFlow {tf.version.VERSION}")
    for batch_size in BATCH_SIZES:
        batches = [
            tf.constant(encoded[start : start + batch_size])
            for start in range(0, len(encoded), batch_size)
        ]
        # As many images in each round of a candidate.
        batches = batches[: 4 if batch_size == 1 else 1]
        seconds = alternate(
            {
                "probabilities": lambda batches=batches: [
                    classify(batch).numpy() for batch in batches
                ],
                "box": lambda batches=batches: [
                    localize(image_bytes=batch)["box"].numpy()
                    for batch in batches
                ],
            },
            rounds,
        )
        count = len(batches) * batch_size
        for name, times in seconds.items():
            each = 1000 * np.median(times) / count
            print(f"  batch {batch_size:2}, JPEG to {name:14} {each:7.1f} ms")
        cost = ratio(seconds, "box", "probabilities")
        yield Row(
            f"SavedModel of {backbone}, bytes to box, batch {batch_size}",
            "bytes to probabilities",
            "at most 1.15 times as long",
            f"{cost:.3f} times as long",
            cost <= 1.15,
        )


def _time_predict(backbone, saved, paths, folder, rounds):
    import tensorflow as tf

    from adl_tf.exported.loading import load_exported
    from adl_tf.reporting.prediction import BATCH_SIZE, predict

    model = load_exported(saved)
    localize = tf.saved_model.load(saved).signatures["serving_default"]

    def bare():
        for start in range(0, len(paths), BATCH_SIZE):
            batch = paths[start : start + BATCH_SIZE]
            encoded = [open(path, "rb").read() for path in batch]
            localize(image_bytes=tf.constant(encoded))["box"].numpy()

    seconds = alternate(
        {
            "SavedModel": bare,
            "predict": lambda: predict(
                model, paths, tempfile.mkdtemp(dir=folder)
            ),
        },
        rounds,
    )
    share = ratio(seconds, "SavedModel", "predict")
    for name, times in seconds.items():
        each = len(paths) / np.median(times)
        print(f"  {name:26} {each:7.1f} images/s")
    yield Row(
        f"adl_tf.predict, {backbone}",
        "SavedModel",
        "at least 0.9 of its images a second",
        f"{share:.2f}",
        share >= 0.9,
    )


def _classifier(model):
    """From JPEG to probabilities, as plainly as TensorFlow does it."""
    import tensorflow as tf

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.round(tf.image.resize(image, (SIDE, SIDE)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def classify(image_bytes):
        images = tf.map_fn(
            decode,
            image_bytes,
            fn_output_signature=tf.TensorSpec((SIDE, SIDE, 3), tf.float32),
        )
        return tf.nn.softmax(model(images, training=False))

    return classify


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.savedmodel",
        ("images", "backbones", "rounds", "predicted"),
    )
