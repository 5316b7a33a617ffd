// Which class was taken for which: a row a class as it is, a column as it was named.
const confusion = { label: null, name: null };

function drawConfusion() {
  if (!data.confusions.length) return;
  document.getElementById("confusion").hidden = false;
  const [shown, setting] = ofSetting(data.confusions, confusion, drawConfusion);
  const one = shown.find((other) => other.name === confusion.name) || shown[0];
  const pick = (name) => { confusion.name = name; drawConfusion(); };
  const network = select("Network", shown.map((other) => [other.name, other.name]), one.name, pick);
  refill(document.querySelector("#confusion .controls"), network, ...setting);
  document.querySelector("#confusion .scroll").replaceChildren(confusionTable(one));
  document.getElementById("mistakes").replaceChildren(...mistakesOf(one));
}

function confusionTable({ classes, counts }) {
  const heads = classes.map((name) => make("th", { scope: "col" }, ...breakable(name)));
  const rows = counts.map((row, label) => make("tr", {}, make("th", { scope: "row", class: "name" }, ...breakable(classes[label])),
    ...row.map((count, predicted) => confusionCell(count, row, label === predicted))));
  return make("table", { class: "grid plain confusion" },
    make("thead", {}, make("tr", {}, make("th", { class: "name" }, "is ↓, named →"), ...heads)), make("tbody", {}, ...rows));
}

function confusionCell(count, row, isRight) {
  const share = count / (row.reduce((a, b) => a + b, 0) || 1);
  const cell = make("td", { title: show(share, "fraction") }, count ? String(count) : make("span", { class: "quiet" }, "·"));
  if (count) cell.style.background = `color-mix(in srgb, var(${isRight ? "--c0" : "--c1"}) ${Math.round(8 + 62 * share)}%, transparent)`;
  return cell;
}

// The most frequent mistakes in words, for whoever does not read tables.
function mistakesOf({ classes, counts, seeds }) {
  const found = counts.flatMap((row, label) => row.map((count, predicted) => ({ count, label, predicted, of: row.reduce((a, b) => a + b, 0) })))
    .filter(({ count, label, predicted }) => count && label !== predicted).sort((a, b) => b.count / b.of - a.count / a.of).slice(0, 5);
  const words = found.map(({ count, label, predicted, of }) => make("li", {},
    `${classes[label]} named ${classes[predicted]}: ${show(count / of, "fraction")} (${count} of ${of})`));
  return seeds > 1 ? [...words, make("li", { class: "quiet" }, `${seeds} seeds added up`)] : words;
}
