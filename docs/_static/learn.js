/* What the page "A network in the browser" draws into its empty boxes.  `networks` holds modules of export_js by name. */

"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";

  function add(parent, tag, attributes = {}, text = "") {
    const element = parent.namespaceURI === SVG || tag === "svg"
      ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    parent.append(element);
    return element;
  }

  const shown = (value) => value.toFixed(Math.abs(value) < 10 ? 3 : 1);

  // Bars between 0 and 1, one for each name; the result sets them.
  function bars(parent, names) {
    const rows = names.map((name) => {
      const row = add(parent, "div", { class: "fm-bar" });
      add(row, "span", { class: "fm-name" }, name);
      const track = add(row, "span", { class: "fm-track" });
      return { row, fill: add(track, "span", { class: "fm-fill" }), value: add(row, "span", { class: "fm-value" }) };
    });
    return (values) => values.forEach((value, i) => {
      const { row, fill, value: text } = rows[i];
      fill.style.width = `${100 * value}%`;
      text.textContent = value.toFixed(3);
      row.classList.toggle("fm-best", value > 0 && value === Math.max(...values));
    });
  }

  // ---- the forward pass of a small network ----

  // Its dense layers: weights, and what each step gives, the last of which is the layer's.
  function layersOf(steps) {
    const layers = [];
    for (const step of steps) {
      if (step.kind === "product") layers.push({ W: step.W, b: step.b, inputs: step.inputs, units: step.units, steps: [] });
      layers.at(-1).steps.push(step);
    }
    return layers;
  }

  const WIDTH = 640, HEIGHT = 300, RADIUS = 25;
  const LIMIT = 3; // of inputs, to both sides

  function forward(box) {
    const { steps } = networks[box.dataset.network];
    const layers = layersOf(steps), inputs = JSON.parse(box.dataset.inputs);
    const sizes = [inputs.length, ...layers.map((layer) => layer.units)];
    const place = (layer, i) => [
      45 + (layer * (WIDTH - 90)) / layers.length, ((i + 0.5) * HEIGHT) / sizes[layer],
    ];
    const picture = add(add(box, "div", { class: "fm-scroll" }), "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    add(picture, "title", {}, box.dataset.title);
    layers.forEach((layer, l) => drawEdges(picture, layer, (i) => place(l, i), (j) => place(l + 1, j)));
    const units = sizes.map((size, layer) => Array.from({ length: size }, (_, i) => {
      const [x, y] = place(layer, i), unit = add(picture, "g", { class: layer ? "fm-unit" : "fm-unit fm-input" });
      const disc = add(unit, "circle", { cx: x, cy: y, r: RADIUS });
      return { unit, disc, text: add(unit, "text", { x, y: y + 4 }) };
    }));
    const sliders = add(box, "div", { class: "fm-sliders" });
    const controls = inputs.map((value, i) => {
      const label = add(sliders, "label", {}, `x${i + 1}`);
      return add(label, "input", { type: "range", min: -LIMIT, max: LIMIT, step: 0.01, value });
    });
    const setBars = bars(add(box, "div", { class: "fm-bars" }), Array.from({ length: sizes.at(-1) }, (_, j) => `y${j + 1}`));

    function update() {
      let row = Float32Array.from(controls, (control) => Number(control.value));
      show(0, row, Array.from(row, shown));
      layers.forEach((layer, l) => {
        const sums = layer.steps[0](row);
        row = layer.steps.slice(1).reduce((each, step) => step(each), sums);
        show(l + 1, row, Array.from(row, (value, j) => `${shown(sums[j])} → ${shown(value)}`));
      });
      setBars([...row]);
    }

    function show(layer, row, titles) {
      units[layer].forEach(({ unit, disc, text }, i) => {
        text.textContent = shown(row[i]);
        disc.style.fillOpacity = Math.min(0.12 + 0.5 * Math.abs(row[i]), 0.75);
        disc.classList.toggle("fm-below", row[i] < 0);
        (unit.querySelector("title") || add(unit, "title")).textContent = titles[i];
      });
    }

    controls.forEach((control, i) => {
      control.addEventListener("input", update);
      draggable(units[0][i].unit, (up) => {
        control.value = Number(control.value) + up / 50;
        update();
      });
    });
    update();
  }

  // Lines from each input to each unit, as wide as their weights are large, and the weights in words.
  function drawEdges(picture, layer, from, to) {
    const { W, inputs, units } = layer, largest = Math.max(...W.map(Math.abs));
    for (let i = 0; i < inputs; i++)
      for (let j = 0; j < units; j++) {
        const weight = W[i * units + j], [x1, y1] = from(i), [x2, y2] = to(j);
        const kind = weight < 0 ? "fm-edge fm-below" : "fm-edge";
        const [dx, dy] = [x2 - x1, y2 - y1].map((each) => (RADIUS * each) / Math.hypot(x2 - x1, y2 - y1));
        const ends = { x1: x1 + dx, y1: y1 + dy, x2: x2 - dx, y2: y2 - dy };
        add(picture, "line", { ...ends, class: kind, "stroke-width": 0.5 + (3.5 * Math.abs(weight)) / largest });
        const along = 0.25 + 0.13 * i + 0.07 * j; // so that the words of crossing lines stay apart
        const x = x1 + along * (x2 - x1), y = y1 + along * (y2 - y1);
        add(picture, "text", { x, y: y + 3, class: "fm-weight" }, String(Number(weight.toFixed(3))));
      }
  }

  // Calls moved(pixels upwards) while the element is dragged.
  function draggable(element, moved) {
    let last = null;
    element.addEventListener("pointerdown", (event) => {
      last = event.clientY;
      if (event.isTrusted) element.setPointerCapture(event.pointerId); // only the browser's own have a pointer
    });
    element.addEventListener("pointermove", (event) => {
      if (last === null) return;
      moved(last - event.clientY);
      last = event.clientY;
    });
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (last = null));
  }

  // ---- a digit is drawn and recognised ----

  const BITMAP = 32, BLOCK = 4, PEN = 2.1; // pixels; the pen's radius

  // Strokes, lists of points [x, y], as 64 numbers from 0 to 16: the drawing is made as large as a bitmap of 32 x 32
  // allows, and the pixels that are set are counted in blocks of 4 x 4.
  function pixelsOf(strokes) {
    const points = strokes.flat(), [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const room = BITMAP - 2 * PEN, scale = room / Math.max(right - left, bottom - top, 1e-9);
    const placed = strokes.map((stroke) => stroke.map(([x, y]) => [
      BITMAP / 2 + scale * (x - (left + right) / 2), BITMAP / 2 + scale * (y - (top + bottom) / 2),
    ]));
    const counts = new Array((BITMAP / BLOCK) ** 2).fill(0);
    for (let y = 0; y < BITMAP; y++)
      for (let x = 0; x < BITMAP; x++)
        if (placed.some((stroke) => near(stroke, x + 0.5, y + 0.5)))
          counts[Math.floor(y / BLOCK) * (BITMAP / BLOCK) + Math.floor(x / BLOCK)] += 1;
    return counts;
  }

  // Whether a point is under the pen somewhere along the stroke.
  function near(stroke, x, y) {
    return stroke.some(([ax, ay], i) => {
      const [bx, by] = stroke[Math.max(i - 1, 0)], dx = bx - ax, dy = by - ay;
      const length = dx * dx + dy * dy;
      const t = length ? Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / length, 0), 1) : 0;
      return Math.hypot(x - ax - t * dx, y - ay - t * dy) <= PEN;
    });
  }

  function digit(box) {
    const { predict } = networks[box.dataset.network];
    const left = add(box, "div", { class: "fm-paper-side" });
    const paper = add(left, "canvas", { class: "fm-paper", width: 240, height: 240, "aria-label": box.dataset.title });
    const clear = add(left, "button", { type: "button" }, box.dataset.clear);
    const seen = add(box, "canvas", { class: "fm-seen", width: 8, height: 8, role: "img", "aria-label": "8 x 8" });
    const side = add(box, "div", { class: "fm-bars" });
    const answer = add(side, "p", { class: "fm-answer", "aria-live": "polite" });
    const setBars = bars(side, Array.from("0123456789"));
    let strokes = [], drawing = false;

    function update() {
      const pixels = strokes.length ? pixelsOf(strokes) : new Array(64).fill(0);
      paint(seen.getContext("2d"), pixels);
      const given = strokes.length ? [...predict(pixels)] : new Array(10).fill(0);
      setBars(given);
      answer.textContent = strokes.length ? String(given.indexOf(Math.max(...given))) : "?";
      drawStrokes(paper, strokes);
    }

    const at = (event) => {
      const { left: x, top: y, width, height } = paper.getBoundingClientRect();
      return [(event.clientX - x) / width, (event.clientY - y) / height];
    };
    paper.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      if (event.isTrusted) paper.setPointerCapture(event.pointerId);
      drawing = true;
      strokes.push([at(event)]);
      update();
    });
    paper.addEventListener("pointermove", (event) => {
      if (!drawing) return;
      strokes.at(-1).push(at(event));
      update();
    });
    for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => (drawing = false));
    clear.addEventListener("click", () => {
      strokes = [];
      update();
    });
    update();
  }

  // Grey levels of 0 (white) to 16 (black).
  function paint(context, pixels) {
    const image = context.createImageData(8, 8);
    pixels.forEach((count, i) => image.data.set([...new Array(3).fill(255 - (count * 255) / 16), 255], 4 * i));
    context.putImageData(image, 0, 0);
  }

  function drawStrokes(paper, strokes) {
    const context = paper.getContext("2d"), size = paper.width;
    context.clearRect(0, 0, size, size);
    Object.assign(context, { lineWidth: 0.07 * size, lineCap: "round", lineJoin: "round", strokeStyle: "#1c2530" });
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y], i) => (i ? context.lineTo(x * size, y * size) : context.moveTo(x * size, y * size)));
      context.lineTo(stroke.at(-1)[0] * size, stroke.at(-1)[1] * size);
      context.stroke();
    }
  }

  document.addEventListener("DOMContentLoaded", () => { // after the modules, which are the networks
    for (const box of document.querySelectorAll(".fm-forward")) forward(box);
    for (const box of document.querySelectorAll(".fm-digit")) digit(box);
  });
})();
