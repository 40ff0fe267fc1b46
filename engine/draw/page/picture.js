// A drawing whose numbers change, and in which parts are marked. `prefix` is that of its ids.
// A value can be drawn several times: the others have the attributes data-of="v3" and data-at, with
// the arrows that they are at. A step that marks some of these arrows marks only the copies there.

function createPicture(graph, prefix) {
  const elements = new Map(); // lists, by id
  for (const element of graph.querySelectorAll("[id], [data-of]")) {
    const id = findId(element);
    if (id) elements.set(id, [...(elements.get(id) ?? []), element]);
  }
  const parts = (id) => elements.get(id) ?? [];
  const values = [...elements].filter(([id]) => /^[vb]\d+$/.test(id)).flatMap(([id, drawn]) => drawn.map((g) => findValue(id, g)));

  function findId(element) {
    return element.dataset.of ?? (element.id.startsWith(prefix + "-") ? element.id.slice(prefix.length + 1) : undefined);
  }

  // Returns a value of the drawing: its element, its texts that change, and the mark of a wrong pass.
  function findValue(id, g) {
    const texts = [...g.querySelectorAll("text")];
    const find = (...names) => {
      const begins = (text, name) => text.textContent.trim().startsWith(name + " ");
      const text = texts.findLast((text) => names.some((name) => text.classList.contains(name) || begins(text, name)));
      return text && { text, name: names.find((name) => begins(text, name)) ?? "" };
    };
    const value = { id, g, data: find("data"), grad: find("grad", "‖grad‖") };
    const { text } = value.grad ?? {};
    if (text) value.below = text.classList.contains("grad") ? addSign(text) : addMark(text, texts[texts.indexOf(text) + 1]);
    return value;
  }

  function write(field, number) {
    if (!field) return;
    const text = [field.name, number].filter(Boolean).join(" ");
    if (field.text.textContent !== text) field.text.textContent = text;
  }

  // Shows the numbers and marks of a state.
  function showNumbers({ data, grad, marks }) {
    for (const { id, g, below, ...fields } of values) {
      write(fields.data, data[id]);
      write(fields.grad, grad[id]);
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

  // Returns the id of the value or operation that an element of the drawing is a part of.
  function idAt(element) {
    for (let at = element.closest("[id], [data-of]"); at && graph.contains(at); at = at.parentNode.closest("[id], [data-of]")) {
      const id = findId(at);
      if (id) return id;
    }
  }

  return { parts, choose, findId, showNumbers, mark, idAt };
}
