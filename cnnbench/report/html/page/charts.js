// Dots with intervals, a line a network; and learning curves, a small picture a network.
const COLORS = 8;
const color = (index) => `var(--c${index % COLORS})`;

function key(names) {
  return make("div", { class: "key" }, ...names.map((name, i) => {
    const dot = make("i");
    dot.style.background = color(i);
    return make("span", {}, dot, name);
  }));
}

// series: [{ name, cell(row) }]; a row without any number is left out.
function drawDots(place, series, unit, isLog) {
  const rows = data.rows.filter((row) => series.some((one) => (one.cell(row) || [null])[0] !== null));
  if (!rows.length) return place.replaceChildren(make("p", { class: "quiet" }, "Nothing was measured."));
  const width = Math.max(300, place.clientWidth), narrow = width < 560;
  const left = narrow ? 8 : 30 + 7 * Math.max(...rows.map((row) => row.name.length));
  const step = 14, gap = narrow ? 30 : 16, lane = series.length * step + gap;
  const top = 8, bottom = top + rows.length * lane, height = bottom + 28;
  const cells = rows.flatMap((row) => series.map((one) => one.cell(row)).filter((cell) => cell && cell[0] !== null));
  const across = scale(cells.flatMap(ends), left + 8, width - 20, isLog, unit);
  const svg = picture(width, height, "Values with intervals");
  drawAxes(svg, across, null, { left, right: width - 18, top, bottom });
  rows.forEach((row, i) => {
    const y = top + i * lane;
    if (i) svg.append(make("line", { class: "gridline", x1: 0, x2: width, y1: y, y2: y }));
    svg.append(narrow
      ? make("text", { class: "mark", x: 8, y: y + 17 }, row.name)
      : make("text", { class: "mark", x: left - 14, y: y + lane / 2 + 4, "text-anchor": "end" }, row.name));
    series.forEach((one, j) => {
      const cell = one.cell(row);
      if (cell && cell[0] !== null) svg.append(dot(row, one.name, cell, across, y + gap / 2 + (narrow ? 10 : 0) + step * (j + 0.5), j, unit));
    });
  });
  place.replaceChildren(key(series.map((one) => one.name)), svg);
}

function dot(row, name, cell, across, y, index, unit) {
  const group = make("g", {});
  if (cell[1] !== null) {
    group.append(make("line", { class: "bar", stroke: color(index), x1: across.at(cell[1]), x2: across.at(cell[2]), y1: y, y2: y }));
  }
  const circle = make("circle", { cx: across.at(cell[0]), cy: y, r: 4.5, stroke: color(index), "stroke-width": 2 });
  circle.style.fill = isDoubtful(cell) ? "var(--card)" : color(index);
  group.append(circle);
  const facts = [[name, show(cell[0], unit)]];
  if (cell[1] !== null) facts.push(["interval", `${show(cell[1], unit)} to ${show(cell[2], unit)}`]);
  if (cell[3]) facts.push(["verdict", cell[3]]);
  explain(group, row.name, facts);
  return group;
}

const latency = { metric: "latency_p50_s", log: true };

function drawLatency() {
  const metrics = new Map(columnsOf((column) => column.metric.startsWith("latency_")).map((column) => [column.metric, column.title]));
  if (!metrics.size) return;
  if (!metrics.has(latency.metric)) latency.metric = [...metrics.keys()][0];
  document.getElementById("latency").hidden = false;
  const log = make("input", { type: "checkbox", checked: latency.log });
  log.addEventListener("change", () => { latency.log = log.checked; drawLatency(); });
  refill(document.querySelector("#latency .controls"),
    select("Show", [...metrics], latency.metric, (metric) => { latency.metric = metric; drawLatency(); }),
    make("label", { class: "check" }, log, "logarithmic"));
  const series = columnsOf((column) => column.metric === latency.metric)
    .map((column) => ({ name: column.label || column.title, cell: (row) => row.cells[column.index] }));
  drawDots(document.querySelector("#latency .plot"), series, "s", latency.log);
}

const memory = { batch: null };

