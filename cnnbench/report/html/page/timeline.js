// The memory of a job over its time, a small picture a network; dashed where a phase began.
const timelines = { label: null };

function drawTimelines() {
  if (!data.timelines.length) return;
  document.getElementById("timelines").hidden = false;
  const labels = [...new Set(data.timelines.map((one) => one.label))];
  timelines.label ??= labels[labels.length - 1];
  refill(document.querySelector("#timelines .controls"),
    select("Show", labels.map((label) => [label, label]), timelines.label, (label) => { timelines.label = label; drawTimelines(); }));
  const shown = data.timelines.filter((one) => one.label === timelines.label);
  const sizes = shown.flatMap((one) => one.points.map(([, size]) => size));
  document.querySelector("#timelines .small-multiples").replaceChildren(...shown.map((one) => timelineOf(one, sizes)));
}

function timelineOf(one, sizes) {
  const width = 280, height = 150, box = { left: 60, right: width - 8, top: 8, bottom: height - 24 };
  const across = scale(one.points.map(([seconds]) => seconds), box.left + 6, box.right - 6, false, "s");
  const up = scale(sizes, box.bottom, box.top, false, "bytes");
  const svg = picture(width, height, `memory of ${one.name} over time`);
  drawAxes(svg, across, up, box);
  const line = make("path", { d: one.points.map(([seconds, size], i) => `${i ? "L" : "M"}${across.at(seconds).toFixed(1)} ${up.at(size).toFixed(1)}`).join(""), "stroke-width": 2 });
  line.style.fill = "none";
  line.style.stroke = color(0);
  svg.append(line);
  const highest = one.points.reduce((a, b) => (b[1] > a[1] ? b : a));
  one.phases.forEach(([phase, began], i) => {
    const x = across.at(began), next = i + 1 < one.phases.length ? one.phases[i + 1][1] : Infinity;
    const inside = one.points.filter(([seconds]) => seconds >= began && seconds < next).map(([, size]) => size);
    const mark = make("line", { x1: x, x2: x, y1: box.top, y2: box.bottom, "stroke-width": 2, "stroke-dasharray": "3 3" });
    mark.style.stroke = color(1);
    const facts = [["began", show(began, "s")]];
    if (inside.length) facts.push(["most in it", show(Math.max(...inside), "bytes")]);
    explain(mark, `${one.name}: ${phase}`, [...facts, ["most in all", show(highest[1], "bytes")]]);
    svg.append(mark);
  });
  return make("div", {}, make("h3", {}, ...breakable(one.name)), svg);
}
