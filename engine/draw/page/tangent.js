// The root as a function of one leaf, with its tangent: a plot below the number of a selected leaf.

const SAMPLES = 160; // points of the curve

// Returns a function that computes the root from the number of one leaf, on a copy of the data.
function createProbe({ nodes, data, inputsOf, isShared, root }, rows, leaf) {
  const depends = nodes.map((_, i) => i === leaf);
  nodes.forEach((_, i) => { depends[i] ||= inputsOf[i].some((k) => depends[k]); });
  const places = nodes.map((_, i) => i).filter((i) => depends[i] && i !== leaf), copy = [...data];
  return (x) => {
    copy[leaf] = x;
    for (const i of places) {
      const { of, index, row } = nodes[i];
      if (of !== undefined) copy[i] = copy[of][index];
      else {
        const outs = rows[row].forward(inputsOf[i].map((k) => copy[k]));
        copy[i] = isShared[i] ? outs : outs[0];
      }
    }
    return copy[root];
  };
}

// Adds a button to the controls of a leaf, which opens its plot. Returns both, or the controls alone
// if the root is no function of this leaf. `settings` remembers that a plot is open.
function addTangent(view, i, controls, rows, settings) {
  const { live, editor, facts } = view, graph = live?.graph;
  if (!controls || !editor.isFree(i) || graph.nodes[i].constant || i === graph.root || ![i, graph.root].every((k) => typeof graph.data[k] === "number")) return controls;
  const button = document.createElement("button"), holder = document.createElement("div"), plot = createTangent(view, i, rows);
  Object.assign(button, { type: "button", className: "opens", title: `Plot ${facts[graph.root].name} over ${facts[i].name}, with its tangent`, innerHTML: TANGENT_ICON });
  button.setAttribute("aria-label", "Tangent");
  button.addEventListener("click", () => {
    settings.tangent = !settings.tangent;
    update();
    if (settings.tangent) showWhole(plot.figure);
  });
  controls.append(button);
  holder.append(controls, plot.figure);
  const update = () => {
    controls.update?.();
    button.setAttribute("aria-expanded", Boolean(settings.tangent));
    plot.figure.hidden = !settings.tangent;
    if (settings.tangent) plot.update();
  };
  new ResizeObserver(() => { if (settings.tangent) plot.update(); }).observe(holder);
  return Object.assign(holder, { update });
}

// Scrolls the panel, and no other part of the page, so that a plot is in sight.
function showWhole(figure) {
  const panel = figure.closest(".facts"), [outer, inner] = [panel, figure].map((element) => element.getBoundingClientRect());
  panel.scrollTop += Math.min(inner.bottom - outer.bottom + 4, inner.top - outer.top);
}

const TANGENT_ICON = `<svg viewBox="0 0 14 14" aria-hidden="true"><path d="M1.5 1v11.5H13" /><path d="M3 11.5C7.5 11.5 10 8 11.5 2.5" /><path class="line" d="M5 12.5L12.5 4.5" /></svg>`;

