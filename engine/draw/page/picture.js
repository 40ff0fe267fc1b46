// A drawing whose numbers change, and in which parts are marked. `prefix` is that of its ids.
// A value can be drawn several times: the others have the attributes data-of="v3" and data-at, with
// the arrows that they are at. A step that marks some of these arrows marks only the copies there.

const SPARE = 12; // room of a cell beyond its first text
const LONG = 6.2; // that of a number in a card, such as −1.234e−05, relative to the size of its text

function createPicture(graph, prefix) {
  const elements = new Map(); // lists, by id
  for (const element of graph.querySelectorAll("[id], [data-of]")) {
    const id = findId(element);
    if (id) elements.set(id, [...(elements.get(id) ?? []), element]);
  }
  const parts = (id) => elements.get(id) ?? [];
  const values = [...elements].filter(([id]) => /^[vb]\d+$/.test(id)).flatMap(([id, drawn]) => drawn.map((g) => findValue(id, g)));
  values.forEach(prepare);

  function findId(element) {
    return element.dataset.of ?? (element.id.startsWith(prefix + "-") ? element.id.slice(prefix.length + 1) : undefined);
  }

  // Returns a value of the drawing: its element, and its texts that change, with their lengths. All
  // lengths are measured before anything changes, which would make the browser lay out anew for each.
  function findValue(id, g) {
    const texts = [...g.querySelectorAll("text")];
    const find = (...names) => {
      const begins = (text, name) => text.textContent.trim().startsWith(name + " ");
      const text = texts.findLast((text) => names.some((name) => text.classList.contains(name) || begins(text, name)));
      return text && { text, name: names.find((name) => begins(text, name)) ?? "", length: text.getComputedTextLength() };
    };
    const data = find("data"), text = data?.text;
    if (text?.classList.contains("data") && text.getAttribute("text-anchor") === "end") {
      data.length = Math.max(data.length, LONG * text.getAttribute("font-size") - SPARE);
    }
    return { id, g, data, grad: find("grad", "‖grad‖") };
  }

  // Adds the mark of a wrong pass to a value, and marks its number as one that may change.
  function prepare(value) {
    const { g, data, grad } = value;
    data?.text.classList.add("number");
    if (!grad) return;
    const { text, length } = grad, texts = [...g.querySelectorAll("text")];
    value.below = text.classList.contains("grad") ? addSign(text, length) : addMark(text, texts[texts.indexOf(text) + 1], length);
  }

  // Writes numbers, given as [field, number]. Those that are too long lose the "data" before them, or
  // else are squeezed. All lengths are measured together: each change makes the browser lay out anew.
  function write(numbers) {
    const changed = numbers.filter(([field, number]) => field && field.number !== number);
    for (const [field, number] of changed) {
      field.number = number;
      field.text.textContent = [field.name, number].filter(Boolean).join(" ");
      field.text.removeAttribute("textLength");
    }
    const isLong = ([{ text, length }]) => text.getComputedTextLength() > length + SPARE;
    const long = changed.filter(isLong);
    for (const [field, number] of long) field.text.textContent = number;
    for (const [{ text, length }] of long.filter(isLong)) {
      text.setAttribute("textLength", length + SPARE);
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
  }

  // Shows the numbers and marks of a state.
  function showNumbers({ data, grad, marks }) {
    write(values.flatMap((value) => [[value.data, data[value.id]], [value.grad, grad[value.id]]]));
    for (const { id, g, below } of values) {
      g.classList.toggle("unknown", !(id in data));
      const [kind, text] = marks[id] ?? ["", ""];
      g.dataset.state = kind;
      below?.show(kind, text);
    }
  }

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
    graph.querySelectorAll(".hot").forEach((element) => element.classList.remove("hot"));
    const marked = choose(ids);
    marked.forEach((element) => element.classList.add("hot"));
    return marked;
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

  return { parts, choose, findId, showNumbers, mark, idAt, isNumber };
}
