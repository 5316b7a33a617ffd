// The trade-off plot: two axes of the reader's choice, the Pareto front, bubbles by parameters.
const tradeoff = { x: null, y: null, log: true };

function columnsOf(test) { return data.columns.map((column, index) => ({ ...column, index })).filter(test); }

// One axis: a metric, and of those that depend on a setting the runtime and batch, or data set.
function axisControls(axis, title, metrics) {
  const chosen = data.columns[tradeoff[axis]];
  const settings = metrics.filter((column) => column.metric === chosen.metric);
  const kinds = new Map(metrics.map((column) => [column.metric, titleOf(column)]));
  const move = (index) => { tradeoff[axis] = Number(index); drawTradeoff(); };
  const controls = [select(title, [...kinds], chosen.metric,
    (metric) => move(sameSetting(metrics.filter((column) => column.metric === metric), chosen).index))];
  if (settings.length > 1) {
    controls.push(select(`${title}: setting`, settings.map((column) => [String(column.index), column.label]),
      String(tradeoff[axis]), move));
  }
  return controls;
}

function titleOf(column) { return column.published ? `${column.title}, published` : column.title; }

function sameSetting(columns, other) { return columns.find((column) => column.label === other.label) || columns[0]; }

// An axis has a direction in which it is better, and more than one network on it.
function plottable() {
  return columnsOf((column) => column.better &&
    data.rows.filter((row) => row.cells[column.index] && row.cells[column.index][0] !== null).length > 1);
}

function chooseAxes(columns) {
  const first = (...metrics) => metrics.map((metric) => columns.find((column) => column.metric === metric)).find(Boolean);
  const fastest = columns.find((column) => column.metric === "latency_p50_s" && column.label.includes("litert"));
  const y = first("top1", "published_top1", "agreement", "macs") || columns[0];
  const rest = columns.filter((column) => column.index !== y.index);
  const x = fastest || first("latency_p50_s", "file_bytes", "params", "weight_bytes") || rest[0];
  tradeoff.x = (x.index === y.index ? rest[0] : x).index;
  tradeoff.y = y.index;
}

function points(xColumn, yColumn) {
  const params = data.columns.findIndex((column) => column.metric === "params");
  return data.rows.flatMap((row) => {
    const [x, y] = [row.cells[xColumn], row.cells[yColumn]];
    if (!x || !y || x[0] === null || y[0] === null) return [];
    const size = params >= 0 && row.cells[params] ? row.cells[params][0] : null;
    return [{ row, x, y, size, doubtful: isDoubtful(x) || isDoubtful(y), ranked: isRanked(x) && isRanked(y) }];
  });
}

function markFront(all, xColumn, yColumn) {
  const badness = (value, column) => (column.better === "lower" ? value : -value);
  for (const point of all) {
    const [a, b] = [badness(point.x[0], xColumn), badness(point.y[0], yColumn)];
    point.onFront = point.ranked && !all.some((other) => {
      if (!other.ranked) return false;
      const [c, d] = [badness(other.x[0], xColumn), badness(other.y[0], yColumn)];
      return c <= a && d <= b && (c < a || d < b);
    });
  }
  return all.filter((point) => point.onFront)
    .sort((p, q) => badness(p.x[0], xColumn) - badness(q.x[0], xColumn));
}

function ends(cell) { return [cell[0], ...(cell[1] === null ? [] : [cell[1], cell[2]])]; }

function drawTradeoff() {
  const columns = plottable();
  const log = make("input", { type: "checkbox", checked: tradeoff.log });
  log.addEventListener("change", () => { tradeoff.log = log.checked; drawTradeoff(); });
  refill(document.querySelector("#tradeoff .controls"), ...axisControls("y", "Up", columns),
    ...axisControls("x", "Across", columns), make("label", { class: "check" }, log, "logarithmic across"));
  drawBubbles(document.querySelector("#tradeoff .plot"));
}

function drawBubbles(place) {
  const [xColumn, yColumn] = [data.columns[tradeoff.x], data.columns[tradeoff.y]];
  const all = points(tradeoff.x, tradeoff.y);
  const width = Math.max(300, place.clientWidth), height = Math.min(520, Math.max(320, width * 0.52));
  const left = 64, right = width - 18, top = 26, bottom = height - 50;
  const svg = picture(width, height, `${yColumn.title} against ${xColumn.title}`);
  if (!all.length) return place.replaceChildren(make("p", { class: "quiet" }, "No network has both numbers."));
  const across = scale(all.flatMap((point) => ends(point.x)), left, right, tradeoff.log, xColumn.unit);
  const up = scale(all.flatMap((point) => ends(point.y)), bottom, top, false, yColumn.unit);
  drawAxes(svg, across, up, { left, right, top, bottom, width, height });
  svg.append(make("text", { x: right, y: height - 6, "text-anchor": "end", class: "axis" }, `${titleOf(xColumn)} ${short(xColumn.label, width)} →`),
    make("text", { x: left - 56, y: top - 12, class: "axis" }, `↑ ${titleOf(yColumn)} ${short(yColumn.label, width)}`));

  const front = markFront(all, xColumn, yColumn);
  svg.append(make("path", { class: "front", d: frontPath(front, across, up, { left, right, bottom, top }) }));
  const largest = Math.max(...all.map((point) => point.size || 0));
  const boxes = [];
  for (const point of all.sort((p, q) => (q.size || 0) - (p.size || 0))) {
    const x = across.at(point.x[0]), y = up.at(point.y[0]);
    const radius = largest && point.size ? Math.max(5, (width < 560 ? 17 : 26) * Math.sqrt(point.size / largest)) : 7;
    boxes.push({ point, x, y, radius });
    svg.append(bubble(point, x, y, radius, across, up, xColumn, yColumn));
  }
  labelBubbles(svg, boxes, width);
  place.replaceChildren(svg);
}