function drawMemory() {
  const measured = columnsOf((column) => /^memory_(infer|train)_peak_bytes$/.test(column.metric));
  if (!measured.length) return;
  document.getElementById("memory").hidden = false;
  const names = measured.map((column) => [column.name, `${column.title} ${column.label}`]);
  memory.batch ??= names[names.length - 1][0];
  refill(document.querySelector("#memory .controls"),
    select("Show", names, memory.batch, (name) => { memory.batch = name; drawMemory(); }));
  const chosen = measured.find((column) => column.name === memory.batch);
  const series = [{ name: "measured", cell: (row) => row.cells[chosen.index] }];
  const predicted = prediction(chosen);
  if (predicted) series.push({ name: "predicted", cell: predicted });
  drawDots(document.querySelector("#memory .plot"), series, "bytes", false);
}

// What was predicted of a measured column: beside it, else counted at this batch, else by the ratio.
function prediction(chosen) {
  const isTraining = chosen.metric.includes("train");
  const label = isTraining ? `train/${chosen.label}` : chosen.label;
  const [beside] = columnsOf((column) => column.metric === "memory_predicted_bytes" && column.label === label);
  if (beside) return (row) => row.cells[beside.index];
  const kind = isTraining ? "activation_train_bytes" : "activation_infer_peak_bytes";
  const [counted] = columnsOf((column) => column.metric === kind && column.label === chosen.label);
  if (counted) return (row) => row.cells[counted.index];
  const [ratio] = columnsOf((column) => column.metric === "memory_ratio" && column.label === label);
  if (!ratio) return null;
  return (row) => {
    const [found, times] = [row.cells[chosen.index], row.cells[ratio.index]];
    return found?.[0] && times?.[0] ? [found[0] / times[0], null, null, "", ""] : null;
  };
}

const learning = { label: null, what: null };

function drawLearning() {
  if (!data.curves.length) return;
  document.getElementById("learning").hidden = false;
  const [curves, setting] = ofSetting(data.curves, learning, drawLearning);
  const numbers = [...new Set(curves.flatMap((curve) => curve.points.flatMap(Object.keys)))]
    .filter((name) => !["epoch", "phase", "seconds", "traced"].includes(name));
  if (!numbers.includes(learning.what)) learning.what = ["validation_top1", "val_top1", "top1"].find((name) => numbers.includes(name)) || numbers[0];
  const controls = [select("Show", numbers.map((name) => [name, WORDS[name] || name.replaceAll("_", " ")]), learning.what,
    (name) => { learning.what = name; drawLearning(); }), ...setting];
  refill(document.querySelector("#learning .controls"), ...controls);
  const all = curves.flatMap((curve) => curve.points);
  document.querySelector("#learning .small-multiples").replaceChildren(
    ...[...new Set(curves.map((curve) => curve.name))].map((name) => curvesOf(name, curves.filter((curve) => curve.name === name), all)));
}

const WORDS = { top1: "training accuracy", val_top1: "validation accuracy", validation_top1: "validation accuracy",
  loss: "training loss", val_loss: "validation loss", validation_loss: "validation loss" };

function curvesOf(name, curves, all) {
  const width = 280, height = 150, unit = learning.what.includes("top") ? "fraction" : "ratio";
  const known = all.filter((point) => point[learning.what] !== undefined);
  const box = { left: 46, right: width - 8, top: 8, bottom: height - 24 };
  const longest = Math.max(2, ...curves.map((curve) => curve.points.length));
  const across = scale([1, longest], box.left + 6, box.right - 6, false, "count");
  across.ticks = across.ticks.filter((tick) => Number.isInteger(tick.value) && tick.value >= 1);
  const up = scale(known.map((point) => point[learning.what]), box.bottom, box.top, false, unit);
  const svg = picture(width, height, `${learning.what} of ${name} by epoch`);
  drawAxes(svg, across, up, box);
  curves.forEach((curve, i) => {
    const path = curve.points.map((point, epoch) => [across.at(epoch + 1), up.at(point[learning.what]), point])
      .filter(([, , point]) => point[learning.what] !== undefined);
    const line = make("path", { d: path.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""), "stroke-width": 2 });
    line.style.fill = "none";
    line.style.stroke = color(i);
    svg.append(line);
    for (const [x, y, point] of path) {
      const mark = make("circle", { cx: x, cy: y, r: 3.5 });
      mark.style.fill = color(i);
      explain(mark, `${name}, seed ${curve.seed}`, Object.entries(point).filter(([field]) => field !== "phase")
        .map(([field, value]) => [WORDS[field] || field, show(value, field.includes("top") ? "fraction" : field === "seconds" ? "s" : "ratio")]));
      svg.append(mark);
    }
  });
  return make("div", {}, make("h3", {}, ...breakable(name)), svg);
}
