"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.evaluations.length) return;
  const find = (id) => document.getElementById(id);
  const slider = find("threshold");
  const state = { evaluation: data.evaluations[0], place: 0, run: 0 };
  let cards = [];

  // ---- Arithmetic: as adl_tf.localization.boxes.box_iou, ends included.

  function overlap(a, b) {
    const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + 1;
    const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + 1;
    const shared = Math.max(width, 0) * Math.max(height, 0);
    const area = (box) => (box[2] - box[0] + 1) * (box[3] - box[1] + 1);
    return shared / (area(a) + area(b) - shared);
  }

  // A row of `boxes` holds from its threshold on until the next row.
  function rowAt(entry, place) {
    let low = 0, high = entry.boxes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (entry.boxes[middle][0] <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // What is true of an image under a run at a threshold.
  function judge(run, entry, place) {
    if (!entry) return null;
    const known = entry.truth.length > 0;
    if (!entry.boxes.length) {
      return { box: null, iou: 0, hit: false, right: entry.right, known };
    }
    entry.overlaps ??= entry.boxes.map((row) =>
      Math.max(0, ...entry.truth.map((truth) => overlap(row.slice(1), truth))));
    const row = rowAt(entry, place);
    const iou = entry.overlaps[row];
    return { box: entry.boxes[row].slice(1), iou, hit: iou >= run.min_iou,
             right: entry.right, known };
  }

  // ---- Elements

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  const percent = (value) => make("data", { value }, `${value.toFixed(1)} %`);

  function makeSvg(name, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) {
      element.setAttribute(key, value);
    }
    return element;
  }

  function setBox(rectangle, box) {
    rectangle.setAttribute("x", box ? box[0] : 0);
    rectangle.setAttribute("y", box ? box[1] : 0);
    rectangle.setAttribute("width", box ? box[2] - box[0] : 0);
    rectangle.setAttribute("height", box ? box[3] - box[1] : 0);
  }

  const jet = Array.from({ length: 256 }, (_, level) =>
    [3, 2, 1].map((centre) => 255 * Math.min(1, Math.max(0,
      1.5 - Math.abs((4 * level) / 255 - centre)))));

  // Enlarged as numbers and coloured then, or colours would be mixed.
  function paint(canvas, encoded, side) {
    const levels = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
    const size = 4 * side;
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
    const axis = Array.from({ length: size }, (_, i) => {
      const at = Math.min(side - 1, Math.max(0, (i + 0.5) / 4 - 0.5));
      const low = Math.floor(at);
      return [low, Math.min(low + 1, side - 1), at - low];
    });
    axis.forEach(([top, bottom, v], y) => axis.forEach(([left, right, u], x) => {
      const above = levels[top * side + left] * (1 - u) + levels[top * side + right] * u;
      const below = levels[bottom * side + left] * (1 - u) + levels[bottom * side + right] * u;
      const colour = jet[Math.round(above * (1 - v) + below * v)];
      image.data.set([...colour, 255], 4 * (y * size + x));
    }));
    context.putImageData(image, 0, 0);
  }

  // Not rounded: 0.499 is no 0.50.
  const cut = (value) => (Math.floor(100 * value) / 100).toFixed(2);

  // Lines may break within long names.
  const breakable = (text) => text.split(/(?<=[_/])/)
    .flatMap((part) => [part, make("wbr")]);

  function makeView(image, run, entry, name) {
    const view = make("div", { class: "view" });
    const words = make("figcaption");
    const figure = make("figure", {}, view, words);
    const shown = make("img", {
      alt: `${image.name}, ${data.classes[image.class]}`, decoding: "async",
    });
    shown.style.width = shown.style.height = `${100 / run.crop}%`;
    shown.style.left = shown.style.top = `${-50 * (1 / run.crop - 1)}%`;
    const canvas = make("canvas", { "aria-hidden": "true" });
    const drawing = makeSvg("svg", {
      viewBox: `0 0 ${run.size} ${run.size}`, "aria-hidden": "true",
    });
    for (const truth of entry.truth) {
      for (const kind of ["shade", "truth"]) {
        const rectangle = makeSvg("rect", { class: kind });
        setBox(rectangle, truth);
        drawing.append(rectangle);
      }
    }
    const estimates = ["shade", "estimate"].map((kind) => makeSvg("rect", { class: kind }));
    drawing.append(...estimates);
    view.append(shown, canvas, drawing);
    if (data.runs.length > 1) words.append(make("span", { class: "name" }, ...breakable(name)));
    const box = make("span"), answer = make("span");
    words.append(box, answer);
    if (entry.predicted !== undefined) {
      const sure = entry.probability === undefined
        ? "" : `, ${Math.round(100 * entry.probability)}\u00a0%`;
      answer.className = entry.right ? "right" : "wrong";
      answer.textContent = `${entry.right ? "class" : `named ${entry.predicted}`}${sure}`;
    }
    return {
      figure,
      show() {
        if (image.source) shown.src = image.source;
        paint(canvas, entry.heatmap, run.heatmap_side);
      },
      update(judged) {
        for (const rectangle of estimates) setBox(rectangle, judged.box);
        if (!judged.known) return;
        box.className = judged.hit ? "right" : "wrong";
        box.textContent = judged.box
          ? `box, IoU ${cut(judged.iou)}` : "no heatmap";
      },
    };
  }

  function makeCard(index, number) {
    const image = data.images[number];
    const views = state.evaluation.runs.map((run, at) =>
      run && run.entries[index]
        ? makeView(image, run, run.entries[index], data.runs[at]) : null);
    const element = make("li", {},
      make("h3", {}, ...breakable(data.classes[image.class])),
      make("p", { class: "file" }, ...breakable(image.name)),
      make("div", { class: "views" },
        ...views.filter(Boolean).map((view) => view.figure)));
    const card = { index, image, views, element, seen: false };
    element.card = card;
    return card;
  }

  // Images are decoded when they come near.
  const observer = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (!isIntersecting || target.card.seen) continue;
      target.card.seen = true;
      observer.unobserve(target);
      target.card.views.forEach((view) => view && view.show());
    }
  }, { rootMargin: "800px" });

  // ---- What changes

  function judgeAll() {
    for (const card of cards) {
      card.judged = state.evaluation.runs.map((run) =>
        run && judge(run, run.entries[card.index], state.place));
    }
  }

  function moveThreshold() {
    const { evaluation } = state;
    state.place = Number(slider.value);
    const threshold = evaluation.thresholds[state.place];
    const text = threshold.toFixed(evaluation.thresholds.length > 100 ? 3 : 2);
    slider.setAttribute("aria-valuetext", text);
    find("threshold-value").textContent = text;
    for (const button of find("marks").children) {
      button.setAttribute("aria-pressed", Number(button.value) === state.place);
    }
    find("numbers").replaceChildren(...evaluation.runs.flatMap((run, at) => {
      if (!run) return [];
      const parts = [];
      if (data.runs.length > 1) {
        parts.push(make("span", { class: `swatch run${at}` }),
          make("span", { class: "name" }, data.runs[at]));
      }
      for (const [label, curve] of [
        ["GT-known Loc", run.gt_known_loc], ["Top-1 Loc", run.top1_loc],
      ]) {
        if (!curve) continue;
        parts.push(make("span", { class: "number" }, `${label} `,
          percent(curve[state.place])));
      }
      return [make("div", {}, ...parts)];
    }));
    for (const section of document.querySelectorAll(".evaluation")) {
      const chart = section.querySelector("svg");
      if (!chart || section.dataset.name !== evaluation.name) continue;
      const { left, right, first, last } = chart.dataset;
      const x = Number(left) + ((threshold - first) / (last - first)) * (right - left);
      chart.querySelector(".marker").setAttribute("transform", `translate(${x})`);
    }
    judgeAll();
    for (const card of cards) {
      card.judged.forEach((judged, at) => {
        if (judged && card.views[at]) card.views[at].update(judged);
      });
    }
    count();
  }

  const outcomes = {
    all: ["all", () => true],
    both: ["right class, right box", (own) => own.right && own.hit],
    box: ["right class, wrong box", (own) => own.right && !own.hit],
    class: ["wrong class, right box", (own) => !own.right && own.hit],
    neither: ["wrong class, wrong box", (own) => !own.right && !own.hit],
    hit: ["right box", (own) => own.hit],
    miss: ["wrong box", (own) => !own.hit],
    gained: ["right box, here alone",
      (own, others) => own.hit && others.length && !others.some((o) => o.hit)],
    lost: ["wrong box, here alone",
      (own, others) => !own.hit && others.length && others.every((o) => o.hit)],
  };

  const orders = {
    set: ["as in the test set", (a, b) => a.index - b.index],
    worst: ["lowest IoU first", (a, b) => iou(a) - iou(b) || a.index - b.index],
    best: ["highest IoU first", (a, b) => iou(b) - iou(a) || a.index - b.index],
    gap: ["largest gain over the others first",
      (a, b) => gap(b) - gap(a) || a.index - b.index],
  };

  function iou(card) {
    const own = card.judged[state.run];
    return own ? own.iou : -1;
  }

  function gap(card) {
    const others = card.judged.filter((each, at) => each && at !== state.run);
    return iou(card) - Math.max(...others.map((each) => each.iou), 0);
  }

  function choose() {
    const wanted = find("class").value;
    const [, passes] = outcomes[find("outcome").value];
    const [, compare] = orders[find("order").value];
    state.run = Number(find("run").value);
    const kept = cards.filter((card) => {
      if (wanted !== "" && card.image.class !== Number(wanted)) return false;
      const own = card.judged[state.run];
      if (!own) return find("outcome").value === "all";
      return passes(own, card.judged.filter((each, at) => each && at !== state.run));
    }).sort(compare);
    const gallery = find("gallery");
    gallery.replaceChildren(...kept.map((card) => card.element));
    state.kept = kept;
    count();
  }

  function count() {
    const { kept, evaluation, run } = state;
    if (!kept) return;
    const total = evaluation.runs.find(Boolean).count;
    const line = find("shown");
    const many = (n) => `${n} ${n === 1 ? "image" : "images"}`;
    line.replaceChildren(kept.length === total
      ? `All ${many(total)}.` : `${kept.length} of ${many(total)}.`);
    const judged = kept.map((card) => card.judged[run]).filter(Boolean);
    if (!judged.length) return;
    const of = data.runs.length > 1 ? ` (${data.runs[run]})` : "";
    const share = (passes) =>
      percent((100 * judged.filter(passes).length) / judged.length);
    line.append(` Of these${of}, right boxes: `, share((each) => each.hit));
    if (judged[0].right !== undefined) {
      line.append(", right class and box: ",
        share((each) => each.hit && each.right));
    }
    line.append(".");
  }

  function openEvaluation() {
    const evaluation = data.evaluations[Number(find("evaluation").value)];
    state.evaluation = evaluation;
    state.kept = null;
    slider.max = evaluation.thresholds.length - 1;
    slider.value = evaluation.marks.length ? evaluation.marks[0].place : 0;
    find("marks").replaceChildren(...evaluation.marks.map((mark) => {
      const button = make("button", { type: "button", value: mark.place }, mark.label);
      button.addEventListener("click", () => {
        slider.value = mark.place;
        moveThreshold();
        choose();
      });
      return button;
    }));
    const present = evaluation.runs.filter(Boolean).length;
    find("gallery").style.setProperty("--views", present);
    if (!evaluation.runs[Number(find("run").value)]) {
      find("run").value = evaluation.runs.findIndex(Boolean);
    }
    for (const card of cards) observer.unobserve(card.element);
    cards = evaluation.images.map((number, index) => makeCard(index, number));
    for (const card of cards) observer.observe(card.element);
    for (const marker of document.querySelectorAll(".marker")) {
      const chart = marker.closest(".evaluation");
      marker.style.visibility = chart.dataset.name === evaluation.name ? "" : "hidden";
    }
    moveThreshold();
    choose();
  }

  function fill(id, options) {
    find(id).replaceChildren(
      ...options.map(([value, text]) => make("option", { value }, text)));
  }

  // ---- Start

  const classAnswers = data.evaluations.some((evaluation) =>
    evaluation.runs.some((run) => run && run.top1_loc));
  const needsClass = ["both", "box", "class", "neither"];
  const needsOthers = ["gained", "lost", "gap"];
  const offered = (table) => Object.entries(table)
    .filter(([key]) => classAnswers || !needsClass.includes(key))
    .filter(([key]) => data.runs.length > 1 || !needsOthers.includes(key))
    .map(([key, [text]]) => [key, text]);
  fill("evaluation", data.evaluations.map(({ name }, at) => [at, name]));
  fill("run", data.runs.map((name, at) => [at, name]));
  fill("class", [["", "all"], ...data.classes.map((name, at) => [at, name])]);
  fill("outcome", offered(outcomes));
  fill("order", offered(orders));
  // While it is dragged the boxes move; images change places at the end.
  slider.addEventListener("input", moveThreshold);
  slider.addEventListener("change", choose);
  find("evaluation").addEventListener("change", openEvaluation);
  for (const id of ["run", "class", "outcome", "order"]) {
    find(id).addEventListener("change", choose);
  }
  find("heatmaps").addEventListener("change", (event) => {
    find("gallery").classList.toggle("with-heatmaps", event.target.checked);
  });
  for (const form of document.forms) {
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  openEvaluation();
})();
