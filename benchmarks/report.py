"""How long does the page of `adl_tf.report` take to open?

    python -m benchmarks.report --page=runs/adl/report/index.html

Claim: with 500 images, under 20 MB and under 2 seconds, until everything is
there and the first image is painted, in Chromium without a window (Debian's
packages chromium and chromium-driver). Chromium is started for each round.
"""

import os
import shutil
import statistics

from absl import flags as absl_flags

from adl_tf import command
from adl_tf.errors import UsageError
from benchmarks.timing import machine

absl_flags.DEFINE_string("page", None, "index.html that adl_tf.report wrote.")
absl_flags.DEFINE_integer("rounds", 7, "How often it is opened.", 1)

# Milliseconds since the browser was asked for the page, once the frame that
# has its images is on the screen.
OPENED = """
const answer = arguments[arguments.length - 1];
const image = document.querySelector("#gallery img");
image.scrollIntoView();
const wait = () => image.complete && image.naturalWidth
  ? requestAnimationFrame(() => setTimeout(() => answer(performance.now())))
  : setTimeout(wait, 5);
wait();
"""


def main(values):
    if not values.page:
        raise UsageError("--page is needed")
    page = os.path.abspath(values.page)
    if not os.path.isfile(page):
        raise UsageError(f"--page={values.page}: there is no such file")
    loaded, opened = [], []
    for _ in range(values.rounds):
        browser = _browser()
        try:
            browser.get(f"file://{page}")
            opened.append(browser.execute_async_script(OPENED))
            loaded.append(
                browser.execute_script(
                    "return performance.getEntriesByType('navigation')[0]"
                    ".loadEventEnd"
                )
            )
            count = browser.execute_script(
                "return document.querySelectorAll('#gallery img').length"
            )
        finally:
            browser.quit()
    print(machine())
    size = os.path.getsize(page) / 1e6
    print(f"{size:.1f} MB, {count} views of images")
    for name, times in (("loaded", loaded), ("painted", opened)):
        print(
            f"{name}: median {statistics.median(times):.0f} ms, "
            f"{min(times):.0f} to {max(times):.0f}"
        )


def _browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("headless", "no-sandbox", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1280,1000")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


if __name__ == "__main__":
    command.run(main, "benchmarks.report", ("page", "rounds"))
