// Put together what the page has, and draw it again when its width changes.
function drawGlance() {
  const place = document.getElementById("glance");
  for (const [words, index] of data.glance) {
    const column = data.columns[index], value = best(index);
    const row = data.rows.find((one) => one.cells[index] && one.cells[index][0] === value);
    if (value === null || !row || place.children.length >= 5) continue;
    place.append(make("div", { class: "tile" }, make("div", { class: "what" }, words), make("div", { class: "who" }, ...breakable(row.name)),
      make("div", { class: "value", title: column.label }, show(value, column.unit), isDoubtful(row.cells[index]) ? " ?" : "",
        ...(column.label ? [" · ", ...breakable(short(column.label, 600))] : [])),
      row.links.length ? make("div", { class: "links" }, ...row.links.map(([text, href]) => make("a", { href }, text))) : null));
  }
}

function drawHeader() {
  const facts = new Map(data.environment);
  const words = [`${data.rows.length} rows`, facts.get("cpu"), facts.has("cores") ? `${facts.get("cores")} cores` : null,
    facts.has("ram gib") ? `${facts.get("ram gib")} GiB` : null, (facts.get("recorded") || "").slice(0, 10)];
  document.getElementById("machine").textContent = words.filter(Boolean).join(" · ");
  const nav = document.querySelector("nav");
  for (const section of document.querySelectorAll("main section[data-title]")) {
    if (!section.hidden) nav.append(make("a", { href: `#${section.id}` }, section.dataset.title));
  }
}

for (const name of Object.keys(data.plots.charts)) document.getElementById(name).hidden = false;

drawTable();
drawColumnMenu();
drawGlance();
const ready = drawCharts();
drawHeader();

// Paper cannot be clicked: what is folded away is unfolded for it, and folded again afterwards.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main details:not(.menu):not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });

document.getElementById("find").addEventListener("input", (event) => { table.find = event.target.value; drawTable(); });
document.getElementById("intervals").addEventListener("change", (event) => { table.intervals = event.target.checked; drawTable(); });
document.getElementById("copy").addEventListener("click", copyCsv);
let lastWidth = innerWidth;
addEventListener("resize", () => { if (innerWidth !== lastWidth) { lastWidth = innerWidth; drawCharts(); } });
