// Elements, scales and the tooltip. Texts go in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const isHtml = /^[a-z0-9]+$/.test(tag) && !SVG_TAGS.has(tag);
  const element = isHtml ? document.createElement(tag) : document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// As replaceChildren; where a control in it had the focus, the one in its place gets it.
function refill(place, ...children) {
  const controls = () => [...place.querySelectorAll("button, select, input")];
  const at = controls().indexOf(document.activeElement);
  place.replaceChildren(...children);
  if (at >= 0) controls()[at]?.focus();
}

// Text that may be broken where a name has a joint: after / [ , =
function breakable(text) {
  return text.split(/(?<=[/[,=])/).flatMap((part) => [part, make("wbr")]).slice(0, -1);
}

const SVG_TAGS = new Set(["svg", "g", "line", "circle", "path", "text", "rect", "title"]);

function picture(width, height, label) {
  return make("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
}

function option(value, text, isChosen) {
  return make("option", { value, selected: isChosen }, text);
}

function select(label, choices, chosen, onChange) {
  const box = make("select", { "aria-label": label });
  for (const [value, text] of choices) box.append(option(value, text, value === chosen));
  box.addEventListener("change", () => onChange(box.value));
  return make("label", {}, label, box);
}

// Those of one setting and, where there are several, the control that picks it.
function ofSetting(all, state, draw) {
  const labels = [...new Set(all.map((one) => one.label))];
  state.label ??= labels[0];
  const pick = (label) => { state.label = label; draw(); };
  return [all.filter((one) => one.label === state.label),
    labels.length > 1 ? [select("Setting", labels.map((label) => [label, label]), state.label, pick)] : []];
}

// A scale from data to pixels with its ticks; logarithmic only where all data is positive.
function scale(values, from, to, isLog, unit) {
  const log = isLog && values.every((value) => value > 0);
  const move = log ? Math.log10 : (value) => value;
  let low = Math.min(...values.map(move)), high = Math.max(...values.map(move));
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  low -= room; high += room;
  if (!log && Math.min(...values) >= 0) low = Math.max(low, 0);
  const at = (value) => from + (to - from) * (move(value) - low) / (high - low);
  const count = Math.max(3, Math.floor(Math.abs(to - from) / (from > to ? 50 : 90)));
  const ticks = log ? logTicks(low, high, count) : plainTicks(low, high, count);
  return { at, ticks: ticks.map((value) => ({ value, text: show(value, unit) })), log };
}

function plainTicks(low, high, count) {
  const raw = (high - low) / count, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * size).find((n) => n >= raw);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) ticks.push(Number((i * step).toPrecision(10)));
  return ticks;
}

function logTicks(low, high, count) {
  for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
    const ticks = [];
    for (let power = Math.floor(low); power <= high; power += 1) {
      for (const step of steps) {
        const value = Number((step * 10 ** power).toPrecision(10));
        if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
      }
    }
    if (ticks.length >= Math.min(count, 3)) return ticks.filter((_, i) => i % Math.ceil(ticks.length / (count + 1)) === 0);
  }
  return plainTicks(10 ** low, 10 ** high, count);
}

const tip = document.getElementById("tip");

function explain(target, title, facts) {
  const place = (x, y) => {
    tip.replaceChildren(make("b", {}, title), make("dl", {},
      ...facts.flatMap(([name, value]) => [make("dt", {}, ...breakable(name)), make("dd", {}, value)])));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + box.height + 24 > innerHeight ? Math.max(8, y - box.height - 14) : y + 14}px`;
  };
  const middle = () => {
    const box = target.getBoundingClientRect();
    place(box.left + box.width / 2, box.top + box.height / 2);
  };
  target.setAttribute("tabindex", "0");
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", `${title}: ${facts.map((fact) => fact.join(" ")).join(", ")}`);
  target.addEventListener("pointermove", (event) => place(event.clientX, event.clientY));
  target.addEventListener("pointerleave", () => { tip.hidden = true; });
  target.addEventListener("focus", middle);
  target.addEventListener("blur", () => { tip.hidden = true; });
}
