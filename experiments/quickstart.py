"""The main job in a few minutes: train ADL, score it, export it, look at it.

    python -m experiments.quickstart

Runs the commands that it prints, one after the other, and names the pages to
open. Everything goes to runs/quickstart; started again, it continues where it
was. Flags of adl_tf.train are passed on.
"""

import json
import os
import shlex
import subprocess
import sys
import time

RUN = os.path.join("runs", "quickstart")
SAVED_MODEL = os.path.join(RUN, "saved_model")
IMAGES = os.path.join(RUN, "images")
DATA = os.path.join("data", "synthetic_birds", "download")
FLAGFILE = os.path.join(os.path.dirname(__file__), "quickstart_adl.cfg")


def main():
    if {"--help", "-h"} & set(sys.argv):
        print(__doc__.strip())
        return
    started = time.monotonic()
    workdir = f"--workdir={RUN}"
    flagfile = f"--flagfile={os.path.relpath(FLAGFILE)}"
    data_dir = f"--data_dir={DATA}"
    _run("1/5 train", "train", flagfile, data_dir, workdir, *sys.argv[1:])
    _run("2/5 score", "evaluate", workdir)
    _run("3/5 export", "export", workdir, f"--output_dir={SAVED_MODEL}")
    _run(
        "4/5 localise",
        "predict",
        f"--saved_model={SAVED_MODEL}",
        # Ten images that training did not see, one of each class.
        f"--images={os.path.join(DATA, 'test', '0000*.jpg')}",
        f"--output_dir={IMAGES}",
        "--title=Birds found by a classifier",
    )
    _run("5/5 report", "report", workdir)
    with open(os.path.join(RUN, "metrics.json"), encoding="utf-8") as file:
        metrics = json.load(file)
    best = metrics["best_tau"]
    report = os.path.abspath(os.path.join(RUN, "report", "index.html"))
    page = os.path.abspath(os.path.join(IMAGES, "index.html"))
    print(
        f"\nDone in {time.monotonic() - started:.0f} s. Trained on class names "
        f"alone, the network names {metrics['top1_clas']:.0f} % of the birds "
        f"and boxes {best['gt_known_loc']:.0f} % of them (threshold "
        f"{best['tau']:g}).\nEvery test image, at any threshold: {report}\n"
        f"Ten of them, as the exported model localises them: {page}"
    )


def _run(title, command, *flags):
    module = f"adl_tf.{command}"
    print(f"\n== {title}: {shlex.join(['python', '-m', module, *flags])}")
    sys.stdout.flush()
    status = subprocess.run([sys.executable, "-m", module, *flags]).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
