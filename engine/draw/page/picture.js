// A drawing whose numbers change, and in which parts are marked. `prefix` is that of its ids.
// A value can be drawn several times: the others have the attributes data-of="v3" and data-at, with
// the arrows that they are at. A step that marks some of these arrows marks only the copies there.
// Nothing here makes the browser compute its layout; widths of texts are measured on a canvas.

const SPARE = 12; // room of a cell beyond its first text, at least
const MARGIN = 3; // between a number and what is beside it

function createPicture(graph, prefix) {
  const values = [], read = new Set(); // elements of values
  const elements = new Map(), rows = new Map(); // lists of elements by id, and of texts by row
  let pen = null, hot = [];

  // Adds the values of the drawing that have been added to it.
  function addValues() {
    rows.clear();
    for (const g of graph.querySelectorAll(".node")) {
      const id = read.has(g) ? "" : findId(g);
      if (!/^[vb]\d/.test(id)) continue;
      read.add(g);
      values.push(findValue(id, g));
    }
  }

  function parts(id) {
    if (!elements.size) {
      for (const element of graph.querySelectorAll("[id], [data-of]")) elements.set(findId(element), []);
      for (const element of graph.querySelectorAll("[id], [data-of]")) elements.get(findId(element)).push(element);
    }
    return elements.get(id) ?? [];
  }

  function findId(element) {
    return element.dataset.of ?? (element.id.startsWith(prefix + "-") ? element.id.slice(prefix.length + 1) : undefined);
  }

  // Returns a value of the drawing: its element, and its texts that change.
  function findValue(id, g) {
    const texts = [...g.querySelectorAll("text")], contents = texts.map((text) => text.textContent.trim());
    const find = (...names) => {
      const i = texts.findLastIndex((text, i) => names.some((name) => text.classList.contains(name) || contents[i].startsWith(name + " ")));
      if (i < 0) return undefined;
      const size = Number(texts[i].getAttribute("font-size")) || 11;
      return { g, size, text: texts[i], name: names.find((name) => contents[i].startsWith(name + " ")) ?? "", first: texts[i].textContent };
    };
    const value = { id, g, data: find("data"), grad: find("grad", "‖grad‖"), isKnown: true, isMarked: false };
    value.data?.text.classList.add("number");
    if (!value.grad) return value;
    const { text } = value.grad, squeeze = (...args) => squeezeText(value.grad, ...args);
    value.below = text.classList.contains("grad") ? addSign(text, squeeze) : addMark(text, texts[texts.indexOf(text) + 1], squeeze);
    return value;
  }

  // --------------------------------------------------------------------------------- numbers

  // Returns the width of a text, in the units of the drawing.
  function measure(text, size = 11, isBold = false) {
    if (!pen) {
      pen = document.createElement("canvas").getContext("2d");
      pen.family = graph.querySelector("svg").getAttribute("font-family");
    }
    const font = `${isBold ? "bold " : ""}${size}px ${pen.family}`;
    if (pen.last !== font) pen.font = pen.last = font;
    return pen.measureText(text).width;
  }

  // Returns the width that a field has for its texts. It ends at the sides of its cell, and in a card
  // at the text before it; it ends at the rim of a circle around it.
  function findRoom(field) {
    if (field.room) return field.room;
    const { g, text } = field, x = Number(text.getAttribute("x")), own = measure(field.first, field.size);
    const anchor = text.getAttribute("text-anchor"), isEnd = anchor === "end";
    const sides = findSides(g, x, text.getAttribute("y") - field.size / 3), left = Math.max(...sides.filter((side) => side < x), isEnd ? findEndBefore(text, x) : -Infinity);
    const right = Math.min(...sides.filter((side) => side > x)), isStart = text.classList.contains("data") && !isEnd && anchor !== "middle";
    field.room = isStart ? own + SPARE : isEnd ? x - left - MARGIN : 2 * Math.min(x - left, right - x) - MARGIN;
    if (!(field.room > own && field.room < Infinity)) field.room = own + SPARE;
    return field.room;
  }

  // Returns the places of the vertical lines of a value's cells, and of the rim of a circle at a point.
  function findSides(g, x, y) {
    const places = ({ x: left, width, points, d, cx, cy, r }) => {
      if (r) return [-1, 1].map((sign) => Number(cx) + sign * Math.sqrt(r * r - (y - cy) ** 2)); // nan: no rim
      if (width) return [Number(left), Number(left) + Number(width)];
      const xs = ((points ?? d).match(/-?[\d.]+/g) ?? []).filter((_, i) => i % 2 === 0).map(Number);
      return [Math.min(...xs), Math.max(...xs)];
    };
    return [...g.querySelectorAll("rect, path, polygon, polyline, circle")].flatMap((shape) => {
      const [left, right] = places(Object.fromEntries([...shape.attributes].map(({ name, value }) => [name, value])));
      return shape.tagName === "circle" ? (left < x && x < right ? [left, right] : []) : shape.tagName !== "polyline" || left === right ? [left, right] : [];
    });
  }

  // Returns the end of the text of a card that is before a place in the same row.
  function findEndBefore(text, x) {
    if (!rows.size) {
      for (const other of graph.querySelectorAll("text")) {
        const y = other.getAttribute("y"), at = Number(other.getAttribute("x")), anchor = other.getAttribute("text-anchor");
        const length = anchor === "end" ? 0 : measure(other.textContent, Number(other.getAttribute("font-size")) || 11);
        if (!rows.has(y)) rows.set(y, []);
        rows.get(y).push({ at, end: at + (anchor === "middle" ? length / 2 : length) });
      }
    }
    return Math.max(...rows.get(text.getAttribute("y")).filter(({ at }) => at < x - 1).map(({ end }) => end));
  }

  // Makes a text that is too long as wide as its field.
  function squeezeText(field, text, content, size, isBold = size < 11) {
    const isLong = content.length > 1 && measure(content, size, isBold) > findRoom(field);
    if (isLong) {
      text.setAttribute("textLength", field.room);
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    } else if (text.hasAttribute("textLength")) text.removeAttribute("textLength");
  }

  // Writes a number. One that is too long loses the "data" before it, or else is squeezed. The first
  // text fits, and so do shorter ones: no character is wider than two others. A changed number is
  // bold, and so wider.
  function write(field, number = "") {
    if (!field || field.number === number) return;
    const { g, text, name, first, size } = field, isBold = text.classList.contains("number") && g.classList.contains("free");
    const fits = (content) => content === first || (!isBold && content.length < first.length);
    let content = name && number ? `${name} ${number}` : name || number;
    if (name && number && !fits(content) && measure(content, size, isBold) > findRoom(field)) content = number;
    if (text.firstChild) text.firstChild.data = content;
    else text.textContent = content;
    if (!fits(content) || text.hasAttribute("textLength")) squeezeText(field, text, content, size, isBold);
    field.number = number;
  }

  // Shows the numbers and marks of a state.
  function showNumbers({ data, grad, marks }) {
    for (const value of values) {
      const { id, g } = value, isKnown = id in data;
      write(value.data, data[id]);
      if (isKnown !== value.isKnown) g.classList.toggle("unknown", !isKnown);
      value.isKnown = isKnown;
      if (marks[id] || value.isMarked) showMark(value, marks[id] ?? ["", ""], grad[id]);
      else write(value.grad, grad[id]);
    }
  }

  // Marks the numbers of values as ones that can be changed; those of an array are single texts.
  function markFree(ids) {
    const free = new Set(ids), svg = graph.querySelector("svg"), others = ids.map((id) => svg.getElementById(`${prefix}-${id}`)).filter(Boolean);
    for (const g of [...values.filter(({ id }) => free.has(id)).map(({ g }) => g), ...others]) {
      const texts = [...g.querySelectorAll(".panel[data-field=data] .numbers text")];
      for (const element of texts.length ? texts : [g]) element.classList.add("free");
    }
  }

  // Hides the fields of arrays that have not appeared; `keys` are those of the others, as "v3 data".
  function showFields(keys) {
    for (const panel of graph.querySelectorAll(".panel")) {
      panel.classList.toggle("blank", !keys.includes(`${findId(panel.closest("g[id]"))} ${panel.dataset.field}`));
    }
  }

  function showMark(value, [kind, text], number = "") {
    const { g, grad, below } = value, state = [kind, text, number].join(" ");
    if (state === value.state) return;
    Object.assign(value, { state, isMarked: text !== "" });
    g.dataset.state = kind;
    if (!below?.hasNumber) write(grad, number);
    below?.show(kind, text, number);
    if (below?.hasNumber) grad.number = text ? undefined : number;
  }

  // ----------------------------------------------------------------------------------- marks

  // Returns the elements that a step marks: of a value that is drawn several times, those at the
  // marked arrows.
  function choose(ids) {
    const hasArrows = ids.some((id) => id.startsWith("e"));
    return ids.flatMap((id) => {
      const drawn = parts(id), isResult = ids.includes(id.replace("v", "e"));
      if (drawn.length < 2 || !hasArrows) return drawn;
      const copies = drawn.filter(({ dataset }) => dataset.at?.split(" ").some((arrow) => ids.includes(arrow)));
      return copies.length && !isResult ? copies : [...copies, ...drawn.filter(({ dataset }) => !dataset.of)];
    });
  }

  function mark(ids) {
    const marked = choose(ids);
    hot.forEach((element) => !marked.includes(element) && element.classList.remove("hot"));
    marked.forEach((element) => element.classList.add("hot"));
    return (hot = marked);
  }

  // Returns whether an element of the drawing shows the data of a value.
  const isNumber = (element) => values.some(({ data }) => data?.text.contains(element));

  // Returns the id of the value or operation that an element of the drawing is a part of.
  function idAt(element) {
    for (let at = element.closest("[id], [data-of]"); at && graph.contains(at); at = at.parentNode.closest("[id], [data-of]")) {
      const id = findId(at);
      if (id) return id;
    }
  }

  return { addValues, parts, choose, findId, showNumbers, showFields, mark, markFree, idAt, isNumber };
}
