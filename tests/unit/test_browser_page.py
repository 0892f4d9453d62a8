"""The page of Learn that computes in the browser, driven in a headless one."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import javascript

DOCS = Path(__file__).resolve().parents[2] / "docs"
LESSON = DOCS / "learn" / "plot_14_browser.py"

pytest.importorskip("sklearn")

# Each digit as strokes, which are points x,y in hundredths of the paper.
STROKES = {
    0: ["50,10 28,25 25,55 35,85 52,90 70,80 75,50 70,20 50,10"],
    1: ["35,30 55,10 55,90"],
    2: ["28,25 45,10 65,15 68,35 50,60 27,88 75,88"],
    3: ["30,15 55,10 68,25 50,45 70,65 60,88 30,88"],
    4: ["50,10 25,60 75,60", "62,40 58,92"],
    5: ["70,10 35,10 32,45 60,45 70,65 60,88 30,88"],
    6: ["60,10 38,35 30,70 45,90 66,80 62,58 40,58 31,70"],
    7: ["28,12 72,12 45,90", "35,50 70,50"],
    8: ["50,48 35,30 50,10 66,28 35,70 50,90 66,72 50,48"],
    9: ["66,30 50,10 33,30 50,48 66,30 62,60 50,90"],
}

# Sliders are moved, an input is dragged, digits are drawn and taken away; the page's numbers are printed.
DRIVER = """
const printed = document.getElementById("printed"), found = { answers: {} };
const all = (selector) => [...document.querySelectorAll(selector)];
const numbers = (selector) => all(selector).map((each) => Number(each.textContent));
const pointer = (type, clientX, clientY) => new PointerEvent(type, { clientX, clientY, bubbles: true });
const values = () => ({ units: numbers(".fm-unit text"), bars: numbers(".fm-forward .fm-value") });
found.first = values();
found.weights = numbers(".fm-weight");
const slider = document.querySelectorAll(".fm-sliders input")[0];
slider.value = -2;
slider.dispatchEvent(new Event("input"));
found.moved = values();
const input = document.querySelectorAll(".fm-input")[1];
for (const [type, y] of [["pointerdown", 100], ["pointermove", 50], ["pointerup", 50], ["pointermove", 0]])
  input.dispatchEvent(pointer(type, 10, y));
found.dragged = values();

const paper = document.querySelector(".fm-paper"), box = paper.getBoundingClientRect();
const place = ([x, y]) => [box.left + (x * box.width) / 100, box.top + (y * box.height) / 100];
const answer = () => document.querySelector(".fm-answer").textContent;
found.before = answer();
for (const [digit, strokes] of Object.entries(STROKES)) {
  document.querySelector(".fm-digit button").click();
  for (const words of strokes) {
    const stroke = words.split(" ").map((word) => word.split(",").map(Number));
    paper.dispatchEvent(pointer("pointerdown", ...place(stroke[0])));
    for (const point of stroke) paper.dispatchEvent(pointer("pointermove", ...place(point)));
    paper.dispatchEvent(pointer("pointerup", ...place(stroke.at(-1))));
  }
  found.answers[digit] = answer();
}
found.probabilities = numbers(".fm-digit .fm-value");
found.seen = [...document.querySelector(".fm-seen").getContext("2d").getImageData(0, 0, 8, 8).data];
document.querySelector(".fm-digit button").click();
found.after = answer();
printed.textContent = JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def lesson():
    return runpy.run_path(str(LESSON))


@pytest.fixture(scope="module")
def found(lesson, tmp_path_factory):
    """What the page said while it was driven."""
    javascript.browser()
    text = LESSON.read_text("utf-8")
    boxes = "\n".join(line[1:] for line in re.findall(r"^#     (?:.+)$", text, re.MULTILINE))
    assert boxes.count("<div") == 2
    networks = [lesson["InThePage"](name, lesson[name])._repr_html_() for name in ("small", "digits")]
    driver = f"const STROKES = {json.dumps(STROKES)};\n{DRIVER}"
    scripts = [  # in the order of the site's page
        f"<style>{(DOCS / '_static/learn.css').read_text('utf-8')}</style>",
        f"<script>{(DOCS / '_static/learn.js').read_text('utf-8')}</script>",
        boxes,
        *networks,
        '<pre id="printed"></pre>',
        f'<script>document.addEventListener("DOMContentLoaded", () => {{{driver}}});</script>',
    ]
    page = "\n".join(scripts)
    return json.loads(javascript.printed(page, tmp_path_factory.mktemp("page")))


def assert_shows(values, net, x):
    """The inputs, what each layer gives, and the outputs once more as bars; three digits of each."""
    layers = net.forward(np.array(x, "float32"))
    np.testing.assert_allclose(values["units"], np.concatenate([x, *layers]), atol=6e-4)
    np.testing.assert_allclose(values["bars"], layers[-1], atol=6e-4)


def test_the_forward_pass_is_that_of_the_network(found, lesson):
    assert_shows(found["first"], lesson["small"], [1.0, 0.5])
    products = lesson["small"].get_weights()[::2]
    np.testing.assert_allclose(found["weights"], np.concatenate([W.ravel() for W in products]), atol=6e-4)


def test_inputs_move_by_sliders_and_by_dragging(found, lesson):
    assert_shows(found["moved"], lesson["small"], [-2.0, 0.5])
    assert_shows(found["dragged"], lesson["small"], [-2.0, 1.5])  # 50 pixels up, and none after the release


def test_a_drawn_digit_is_recognised(found):
    assert found["answers"] == {str(digit): str(digit) for digit in STROKES}
    assert found["before"] == found["after"] == "?"


def test_the_drawing_becomes_pixels_as_the_data_has_them(found, lesson):
    grey = np.array(found["seen"]).reshape(8, 8, 4)
    assert (grey[..., 3] == 255).all()
    pixels = np.round((255 - grey[..., 0]) * 16 / 255)
    assert pixels.max() == 16 and 200 < pixels.sum() < 420  # 310 on average in the data
    assert pixels[0].any() and pixels[7].any(), "the digit is as high as the picture"
    expected = lesson["digits"].predict(pixels.ravel())
    np.testing.assert_allclose(found["probabilities"], expected, atol=6e-4)