function createTangent({ live, editor, facts }, i, rows) {
  const { graph } = live, { data, root } = graph, names = { x: facts[i].name, y: facts[root].name };
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const svg = createShape("svg", { role: "group", "aria-label": `${names.y} over ${names.x}` });
  const plotted = createShape("g"), point = createShape("g", { class: "point", role: "slider", tabindex: 0, "aria-label": names.x });
  point.append(createShape("circle", { class: "halo", r: 12 }), createShape("circle", { r: 5.5 }));
  svg.append(plotted, point);
  figure.className = "tangent";
  figure.append(caption, svg);
  let range = null, scales = null, drag = null, drawn = []; // the numbers that are drawn

  // The range stays while the point is in its middle; it moves after a drag, not under it.
  function chooseRange(x) {
    const half = range && (range[1] - range[0]) / 2, middle = range && (range[0] + range[1]) / 2;
    const fits = range && Math.abs(x - middle) <= (drag ? 1 : 0.8) * half && half < 8 * Math.max(1, Math.abs(x));
    if (fits) return range;
    const size = Math.max(1, Math.abs(Number.isFinite(x) ? x : 0)), at = Number.isFinite(x) ? x : 0;
    return [at - size, at + size];
  }

  function update() {
    const x = data[i], y = data[root], slope = live.grad(i);
    const size = parseFloat(getComputedStyle(svg).fontSize) || 11, height = svg.clientHeight, width = svg.clientWidth;
    const state = [width, height, size, ...data];
    if (!width || state.every((x, k) => Object.is(x, drawn[k]))) return;
    drawn = state;
    range = chooseRange(x);
    const probe = graph.createProbe?.(i) ?? createProbe(graph, rows, i), span = range[1] - range[0];
    const points = Array.from({ length: SAMPLES + 1 }, (_, k) => range[0] + (k * span) / SAMPLES);
    const curve = [...points.filter((u) => u < x), ...(Number.isFinite(x) ? [x] : []), ...points.filter((u) => u > x)].map((u) => [u, probe(u)]);
    const ys = findRange(curve.map(([, v]) => v), y), yTicks = chooseTicks(ys, height < 130 ? 3 : 4);
    const left = 14 + 0.58 * size * Math.max(2, ...yTicks.map((tick) => formatNumber(tick, ".4g").length));
    const isShort = names.x.length < 6; // then it is at the end of the axis, else below the ticks
    const frame = { left, right: width - (isShort ? 10 + 0.62 * size * names.x.length : 10), top: size + 10, bottom: height - (isShort ? 1 : 2.2) * size - 10 };
    scales = createScales(range, ys, frame);
    const isFinite = [x, y].every(Number.isFinite), inside = createShape("svg", { x: left, y: frame.top, width: frame.right - left, height: frame.bottom - frame.top });
    inside.setAttribute("viewBox", `${left} ${frame.top} ${frame.right - left} ${frame.bottom - frame.top}`);
    inside.append(createShape("path", { class: "curve", d: writeLine(curve, scales, ys) }));
    if (isFinite && Number.isFinite(slope)) {
      const ends = findEnds(x, y, slope, ys, span);
      inside.append(createShape("line", { class: "slope", x1: scales.x(ends[0][0]), y1: scales.y(ends[0][1]), x2: scales.x(ends[1][0]), y2: scales.y(ends[1][1]) }));
    }
    if (isFinite) inside.append(createShape("path", { class: "guide", d: `M${left} ${scales.y(y)}H${scales.x(x)}V${frame.bottom}` }));
    plotted.replaceChildren(
      createShape("rect", { class: "room", width, height }), ...drawAxes(chooseTicks(range, 5), yTicks, scales, frame), inside,
      createShape("text", { class: "name", x: left - 7, y: size, "text-anchor": "start" }, shortenName(names.y)),
      createShape("text", { class: "name", x: width - 2, y: isShort ? frame.bottom + 4 : height - 4, "text-anchor": "end" }, shortenName(names.x)),
    );
    point.setAttribute("display", isFinite ? "inline" : "none");
    if (isFinite) point.setAttribute("transform", `translate(${scales.x(x).toFixed(1)} ${scales.y(y).toFixed(1)})`);
    for (const [name, number] of [["min", range[0]], ["max", range[1]], ["now", x]]) if (Number.isFinite(number)) point.setAttribute(`aria-value${name}`, number);
    const write = live.write;
    point.setAttribute("aria-valuetext", `${write(x)}; ${names.y} is ${write(y)}, the slope is ${write(slope)}`);
    showCaption(write(slope));
  }

  // Returns two points of the tangent that are just outside the plot, however steep it is.
  function findEnds(x, y, slope, [low, high], span) {
    const reach = Math.min(2 * span, (2 * (high - low)) / Math.abs(slope));
    return [[x - reach, y - slope * reach], [x + reach, y + slope * reach]];
  }

  function showCaption(slope) {
    const [of, to] = [facts[root].math, facts[i].math], number = slope.startsWith("−") ? `<mo form="prefix">−</mo><mn>${slope.slice(1)}</mn>` : `<mn>${slope}</mn>`;
    caption.innerHTML = `<math><mi>∂</mi>${of}<mo>/</mo><mi>∂</mi>${to}<mo>=</mo>${number}</math>`;
  }

  // Returns the number at a pixel, with no more digits than the plot can show.
  function findNumber(clientX) {
    const box = svg.getBoundingClientRect(), x = scales.invert(((clientX - box.left) * svg.clientWidth) / box.width);
    const decimals = Math.max(0, 2 - Math.floor(Math.log10(range[1] - range[0])));
    return Number(Math.max(range[0], Math.min(range[1], x)).toFixed(Math.min(decimals, 100)));
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button || !scales) return;
    event.preventDefault(); // no selection of text
    drag = {};
    svg.setPointerCapture(event.pointerId);
    point.focus({ preventScroll: true });
    editor.set([[i, findNumber(event.clientX)]], { gesture: drag });
  });
  svg.addEventListener("pointermove", (event) => { if (drag) editor.set([[i, findNumber(event.clientX)]], { gesture: drag }); });
  for (const name of ["pointerup", "pointercancel"]) {
    svg.addEventListener(name, () => {
      drag = null;
      drawn = [];
      update(); // the range can move now
    });
  }
  point.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!steps || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // they do not step through the passes here
    editor.nudge(i, steps);
  });
  return { figure, update };
}
