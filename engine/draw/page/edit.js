// Numbers that can be changed: those of leaves, by dragging, typing, arrow keys and the wheel.
// `page` is the interface of stepper.js; its refresh() computes and shows all numbers anew.

function createEditor(view, page) {
  const { live, facts, graph: drawing } = view, { nodes, data, canChange } = live.graph, first = [...data];
  const unlocked = new Set(); // constants that can be changed
  let undone = [], done = []; // of each gesture {gesture, changes: [[place, before, after], ...]}

  const isLeaf = (i) => nodes[i] && !nodes[i].inputs && nodes[i].of === undefined;
  const isLocked = (i) => isLeaf(i) && Boolean(nodes[i].constant) && !unlocked.has(i);
  const canUnlock = (i) => canChange && isLocked(i) && live.isWritten(i);
  const isFree = (i) => canChange && isLeaf(i) && !isLocked(i);
  const isChanged = (i) => isLeaf(i) && !Object.is(data[i], first[i]);
  const listChanged = () => facts.map((_, i) => i).filter(isChanged);

  // Sets numbers, given as [place, number]. Changes of one gesture are undone together.
  function set(pairs, { gesture = {} } = {}) {
    const changes = pairs.filter(([i, x]) => !Object.is(data[i], x)).map(([i, x]) => [i, data[i], x]);
    if (!changes.length) return;
    if (done.at(-1)?.gesture === gesture) {
      const last = new Map(done.at(-1).changes.map((change) => [change[0], change]));
      for (const change of changes) {
        if (last.has(change[0])) last.get(change[0])[2] = change[2];
        else done.at(-1).changes.push(change);
      }
    } else done.push({ gesture, changes });
    undone = [];
    write(changes.map(([i, , x]) => [i, x]));
  }

  function write(pairs) {
    for (const [i, x] of pairs) data[i] = x;
    page.refresh();
  }

  function undo() {
    const last = done.pop();
    if (!last) return;
    undone.push(last);
    write(last.changes.map(([i, before]) => [i, before]));
  }

  function redo() {
    const next = undone.pop();
    if (!next) return;
    done.push(next);
    write(next.changes.map(([i, , after]) => [i, after]));
  }

  const reset = () => set(listChanged().map((i) => [i, first[i]]));

  // Returns a number some steps away; the size of a step is a tenth of the number's first digit.
  function move(x, steps) {
    const size = Number.isFinite(x) ? Math.abs(x) : 1, unit = 10 ** (Math.floor(Math.log10(Math.max(size, 0.1))) - 1);
    const decimals = Math.max(0, -Math.round(Math.log10(unit)));
    return Number(((Number.isFinite(x) ? x : 0) + steps * unit).toFixed(Math.min(decimals, 100)));
  }

  const nudge = (i, steps) => { if (isFree(i)) set([[i, move(data[i], steps)]], { gesture: i }); };

  // ------------------------------------------------------------------------------- in the drawing

  // Dragging a number to the right or up makes it larger.
  let drag = null;
  drawing.addEventListener("pointerdown", (event) => {
    const i = findNumber(event.target);
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
    set([[drag.i, move(drag.from, steps)]], { gesture: drag });
    drag.moved = true;
  });
  const end = () => {
    if (drag && !drag.moved) page.select(drag.i);
    drag = null;
  };
  drawing.addEventListener("pointerup", end);
  drawing.addEventListener("pointercancel", end);

  // Returns the place of the leaf whose number an element of the drawing shows.
  function findNumber(element) {
    const id = page.idAt(element), i = facts.findIndex((fact) => fact.id && fact.id === id);
    return i >= 0 && isFree(i) && page.isNumber(element) ? i : undefined;
  }

  // Marks the numbers that can be changed, and those that have been.
  function showMarks() {
    facts.forEach(({ id }, i) => {
      if (!id || !isLeaf(i)) return;
      for (const element of page.parts(id)) {
        element.classList.toggle("free", isFree(i));
        element.classList.toggle("changed", isChanged(i));
      }
    });
  }

  // --------------------------------------------------------------------------------- in the panel

  // Returns the controls of a leaf: its number, and what it was.
  function createControls(i) {
    if (!isLeaf(i) || !(isFree(i) || canUnlock(i))) return null;
    const row = document.createElement("div");
    row.className = "edit";
    if (!isFree(i)) {
      row.append(createButton("Change this constant", () => { unlocked.add(i); showMarks(); page.select(i); }));
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
    input.addEventListener("wheel", (event) => {
      event.preventDefault();
      nudge(i, event.deltaY < 0 ? 1 : -1);
    }, { passive: false });
    const minus = createButton("−", () => nudge(i, -1), "Smaller"), plus = createButton("+", () => nudge(i, 1), "Larger");
    const was = createButton("", () => set([[i, first[i]]]), "Reset this number");
    was.className = "was";
    row.append(minus, input, plus, was);
    row.update = () => {
      const text = writeNumber(data[i]);
      if (document.activeElement !== input || readNumber(input.value) !== data[i]) input.value = text;
      input.classList.remove("invalid");
      was.textContent = `was ${live.write(first[i])}`;
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

  // ------------------------------------------------------------------------------ in the address

  const names = facts.map(({ name }) => name);
  const writeChanges = () => listChanged().map((i) => `${encodeURIComponent(names[i])}:${writeNumber(data[i])}`).join(";");

  // Sets the numbers of an address; other leaves have their first numbers.
  function readChanges(text) {
    const pairs = text.split(";").filter(Boolean).map((part) => part.split(":"))
      .map(([name, number]) => [names.indexOf(decodeURIComponent(name)), readNumber(number ?? "")])
      .filter(([i, x]) => canChange && isLeaf(i) && x !== undefined && (!isLocked(i) || canUnlock(i)));
    pairs.forEach(([i]) => nodes[i].constant && unlocked.add(i));
    const given = new Map(pairs), all = listChanged().filter((i) => !given.has(i)).map((i) => [i, first[i]]);
    set([...given, ...all]);
  }

  return {
    set, undo, redo, reset, nudge, isFree, isChanged, listChanged, createControls, showMarks, writeChanges, readChanges,
    canChange, canUndo: () => done.length > 0, canRedo: () => undone.length > 0,
  };
}

// Reads a number as people write it; undefined if it is none.
function readNumber(text) {
  const plain = text.trim().replace("−", "-").replace(",", "."), named = { inf: Infinity, "+inf": Infinity, "∞": Infinity, "-inf": -Infinity, "-∞": -Infinity, nan: NaN };
  if (plain.toLowerCase() in named) return named[plain.toLowerCase()];
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : undefined;
}

const writeNumber = (x) => (Number.isFinite(x) ? String(x) : x !== x ? "nan" : x < 0 ? "-inf" : "inf").replace("-", "−");
