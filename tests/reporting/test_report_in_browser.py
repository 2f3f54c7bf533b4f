"""The page as a person uses it, in Chromium without a window."""

import json
import os
import shutil
import time

import pytest

from adl_tf.localization.boxes import box_iou
from adl_tf.reporting.gallery import gallery
from adl_tf.reporting.report import write_report
from tests.reporting.conftest import CLASSES, COUNT, HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs Chromium and its driver (chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless", "no-sandbox", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.add_argument("--disable-dev-shm-usage")
    options.add_argument("--window-size=1280,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def report(scored, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path, _ = write_report(scored.runs, str(folder))
    return f"file://{path}"


@pytest.fixture
def page(browser, report):
    """The page, opened anew, which must leave nothing on the console."""
    browser.get_log("browser")
    browser.get(report)
    yield Page(browser)
    assert browser.get_log("browser") == []


class Page:
    """What a person does to the page, and sees."""

    def __init__(self, browser):
        self.browser = browser

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def move(self, place):
        """Drags the slider and lets go."""
        self.run(
            """const slider = document.getElementById("threshold");
            slider.value = arguments[0];
            slider.dispatchEvent(new Event("input"));
            slider.dispatchEvent(new Event("change"));""",
            place,
        )

    def select(self, name, value):
        self.run(
            """const list = document.getElementById(arguments[0]);
            list.value = arguments[1];
            list.dispatchEvent(new Event("change"));""",
            name,
            str(value),
        )
        assert self.one(f"#{name}").get_property("value") == str(value)

    def numbers(self, selector):
        return [
            float(each.get_attribute("value"))
            for each in self.all(f"{selector} data")
        ]

    def names(self):
        return [each.text for each in self.all("#gallery .file")]

    def boxes(self, run=0):
        """x0, y0, x1, y1 of the green box of each image."""
        return self.run(
            """const cards = [...document.querySelectorAll("#gallery li")];
            return cards.map((li) => {
              const box = li.querySelectorAll(".estimate")[arguments[0]];
              const [x, y, w, h] = ["x", "y", "width", "height"].map(
                (name) => Number(box.getAttribute(name)));
              return [x, y, x + w, y + h];
            });""",
            run,
        )


@pytest.fixture(scope="module")
def data(scored):
    return gallery(scored.runs)[0]


def box_at(entry, place):
    return [box for first, *box in entry["boxes"] if first <= place][-1]


@pytest.mark.parametrize("number", [0, 1])
def test_slider_moves_every_box_and_the_numbers(page, data, scored, number):
    evaluation = data["evaluations"][number]
    page.select("evaluation", number)
    last = len(evaluation["thresholds"]) - 1
    for place in (0, last // 5, last // 2, last):
        page.move(place)
        shown = float(page.one("#threshold-value").text)
        assert shown == evaluation["thresholds"][place]
        expected = []
        for at, run in enumerate(scored.runs):
            metrics = run.evaluations[evaluation["name"]].metrics
            curve = metrics["curve"]
            expected += [curve["gt_known_loc"][place], curve["top1_loc"][place]]
            entries = evaluation["runs"][at]["entries"]
            assert page.boxes(at) == [box_at(e, place) for e in entries]
            # The same again, counted from the boxes that are shown.
            page.select("run", at)
            assert page.numbers("#shown") == pytest.approx(expected[-2:])
        assert page.numbers("#numbers") == expected


def test_slider_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    slider = page.one("#threshold")
    before = page.one("#threshold-value").text
    slider.send_keys(Keys.ARROW_RIGHT)
    after = page.one("#threshold-value").text
    assert float(after) == pytest.approx(float(before) + 0.05)
    assert slider.get_attribute("aria-valuetext") == after
    slider.send_keys(Keys.HOME)
    assert page.one("#threshold-value").text == "0.05"


def test_marks_jump_to_their_thresholds(page, data):
    marks = data["evaluations"][0]["marks"]
    buttons = page.all("#marks button")
    assert [button.text for button in buttons] == [m["label"] for m in marks]
    buttons[-1].click()
    value = page.one("#threshold").get_property("value")
    assert int(value) == marks[-1]["place"]
    assert buttons[-1].get_attribute("aria-pressed") == "true"


def test_the_line_in_the_chart_goes_along(page):
    def place():
        return page.one(".marker").get_attribute("transform")

    page.move(0)
    first = place()
    page.move(18)
    assert place() != first


def test_filters(page, data):
    evaluation = data["evaluations"][0]
    run = evaluation["runs"][1]
    place = 4
    page.move(place)
    page.select("run", 1)
    outcomes = {
        (right, hit): set() for right in (False, True) for hit in (False, True)
    }
    for image, entry in zip(data["images"], run["entries"]):
        overlap = box_iou([box_at(entry, place)], entry["truth"]).max()
        outcomes[entry["right"], bool(overlap >= 0.5)].add(image["name"])
    for value, outcome in (
        ("both", (True, True)),
        ("box", (True, False)),
        ("class", (False, True)),
        ("neither", (False, False)),
    ):
        page.select("outcome", value)
        assert set(page.names()) == outcomes[outcome]
        assert (
            f"{len(outcomes[outcome])} of {COUNT} images."
            in page.one("#shown").text
        )
    page.select("outcome", "all")
    for number in range(len(CLASSES)):
        page.select("class", number)
        wanted = [p["name"] for p in data["images"] if p["class"] == number]
        assert page.names() == wanted
    page.select("class", "")
    assert len(page.names()) == COUNT


def test_a_filter_follows_the_threshold(page):
    page.select("outcome", "hit")
    for place in (2, 6, 18):
        page.move(place)
        share = page.numbers("#numbers")[0]
        assert len(page.names()) == round(share * COUNT / 100)


def test_images_that_one_run_alone_boxes(page, data):
    place = 4
    page.move(place)
    page.select("run", 1)
    page.select("outcome", "gained")
    heads, wholes = (
        {
            image["name"]
            for image, entry in zip(data["images"], run["entries"])
            if box_iou([box_at(entry, place)], entry["truth"]).max() >= 0.5
        }
        for run in data["evaluations"][0]["runs"]
    )
    assert wholes - heads
    assert set(page.names()) == wholes - heads


def test_sort_by_overlap(page, data):
    run = data["evaluations"][0]["runs"][0]
    page.move(3)
    overlaps = {
        image["name"]: box_iou([box_at(entry, 3)], entry["truth"]).max()
        for image, entry in zip(data["images"], run["entries"])
    }
    assert len(set(overlaps.values())) > COUNT / 2
    page.select("order", "worst")
    shown = [overlaps[name] for name in page.names()]
    assert shown == sorted(shown)
    page.select("order", "best")
    shown = [overlaps[name] for name in page.names()]
    assert shown == sorted(shown, reverse=True)
    page.select("order", "set")
    assert page.names() == list(overlaps)


def test_hostile_names_are_shown_and_harmless(page):
    assert page.names()[0] == HOSTILE
    headings = {each.text for each in page.all("#gallery h3")}
    assert headings == set(CLASSES)
    options = {each.text for each in page.all("#class option")}
    assert options == {"all", *CLASSES}
    assert not page.all("img[onerror]")
    # An alert would block the page and raise here.
    assert page.run("return document.querySelectorAll('script').length") == 2


def test_images_are_decoded_and_heatmaps_painted(page):
    page.one("#gallery").location_once_scrolled_into_view  # noqa: B018
    deadline = time.monotonic() + 10
    ready = False
    while not ready and time.monotonic() < deadline:
        time.sleep(0.1)
        ready = page.run(
            "return document.querySelector('#gallery img').naturalWidth === 64"
        )
    assert ready
    brightest = """const canvas = document.querySelector("#gallery canvas");
        const image = canvas.getContext("2d").getImageData(
          0, 0, canvas.width, canvas.height).data;
        let red = 0, blue = 0;
        for (let i = 0; i < image.length; i += 4) {
          if (image[i] > 150 && image[i + 2] < 80) red += 1;
          if (image[i + 2] > 100 && image[i] < 80) blue += 1;
        }
        return [red, blue];"""
    red, blue = page.run(brightest)
    assert 0 < red < blue
    opacity = """return getComputedStyle(
        document.querySelector("#gallery canvas")).opacity"""
    assert page.run(opacity) == "0.5"
    page.one("#heatmaps").send_keys(" ")
    assert page.run(opacity) == "0"


def test_everything_has_a_name_for_those_who_cannot_see(page):
    for control in page.all("input, select, button"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    for selector in ("#numbers", "#shown"):
        assert page.one(selector).get_attribute("aria-live") == "polite"
    for image in page.all("#gallery img"):
        assert image.get_attribute("alt")
    for chart in page.all("svg.chart"):
        assert chart.accessible_name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_fits_phones_and_desks_by_day_and_night(browser, report, width, scheme):
    commands = {
        "Emulation.setDeviceMetricsOverride": {
            "width": width,
            "height": 800,
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        },
        "Emulation.setEmulatedMedia": {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]
        },
    }
    for name, arguments in commands.items():
        browser.execute_cdp_cmd(name, arguments)
    try:
        browser.get(report)
        page = Page(browser)
        assert page.run("return document.documentElement.scrollWidth") <= width
        paper, ink = (
            sum(json.loads(f"[{colour[4:-1]}]"))
            for colour in page.run(
                """const style = getComputedStyle(document.body);
                return [style.backgroundColor, style.color];"""
            )
        )
        assert abs(paper - ink) > 400
        assert (paper > ink) == (scheme == "light")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
