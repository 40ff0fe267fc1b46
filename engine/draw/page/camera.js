// The part of a drawing that is visible: its scale, panning and zooming.
// The element `graph` scrolls; the drawing in it is scaled by its width.

const LARGEST = 2.5, SMALLEST = 0.4; // scales that are chosen without the reader

// `group` is the largest width and height, in points, of what one step marks; the scale is such that
// it fits, if possible.
function createCamera(graph, [groupWidth, groupHeight], size) {
  const svg = graph.querySelector("svg"), { width: w, height: h } = svg.viewBox.baseVal;
  const natural = { width: (w * 4) / 3, height: (h * 4) / 3 }; // from points to pixels
  const group = { width: (groupWidth * 4) / 3 + 10, height: (groupHeight * 4) / 3 + 10 };
  let chosen = null; // the reader's scale, or "fit"
  const far = []; // removed parts, and the part that follows them
  let scale = 1;

  // Returns scales for a room of a size: `whole` shows the whole drawing, and `own` is used by itself.
  // It is the former unless texts would be too small; then each group fits if possible. Rooms with a
  // larger `rank` show more.
  function findScales({ width, height } = { width: graph.clientWidth, height: graph.clientHeight }) {
    const into = (box) => Math.min((width - 16) / box.width, (height - 16) / box.height);
    const whole = Math.min(into(natural), LARGEST), legible = 0.72 * size;
    if (whole >= 0.76 * legible) return { whole, own: whole, rank: LARGEST + whole };
    const rank = Math.max(whole, Math.min(legible, into(group)));
    return { whole, own: Math.max(rank, SMALLEST * size), rank };
  }

  function resize() {
    if (!graph.clientWidth) return;
    const { whole, own } = findScales();
    setScale(chosen === "fit" ? whole : (chosen ?? own));
  }

  function setScale(to) {
    scale = to;
    svg.style.width = `${natural.width * scale}px`;
    svg.style.height = `${natural.height * scale}px`;
  }

  // Removes the parts beyond the view until `showAll` is called. Their layout would take most of the
  // time in which a large drawing opens, even if they were hidden.
  function showNear() {
    const { clientWidth: width, clientHeight: height } = graph, layer = svg.querySelector(":scope > .graph") ?? svg;
    if (natural.width * scale <= width && natural.height * scale <= height) return;
    const [, dx = 0, dy = 0] = /translate\(([-\d.]+)[ ,]+([-\d.]+)/.exec(layer.getAttribute("transform")) ?? [];
    const right = (0.75 * width) / scale - dx + 40, bottom = (0.75 * height) / scale - dy + 40; // from pixels to points
    for (const part of [...layer.children]) {
      const shape = part.tagName === "g" ? part.querySelector("rect, path, polygon, ellipse, text") : part.tagName === "text" && part;
      const [x, y] = shape ? findCorner(shape) : [-Infinity, -Infinity];
      if (x > right || y > bottom) {
        if (!far.length || far.at(-1).next) far.push({ layer, parts: [], next: null });
        far.at(-1).parts.push(part);
        part.remove();
      } else if (far.length) far.at(-1).next ??= part;
    }
  }

  // Returns the smallest x and y of a shape's points, or the middle of an ellipse.
  function findCorner(shape) {
    const read = (name) => shape.getAttribute(name), points = read("d") ?? read("points");
    if (!points) return [Number(read("x") ?? read("cx")), Number(read("y") ?? read("cy"))];
    if (/[AHV]/i.test(points)) return [-Infinity, -Infinity]; // its numbers are not pairs
    const numbers = points.match(/-?[\d.]+/g).map(Number);
    return [0, 1].map((k) => Math.min(...numbers.filter((_, i) => i % 2 === k)));
  }

  function showAll() {
    for (const { layer, parts, next } of far.splice(0)) {
      const group = document.createDocumentFragment();
      group.append(...parts);
      layer.insertBefore(group, next);
    }
  }

  // Zooms around a point of the window, by default the middle of the view.
  function zoom(factor, x, y) {
    const view = graph.getBoundingClientRect(), before = svg.getBoundingClientRect();
    x ??= view.left + view.width / 2;
    y ??= view.top + view.height / 2;
    const [u, v] = [(x - before.left) / before.width, (y - before.top) / before.height];
    const { whole } = findScales();
    chosen = Math.max(Math.min(whole, 0.25), Math.min(8, scale * factor));
    setScale(chosen);
    const after = svg.getBoundingClientRect();
    graph.scrollBy({ left: after.left + u * after.width - x, top: after.top + v * after.height - y, behavior: "instant" });
  }

  // Shows the whole drawing; if it is shown, returns to the scale at which texts can be read.
  function fit() {
    const { whole, own } = findScales();
    chosen = Math.abs(scale - whole) < 0.001 && own > whole ? null : "fit";
    resize();
  }

  // Scrolls the drawing, and not the page, to some elements; to the first one if all do not fit.
  function reveal(elements, first, instant) {
    const box = unite(elements.map((element) => element.getBoundingClientRect()));
    const view = graph.getBoundingClientRect();
    const large = box.right - box.left > view.width || box.bottom - box.top > view.height;
    if (large && first && elements.length > 1) return reveal([first], null, instant);
    const left = box.left < view.left || box.right > view.right ? (box.left + box.right - view.left - view.right) / 2 : 0;
    const top = box.top < view.top || box.bottom > view.bottom ? (box.top + box.bottom - view.top - view.bottom) / 2 : 0;
    const still = instant || matchMedia("(prefers-reduced-motion: reduce)").matches;
    graph.scrollBy({ left, top, behavior: still || !(left || top) ? "instant" : "smooth" }); // also ends an earlier one
  }

  return {
    fit, zoom, reveal, resize, findScales, showNear, showAll,
    setSize: (to) => { size = to; resize(); },
    pan: (x, y) => graph.scrollBy({ left: x * 0.4 * graph.clientWidth, top: y * 0.4 * graph.clientHeight }),
    canPan: () => graph.scrollWidth > graph.clientWidth + 1,
  };
}

function unite(boxes) {
  return {
    left: Math.min(...boxes.map((box) => box.left)), right: Math.max(...boxes.map((box) => box.right)),
    top: Math.min(...boxes.map((box) => box.top)), bottom: Math.max(...boxes.map((box) => box.bottom)),
  };
}
