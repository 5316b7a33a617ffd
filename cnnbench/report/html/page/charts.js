// The charts: specifications of cnnbench.plots, drawn by Vega as SVG. The controls are Vega's own,
// made of the parameters of each chart; only what a parameter cannot change is changed here.
const drawn = {}; // section -> { view, log }

const OPTIONS = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
  logLevel: 1 /* errors */, config: data.plots.config, tooltip: { id: "tip", theme: "page", disableDefaultStyle: true } };

async function drawCharts() {
  for (const name of Object.keys(data.plots.charts)) await drawChart(name);
}

async function drawChart(name) {
  const section = document.getElementById(name);
  const known = drawn[name] ??= { view: null, log: true };
  const place = section.querySelector(".plot"), controls = make("div", { class: "controls" });
  const spec = fitted(structuredClone(data.plots.charts[name]), place.clientWidth);
  if (known.view) keepChoices(spec, known.view);
  const hasLog = setScale(spec, known.log);
  const canvas = make("div");
  const { view } = await vegaEmbed(canvas, spec, { ...OPTIONS, bind: controls });
  known.view?.finalize();
  known.view = view;
  if (hasLog) controls.append(logBox(name, known));
  const focused = controlsIn(section.querySelector(".controls")).indexOf(document.activeElement);
  section.querySelector(".controls").replaceWith(controls);
  if (focused >= 0) controlsIn(controls)[focused]?.focus();
  place.replaceChildren(canvas);
  follow(name, view, place);
}

// Width and, for small multiples, columns: by the room that there is.
function fitted(spec, width) {
  delete spec.title; // it stands over the chart
  if (spec.facet) spec.columns = Math.max(1, Math.floor(width / 285));
  else if (typeof spec.width === "number") {
    const labels = width < 560 ? 110 : 200;
    spec.config = { axisY: { labelLimit: labels } };
    if (typeof spec.height === "number") {
      Object.assign(spec, { width: Math.max(280, width), autosize: { type: "fit-x", contains: "padding" },
        height: Math.min(430, Math.max(300, width * 0.45)) });
    } else spec.width = Math.max(140, width - labels - 40);
  }
  return spec;
}

function keepChoices(spec, view) {
  for (const param of spec.params ?? []) if (param.bind) param.value = view.signal(param.name);
}

// Logarithmic across where the specification says a type, the reader wants it and every number allows it.
function setScale(spec, wanted) {
  const layer = (spec.layer || []).find((one) => one.encoding?.x?.scale?.type);
  if (!layer || spec.usermeta?.isLogarithmic) return false;
  layer.encoding.x.scale.type = wanted && isPositive(spec) ? "log" : "linear";
  return true;
}

function isPositive(spec) {
  const value = (name) => spec.params?.find((param) => param.name === name)?.value;
  return value("axes")?.[value("across")].positive ?? true;
}

function logBox(name, known) {
  const box = make("input", { type: "checkbox", checked: known.log });
  box.addEventListener("change", () => { known.log = box.checked; drawChart(name); });
  return make("label", { class: "check" }, box, "logarithmic");
}

// After every change: marks can be reached with the keyboard, and what depends on it is redone.
function follow(name, view, place) {
  const after = () => { if (name === "confusion") showMistakes(view); else makeReachable(view, place); };
  after();
  for (const param of data.plots.charts[name].params ?? []) {
    if (!param.bind) continue;
    view.addSignalListener(param.name, () => (param.name === "across" ? drawChart(name) : view.runAfter(after)));
  }
}

function makeReachable(view, place) {
  // What is written already has nothing to show on focus.
  for (const mark of place.querySelectorAll(".role-mark > [aria-label]:not(text)")) {
    mark.setAttribute("tabindex", "0");
    const item = mark.__data__, tooltip = view.tooltip();
    const box = () => mark.getBoundingClientRect();
    mark.onfocus = () => tooltip(view, { clientX: box().right, clientY: box().bottom }, item, item.tooltip);
    mark.onblur = () => tooltip(view, {}, item, null);
  }
}

// The most frequent mistakes in words, for whoever does not read a matrix.
function showMistakes(view) {
  const chosen = data.mistakes.find((one) => one.network === view.signal("network") && one.setting === view.signal("setting"));
  document.getElementById("mistakes").replaceChildren(...(chosen?.words || ["Nothing was measured."]).map((text) => make("li", {}, text)));
}
