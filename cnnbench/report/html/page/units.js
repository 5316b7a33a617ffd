// Quantities as people read them: the counterpart of cnnbench/units.py.
const SCALES = data.scales;

function show(value, unit) {
  if (value === null || value === undefined) return "";
  if (unit === "fraction") return `${(100 * value).toFixed(1)} %`;
  if (unit === "px") return `${value.toFixed(0)} px`;
  if (unit === "per_s") return `${scaled(value, SCALES.count)} /s`;
  return SCALES[unit] ? scaled(value, SCALES[unit]) : String(Number(value.toPrecision(3)));
}

function scaled(value, scales) {
  const [factor, name] = scales.find(([size]) => Math.abs(value) >= size) || scales[scales.length - 1];
  const number = value / factor;
  const text = Number.isInteger(number) || Math.abs(number) >= 1000
    ? number.toLocaleString("en-US", { maximumFractionDigits: 0 })
    : digits(number);
  return `${text} ${name}`.trim();
}

function digits(number) {
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(number))));
  return number.toFixed(Math.min(places, 6));
}

// Half the interval, as the text table has it: percentage points of a fraction, else a share.
function halfInterval([value, low, high], unit) {
  if (low === null || high === null || !value) return "";
  const half = (high - low) / 2;
  return unit === "fraction" ? `± ${(100 * half).toFixed(1)}` : `± ${(100 * half / Math.abs(value)).toFixed(1)} %`;
}