function short(label, width) {
  const room = Math.floor(width / 16);
  return label.length > room ? `${label.slice(0, room - 1)}…` : label;
}

function drawAxes(svg, across, up, box) {
  let last = -Infinity;
  for (const tick of across.ticks) {
    const x = across.at(tick.value);
    svg.append(make("line", { class: "gridline", x1: x, x2: x, y1: box.top, y2: box.bottom }));
    if (x - last < 12 + 7 * tick.text.length) continue;
    svg.append(make("text", { x, y: box.bottom + 18, "text-anchor": "middle" }, tick.text));
    last = x;
  }
  for (const tick of up ? up.ticks : []) {
    const y = up.at(tick.value);
    svg.append(make("line", { class: "gridline", x1: box.left, x2: box.right, y1: y, y2: y }),
      make("text", { x: box.left - 8, y: y + 4, "text-anchor": "end" }, tick.text));
  }
}

// A step: what has been reached stays reached until the next network on the front is better. It
// starts and ends at the edges, so that it bounds everything that is beaten.
function frontPath(front, across, up, box) {
  const column = (index) => data.columns[index].better === "lower";
  const [first, last] = [column(tradeoff.y) ? box.top : box.bottom, column(tradeoff.x) ? box.right : box.left];
  const steps = front.map((point, i) => {
    const [x, y] = [across.at(point.x[0]).toFixed(1), up.at(point.y[0]).toFixed(1)];
    return i ? `H${x}V${y}` : `M${x} ${first}V${y}`;
  });
  return `${steps.join("")}H${last}`;
}

function bubble(point, x, y, radius, across, up, xColumn, yColumn) {
  const kind = `bubble${point.onFront ? " on" : ""}${point.doubtful ? " doubtful" : ""}`;
  const color = point.onFront ? "var(--c1)" : "var(--c0)";
  const bars = [];
  if (point.x[1] !== null) bars.push({ x1: across.at(point.x[1]), x2: across.at(point.x[2]), y1: y, y2: y });
  if (point.y[1] !== null) bars.push({ x1: x, x2: x, y1: up.at(point.y[1]), y2: up.at(point.y[2]) });
  const group = make("g", { "data-model": point.row.name },
    ...bars.map((bar) => make("line", { class: "bar", stroke: color, ...bar })),
    make("circle", { class: kind, cx: x, cy: y, r: radius }));
  explain(group, point.row.name, factsOf(point.row, [tradeoff.y, tradeoff.x]));
  return group;
}

// What the hover tells: the two axes first, then every column of the table that has a number.
function factsOf(row, first) {
  const shown = data.columns.map((column, index) => index).filter((i) => table.shown.has(data.columns[i].name));
  return [...new Set([...first, ...shown])].flatMap((index) => {
    const [column, cell] = [data.columns[index], row.cells[index]];
    if (!cell || cell[0] === null) return [];
    const text = [show(cell[0], column.unit), halfInterval(cell, column.unit), isDoubtful(cell) ? "?" : ""];
    return [[[titleOf(column), column.label].filter(Boolean).join(" "), text.filter(Boolean).join(" ")]];
  });
}

// Names beside their bubbles, where there is room: right, left, above or below.
function labelBubbles(svg, boxes, width) {
  const taken = boxes.map(({ x, y, radius }) => [x - radius * 0.6, y - radius * 0.6, x + radius * 0.6, y + radius * 0.6]);
  for (const { point, x, y, radius } of boxes.sort((p, q) => q.point.onFront - p.point.onFront)) {
    const long = 7.7 * point.row.name.length;
    const places = [[x + radius + 5, y + 4, "start"], [x - radius - 5 - long, y + 4, "start"],
      [x - long / 2, y - radius - 6, "start"], [x - long / 2, y + radius + 15, "start"]];
    const free = places.find(([a, b]) => a > 4 && a + long < width - 2 && b > 12 &&
      !taken.some(([l, t, r, d]) => a < r && a + long > l && b - 11 < d && b + 3 > t));
    if (!free) continue;
    taken.push([free[0], free[1] - 11, free[0] + long, free[1] + 3]);
    svg.append(make("text", { class: "mark", x: free[0], y: free[1] }, point.row.name));
  }
}
