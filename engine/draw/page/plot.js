// Small plots as SVG, drawn anew at each change, of shapes from arrays.js.

// Returns the scales of a plot, {x, y, invert}: functions of numbers to pixels, and of a pixel to x.
// `frame` is {left, right, top, bottom} in pixels.
function createScales([x0, x1], [y0, y1], { left, right, top, bottom }, isLog = false) {
  const to = isLog ? (x) => Math.log10(Math.max(x, Number.MIN_VALUE)) : (x) => x;
  return {
    x: (x) => left + ((x - x0) / (x1 - x0)) * (right - left),
    y: (y) => bottom - ((to(y) - to(y0)) / (to(y1) - to(y0))) * (bottom - top),
    invert: (pixel) => x0 + ((pixel - left) / (right - left)) * (x1 - x0),
  };
}

// Returns at most `most` round numbers in a range, and at least two in a range around 0.
function chooseTicks([low, high], most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 2.5, 5, 10].map((x) => x * power).find((x) => Math.floor(high / x) - Math.ceil(low / x) < most);
  if (!(unit > 0 && unit < Infinity)) return [];
  const first = Math.ceil(low / unit), count = Math.min(Math.floor(high / unit) - first + 1, most);
  return Array.from({ length: Math.max(count, 0) }, (_, i) => Number(((first + i) * unit).toPrecision(12)));
}

// Returns powers of ten in a range, at most `most` of them.
function chooseLogTicks([low, high], most) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9), unit = Math.ceil((last - first + 1) / most);
  return Array.from({ length: Math.max(0, Math.floor((last - first) / unit) + 1) }, (_, i) => Number(`1e${first + i * unit}`));
}

const canPlot = (x) => Math.abs(x) < 1e300; // sums and differences of such numbers are finite

// Returns a range that shows most of the numbers, and `shown`: a pole does not flatten the rest.
function findRange(numbers, shown) {
  const sorted = numbers.filter(canPlot).sort((x, y) => x - y), kept = [shown].filter(canPlot);
  if (!sorted.length) sorted.push(kept[0] ?? 0);
  const at = (part) => sorted[Math.round(part * (sorted.length - 1))];
  let [low, high] = [sorted[0], sorted.at(-1)];
  const [inner, outer] = [at(0.9) - at(0.1), high - low];
  if (inner > 0 && outer > 8 * inner) [low, high] = [at(0.1) - inner, at(0.9) + inner];
  [low, high] = [Math.min(low, ...kept), Math.max(high, ...kept)];
  const pad = high - low > 1e-12 * Math.abs(high) ? 0.08 * (high - low) : Math.max(Math.abs(high) / 4, 0.5);
  return [low - pad, high + pad];
}

// Returns the path of a line through points, with gaps at those that are not finite, and where it
// leaps from one end of the range to the other.
function writeLine(points, { x, y }, [low, high]) {
  let text = "", before = NaN;
  for (const [u, v] of points) {
    const clipped = Math.max(low - 2 * (high - low), Math.min(high + 2 * (high - low), v)); // SVG's numbers are small
    const leaps = Math.min(before, v) < low && Math.max(before, v) > high;
    if (Number.isFinite(v)) text += `${Number.isFinite(before) && !leaps ? "L" : "M"}${x(u).toFixed(1)} ${y(clipped).toFixed(1)}`;
    before = v;
  }
  return text;
}

// Draws ticks with their numbers: at the bottom, and at the left.
function drawAxes(xs, ys, { x, y }, { left, right, top, bottom }) {
  const write = (tick) => formatNumber(tick, ".4g");
  return [
    createShape("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }),
    ...xs.flatMap((tick) => [
      createShape("path", { class: "axis", d: `M${x(tick).toFixed(1)} ${bottom}v4` }),
      createShape("text", { x: x(tick).toFixed(1), y: bottom + 15, "text-anchor": "middle" }, write(tick)),
    ]),
    ...ys.flatMap((tick) => [
      createShape("path", { class: "axis", d: `M${left} ${y(tick).toFixed(1)}h-4` }),
      createShape("text", { x: left - 7, y: (y(tick) + 3.5).toFixed(1), "text-anchor": "end" }, write(tick)),
    ]),
  ];
}

const shortenName = (name) => (name.length > 24 ? `${name.slice(0, 23)}…` : name);
