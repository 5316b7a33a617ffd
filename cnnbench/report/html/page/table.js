// The table: sorted by a click, filtered by a name, with the columns that the reader wants.
const memoryKey = `cnnbench columns ${data.title.split(",")[0]}`;
const table = { sort: null, descending: false, find: "", intervals: true,
  shown: new Set(remembered() ?? usual()) };

// On a small screen only what decides; what the reader chose before is chosen again.
function usual() {
  const isSmall = matchMedia("(max-width: 760px)").matches && data.columns.some((column) => column.decides);
  return data.columns.filter((column) => (isSmall ? column.decides : column.shown)).map((column) => column.name);
}

function remembered() {
  try {
    const names = JSON.parse(localStorage.getItem(memoryKey)), known = new Set(data.columns.map((column) => column.name));
    return Array.isArray(names) && names.some((name) => known.has(name)) ? names.filter((name) => known.has(name)) : null;
  } catch { return null; } // a browser may keep nothing for a file
}

function remember() {
  try { localStorage.setItem(memoryKey, JSON.stringify([...table.shown])); } catch { /* as above */ }
}

function isDoubtful(cell) { return Boolean(cell) && cell[3].startsWith("unstable"); }

function columnsOf(test) { return data.columns.map((column, index) => ({ ...column, index })).filter(test); }

// Of all, the doubtful too: what a doubtful one beats is not the best.
function best(index) {
  const column = data.columns[index];
  const values = data.rows.map((row) => row.cells[index])
    .filter((cell) => cell && cell[0] !== null).map((cell) => cell[0]);
  if (!column.better || new Set(values).size < 2) return null;
  return column.better === "lower" ? Math.min(...values) : Math.max(...values);
}

function visibleRows() {
  const wanted = table.find.trim().toLowerCase();
  const rows = data.rows.filter((row) => row.name.toLowerCase().includes(wanted));
  if (table.sort === null) return rows;
  const key = table.sort === "name"
    ? (row) => row.name.toLowerCase()
    : (row) => (row.cells[table.sort] || [null])[0];
  const sign = table.descending ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return (x === null) - (y === null); // blanks stay at the end
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  });
}

function visibleColumns() {
  return data.columns.map((column, index) => ({ ...column, index }))
    .filter((column) => table.shown.has(column.name));
}

function sortBy(key) {
  table.descending = table.sort === key ? !table.descending : false;
  table.sort = key;
  drawTable();
}

function head(text, label, key, classes, whole) {
  const order = table.sort === key ? (table.descending ? "descending" : "ascending") : "none";
  const button = make("button", { type: "button" }, text, label ? make("small", {}, ...breakable(label)) : null);
  button.addEventListener("click", () => sortBy(key));
  return make("th", { scope: "col", "aria-sort": order, class: classes, title: whole || null }, button);
}

function cellOf(cell, column, bestValue) {
  if (!cell) return make("td", {}, "");
  const [value, , , verdict, status] = cell;
  if (value === null) {
    const kind = /^(skipped|left out)/.test(status) ? "failed skipped" : "failed";
    return make("td", {}, make("span", { class: kind }, status));
  }
  const doubt = isDoubtful(cell);
  const classes = [column.published ? "published" : "", value === bestValue && !doubt ? "best" : ""].join(" ").trim();
  const range = table.intervals ? halfInterval(cell, column.unit) : "";
  return make("td", { class: classes || null, title: doubt ? verdict : null }, show(value, column.unit),
    doubt ? make("span", { class: "doubt" }, " ?") : null, range ? make("small", {}, range) : null);
}

function groupRow(columns) {
  const row = make("tr", {}, make("th", { class: "name group" }));
  for (let start = 0; start < columns.length;) {
    let end = start;
    while (end < columns.length && columns[end].group === columns[start].group) end += 1;
    row.append(make("th", { class: "group", colspan: end - start, scope: "colgroup" }, columns[start].group));
    start = end;
  }
  return row;
}

function drawTable() {
  const columns = visibleColumns();
  const heads = make("tr", {}, head("Model", "", "name", "name"),
    ...columns.map((column) => head(column.title, column.short, column.index, column.published ? "published" : null,
      column.short === column.label ? null : column.label)));
  const bests = columns.map((column) => best(column.index));
  const body = visibleRows().map((row) => make("tr", {}, make("th", { scope: "row", class: "name" }, ...breakable(row.name)),
    ...columns.map((column, i) => cellOf(row.cells[column.index], column, bests[i]))));
  refill(document.querySelector("#table .scroll"),
    make("table", { class: "grid" }, make("thead", {}, groupRow(columns), heads), make("tbody", {}, ...body)));
}

// What a spreadsheet would take for a formula gets a quote in front, as in report.csv: by its rule.
const formula = new RegExp(`^(?:${data.formula})`);

function csvCell(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && formula.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function tableAsCsv() {
  const columns = visibleColumns();
  const lines = [["model", "variant", ...columns.flatMap((column) => companions(column))]];
  for (const row of visibleRows()) {
    lines.push([row.model, row.variant, ...columns.flatMap((column) => values(row.cells[column.index], column))]);
  }
  return lines.map((line) => line.map(csvCell).join(",")).join("\n") + "\n";
}

function hasInterval(column) {
  return data.rows.some((row) => row.cells[column.index] && row.cells[column.index][1] !== null);
}

function companions(column) {
  const at = column.label ? `@${column.label}` : "";
  const ends = hasInterval(column) ? [`${column.metric}_ci_low${at}`, `${column.metric}_ci_high${at}`] : [];
  return [column.name, ...ends];
}

function values(cell, column) {
  const [value, low, high] = cell || [null, null, null];
  return hasInterval(column) ? [value, low, high] : [value];
}

async function copyCsv() {
  const text = tableAsCsv(), said = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page opened from a file may have no clipboard
    const area = make("textarea", {}, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  said.textContent = `${visibleRows().length} rows copied`;
  setTimeout(() => { said.textContent = ""; }, 3000);
}

function drawColumnMenu() {
  const menu = document.getElementById("columns");
  let group = "";
  for (const column of data.columns) {
    if (column.group !== group) menu.append(make("h4", {}, group = column.group));
    const box = make("input", { type: "checkbox", checked: table.shown.has(column.name) });
    box.addEventListener("change", () => {
      table.shown[box.checked ? "add" : "delete"](column.name);
      remember();
      drawTable();
    });
    menu.append(make("label", {}, box, [column.title, column.label].filter(Boolean).join(" ")));
  }
  const holder = menu.parentElement;
  document.addEventListener("click", (event) => { if (!holder.contains(event.target)) holder.open = false; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") holder.open = false; });
}
