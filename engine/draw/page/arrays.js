// Arrays in the drawing of a page: fills their fields with numbers and colours as these are
// computed, and follows one element of a matrix. `graph` is the drawing, `prefix` that of its ids. An
// element has the id of its value, its row and its column, as "v0 1,2".

function showArrays(root, graph, prefix, { math, step, describe = (cells) => cells }) {
  const chosen = {}; // the chosen element of each value, as "row,column"
  const panels = {};
  for (const g of graph.querySelectorAll(".panel")) {
    const value = g.closest("g[id]"), id = value.id.slice(prefix.length + 1);
    const { rows, columns, field, ...box } = g.dataset;
    const [x, y, width, height, widest] = [box.x, box.y, box.width, box.height, box.widest].map(Number);
    panels[`${id} ${field}`] = { id, g, x, y, width, height, widest, rows: Number(rows), columns: Number(columns) };
    g.addEventListener("click", (event) => { if (locate(id, field, event)) choose(locate(id, field, event)); });
  }

  // Shows the fields that have appeared by step n, the marks of a wrong pass, and one element.
  function update(frames, n, marks) {
    const cells = Object.assign({}, ...frames.slice(0, n + 1).map((frame) => frame.cells));
    for (const [key, panel] of Object.entries(panels)) fill(panel, cells[key] && describe(cells[key]));
    for (const text of graph.querySelectorAll(".array-mark")) {
      const [kind, words] = marks?.[text.closest("g[id]").id.slice(prefix.length + 1)] ?? ["", ""];
      if (text.textContent !== words) text.textContent = words;
      text.setAttribute("class", `array-mark below ${kind}`);
    }
    follow(frames[n]);
  }

  function fill({ g, ...panel }, cells) {
    g.classList.toggle("blank", !cells);
    if (!cells || g.dataset.shown === cells.levels + cells.texts + cells.title) return;
    g.dataset.shown = cells.levels + cells.texts + cells.title;
    g.querySelectorAll(".fill path").forEach((path) => path.setAttribute("d", draw(panel, cells.levels, path.dataset.level)));
    const decimals = Math.max(0, ...(cells.texts ?? []).map((text) => text.length - 1 - text.lastIndexOf(".")).filter((n, i) => cells.texts[i].includes(".")));
    g.querySelectorAll(".numbers text").forEach((text, i) => {
      text.textContent = cells.texts[i];
      const end = panel.x + (i % panel.columns) * panel.width + (panel.width + panel.widest) / 2;
      text.setAttribute("x", cells.texts[i] === "0" && decimals ? end - 3.18 - 6.36 * decimals : end); // units line up
      const isLong = 6.36 * cells.texts[i].length > panel.width + 6;
      for (const [name, value] of [["textLength", panel.width - 4], ["lengthAdjust", "spacingAndGlyphs"]]) {
        if (isLong) text.setAttribute(name, value);
        else text.removeAttribute(name);
      }
    });
    const title = g.querySelector(".size");
    if (title) title.textContent = cells.title ?? "";
  }

  // Returns the fields of one level as a path.
  function draw({ x, y, width, height, columns }, levels, level) {
    let d = `M${x},${y}`;
    for (let i = 0; i < levels.length; i++) {
      if (levels[i] !== level) continue;
      const left = x + (i % columns) * width, top = y + Math.floor(i / columns) * height;
      d += `M${left},${top}L${left + width},${top}L${left + width},${top + height}L${left},${top + height}Z`;
    }
    return d;
  }

  // Shows the line of the chosen element of a step, or of the largest, and outlines what it uses.
  function follow(frame) {
    graph.querySelectorAll(".followed").forEach((outline) => outline.remove());
    const { elements, to, node } = frame, keys = Object.keys(elements ?? {});
    root.querySelector(".formula").querySelector(".element")?.remove();
    if (!keys.length) return;
    const key = keys.includes(chosen[to || node]) ? chosen[to || node] : keys[0], [lines, marks] = elements[key];
    const div = document.createElement("div");
    div.className = "element";
    div.title = keys.length > 1 ? "Click another number of this array to follow it" : "";
    root.querySelector(".formula").append(div);
    showFormulas(div, lines.map(math));
    marks.forEach(([id, field, row, column], i) => outline(`${id} ${field}`, row, column, i === 0 ? "followed first" : "followed"));
  }

  function outline(key, row, column, kind) {
    const panel = panels[key];
    if (!panel || row >= panel.rows || column >= panel.columns) return;
    const { x, y, width, height } = panel;
    panel.g.append(createShape("rect", { x: x + column * width, y: y + row * height, width, height, class: kind }));
  }

  // Returns the element at a point of a field; undefined outside.
  function locate(id, field, event) {
    const { g, x, y, width, height, rows, columns } = panels[`${id} ${field}`];
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(g.getScreenCTM().inverse());
    const row = Math.floor((point.y - y) / height), column = Math.floor((point.x - x) / width);
    return row < 0 || column < 0 || row >= rows || column >= columns ? undefined : `${id} ${row},${column}`;
  }

  function choose(element) {
    const [id, cell] = element.split(" ");
    chosen[id] = cell;
    const { frames, n } = step(), frame = frames[n];
    if ((frame.to || frame.node) === id) follow(frame);
    pick(id);
  }

  // Outlines the chosen element of the selected value.
  function pick(id) {
    graph.querySelectorAll(".picked").forEach((outline) => outline.remove());
    const [row, column] = (chosen[id] ?? "0,0").split(",").map(Number), panel = panels[`${id} data`];
    if (hasNumbers(panel?.g)) outline(`${id} data`, row, column, "picked");
  }

  // Returns the element whose data is at a point of the drawing.
  function findElement(element, event) {
    const panel = element.closest(".panel[data-field=data]"), { id } = Object.values(panels).find(({ g }) => g === panel) ?? {};
    return id && hasNumbers(panel) ? locate(id, "data", event) : undefined;
  }

  const hasNumbers = (panel) => Boolean(panel?.querySelector(".numbers"));

  // Returns the text of the data of an element, if it is drawn.
  function findNumbers(element) {
    const [id, cell] = element.split(" "), [row, column] = cell.split(",").map(Number), { g, columns } = panels[`${id} data`] ?? {};
    return [g?.querySelectorAll(".numbers text")[row * columns + column]].filter(Boolean);
  }

  return { update, choose, pick, findElement, findNumbers, chosen: (id) => `${id} ${chosen[id]}` };
}

// Returns an element of a drawing.
function createShape(tag, attributes = {}, text = "") {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, x] of Object.entries(attributes)) shape.setAttribute(name, x);
  if (text) shape.textContent = text;
  return shape;
}
