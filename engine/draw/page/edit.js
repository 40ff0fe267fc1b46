// Numbers that can be changed: those of leaves, by dragging, typing, arrow keys and the wheel.
// `changes` are those of changes.js; `page` is the interface of stepper.js.

const MOST_CONTROLS = 40; // leaves of a box whose numbers are shown

function createEditor(view, changes, page) {
  const { live, facts, graph: drawing } = view, { data } = live.graph;
  const placeOf = new Map(facts.map(({ id }, i) => [id, i]).filter(([id]) => id)); // of leaves in a box, that of the box
  const { set, undo, redo, nudge, isLeaf, isFree, isChanged, canUnlock, first } = changes;

  // ------------------------------------------------------------------------------- in the drawing

  // Dragging a number to the right or up makes it larger.
  let drag = null;
  drawing.addEventListener("pointerdown", (event) => {
    const i = findNumber(event.target, event);
    if (i === undefined || event.button) return;
    event.stopPropagation(); // the drawing stays where it is
    event.preventDefault();
    drag = { i, x: event.clientX, y: event.clientY, from: data[i], moved: false };
    drawing.setPointerCapture(event.pointerId);
  }, true);
  drawing.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const steps = Math.round((event.clientX - drag.x - (event.clientY - drag.y)) / 4);
    if (!drag.moved && Math.abs(steps) < 1) return;
    set([[drag.i, moveNumber(drag.from, steps)]], { gesture: drag });
    drag.moved = true;
  });
  const end = () => {
    if (drag && !drag.moved) page.select(drag.i);
    drag = null;
  };
  drawing.addEventListener("pointerup", end);
  drawing.addEventListener("pointercancel", end);

  // The wheel changes the selected number; elsewhere it scrolls.
  drawing.addEventListener("wheel", (event) => {
    const i = findNumber(event.target, event);
    if (i !== undefined && i === page.selected() && !event.ctrlKey && !event.metaKey) turn(i, event);
  }, { passive: false });

  function turn(i, event) {
    event.preventDefault();
    if (event.deltaY) nudge(i, event.deltaY < 0 ? 1 : -1);
  }

  // Returns the place of the leaf whose number an element of the drawing shows.
  function findNumber(element, event) {
    const i = placeOf.get(page.idAt(element, event));
    return isFree(i) && page.isNumber(element) ? i : undefined;
  }

  // Marks the numbers that can be changed, and those that have been.
  function showMarks() {
    const mark = (id, name, on) => page.parts(id).forEach((element) => element.classList.toggle(name, on));
    for (const [id, leaves] of page.boxes ?? []) mark(id, "changed", leaves.some(isChanged));
    facts.forEach(({ id, leaves }, i) => {
      if (leaves) mark(id, "changed", leaves.some((k) => facts[k].id === id && isChanged(k)));
      if (!id || !isLeaf(i) || placeOf.get(id) !== i) return;
      mark(id, "free", isFree(i));
      mark(id, "changed", isChanged(i));
    });
  }

  // --------------------------------------------------------------------------------- in the panel

  // Returns the controls of a leaf, or of the leaves in a box.
  function createControls(i) {
    const { leaves, name } = facts[i] ?? {};
    return (leaves && listControls(leaves, createRow, (k) => shortenLeaf(facts[k].name, name))) || createRow(i);
  }

  // Returns the name of a leaf without that of its box.
  function shortenLeaf(name, box) {
    const path = box.replace(/(^|\.)(\d+)(?=\.|$)/g, "[$2]"); // as Python writes it
    return (name.startsWith(path) && name.slice(path.length).replace(/^[., ]+/, "")) || name;
  }

  // Returns the controls of a leaf: its number, and what it was.
  function createRow(i) {
    if (!isLeaf(i) || !(isFree(i) || canUnlock(i))) return null;
    const row = document.createElement("div");
    row.className = "edit";
    if (!isFree(i)) {
      row.append(createButton("Change this constant", () => { (page.group?.(i) ?? [i]).forEach(changes.unlock); showMarks(); page.select(page.selected()); }));
      return row;
    }
    const input = document.createElement("input");
    Object.assign(input, { type: "text", autocomplete: "off", spellcheck: false });
    input.setAttribute("aria-label", `Number of ${facts[i].name}`);
    input.addEventListener("keydown", (event) => {
      const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      event.stopPropagation(); // the arrow keys belong to the text here
      if (event.key === "Escape") page.focus();
      if (event.key === "Enter") enter(i, input);
      if ((event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key)) {
        event.preventDefault();
        (event.key.toLowerCase() === "y" || event.shiftKey ? redo : undo)();
      }
      if (!steps) return;
      event.preventDefault();
      nudge(i, steps * (event.shiftKey ? 10 : 1));
    });
    input.addEventListener("change", () => enter(i, input));
    input.addEventListener("blur", () => row.update()); // restores the number if the text is not one
    input.addEventListener("wheel", (event) => turn(i, event), { passive: false });
    const minus = createButton("−", () => nudge(i, -1), "Smaller"), plus = createButton("+", () => nudge(i, 1), "Larger");
    const was = createButton("", () => set([[i, first(i)]]), "Reset this number");
    was.className = "was";
    row.append(minus, input, plus, was);
    row.update = () => {
      const text = writeNumber(data[i]);
      if (document.activeElement !== input || readNumber(input.value) !== data[i]) input.value = text;
      input.classList.remove("invalid");
      input.setAttribute("aria-invalid", false);
      was.textContent = `was ${live.write(first(i))}`;
      was.hidden = !isChanged(i);
    };
    row.update();
    return row;
  }

  function enter(i, input) {
    const x = readNumber(input.value);
    input.classList.toggle("invalid", x === undefined);
    input.setAttribute("aria-invalid", x === undefined);
    if (x !== undefined) set([[i, x]]);
  }

  function createButton(text, action, title = "") {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: text, title });
    if (title) button.setAttribute("aria-label", title);
    button.addEventListener("click", action);
    return button;
  }

  return { ...changes, createControls, showMarks, choose: page.select };
}

// Returns the controls of several leaves, one below the other; null if none can change.
function listControls(leaves, create, name) {
  const rows = leaves.slice(0, MOST_CONTROLS).map((k) => [k, create(k)]).filter(([, row]) => row), list = document.createElement("div");
  if (!rows.length) return null;
  list.className = "controls";
  const createText = (kind, text) => Object.assign(document.createElement("span"), { className: kind, textContent: text, title: text });
  for (const [k, row] of rows) list.append(createText("label", name(k)), row);
  if (leaves.length > MOST_CONTROLS) list.append(createText("more", `and ${leaves.length - MOST_CONTROLS} more, in the list above`));
  return Object.assign(list, { update: () => rows.forEach(([, row]) => row.update?.()) });
}
