// The details of the selected value: its rule, its line of code, its steps, and the paths of its
// gradient. `step` is the interface of stepper.js.

const MOST_RULES = 7; // formulas of a value before "more" is pressed

function inspect(root, { facts, whole }, step) {
  const panel = root.querySelector(".facts"), pick = panel.querySelector("select"), body = panel.querySelector(".details");
  const idle = body.textContent;
  let selected = -1, all = false; // whether all derivatives are shown
  const holder = create("div", "editing"); // outside the details, so that it keeps the focus
  body.before(holder);
  const plain = (name) => name.replace(/_\{(\d+)\}$/, "$1"); // w_{01} of a layer
  facts.forEach(({ name, kind }, i) => name && pick.append(new Option(`${plain(name)} (${kind})`, i)));
  for (const option of pick.options) showWholeNames(option, whole);
  const placeOf = Object.fromEntries(facts.map(({ id }, i) => [id, i]).filter(([id]) => id));

  function create(tag, kind, content = "") {
    const element = document.createElement(tag);
    element.className = kind;
    element.textContent = content;
    return element;
  }

  function createButton(kind, content, title, action) {
    const button = create("button", kind, content);
    button.type = "button";
    button.title = title;
    button.addEventListener("click", action);
    return button;
  }

  function addRow(label, ...contents) {
    if (!contents.length) return;
    const row = create("div", "row");
    row.append(create("span", "label", label), ...contents);
    body.append(row);
  }

  function select(i) {
    if (i !== selected) all = false;
    holder.replaceChildren(...[step.createControls(i)].filter(Boolean));
    show(i);
  }

  function show(i) {
    selected = i;
    pick.value = i < 0 ? "" : i;
    root.querySelectorAll(".chosen").forEach((element) => element.classList.remove("chosen"));
    step.parts(facts[i]?.id).forEach((element) => element.classList.add("chosen"));
    body.textContent = i < 0 ? idle : "";
    panel.classList.toggle("idle", i < 0);
    step.selected();
    if (i < 0) return;
    const fact = facts[i];
    body.append(create("div", "now"), create("div", "rule"));
    addRow("made by", ...(fact.origin ? [create("code", "origin", fact.origin)] : []));
    // The operation that several results share computes all of them, and propagates their gradients.
    const nodes = [fact.id, ...("shared" in fact ? [`v${fact.shared}`] : [])];
    const computes = ({ kind, node }) => kind === "forward" && nodes.includes(node);
    const isUse = (frame) => frame.kind === "forward" && !computes(frame) && frame.marked.includes(fact.id);
    addJumps("computed", isInside(i) ? () => false : computes);
    addJumps("used", isInside(i) ? computes : isUse);
    addJumps("receives", ({ kind, to, grad }) => to === fact.id || (kind === "backward" && isPart(fact.id) && fact.id in grad));
    addJumps("sends", ({ kind, node }) => kind === "backward" && !isInside(i) && nodes.includes(node));
    addPaths(i);
    update();
  }

  const isPart = (id) => !/^[vb]\d+$/.test(id); // the line of a weight, or the mark of a bias
  const isInside = (i) => i !== placeOf[facts[i].id]; // a value in a box, which the drawing does not show

  // Adds a row of buttons that lead to the steps that pass a test.
  function addJumps(label, test, most = 8) {
    const steps = step.frames().map((frame, n) => [frame, n]).filter(([frame]) => test(frame));
    const buttons = steps.slice(0, most).map(([frame, n]) => {
      const button = createButton("jump", n + 1, frame.title, () => step.show(n));
      button.dataset.to = n;
      return button;
    });
    const more = steps.length - most;
    addRow(label, ...buttons, ...(more > 0 ? [create("span", "more", `and ${more} more`)] : []));
  }

  // Adds the paths from a value to the root, the largest first.
  function addPaths(i) {
    const { paths, path_count: count, rest, gradient } = step.paths(i), { name } = facts[i];
    if (!paths || i === facts.length - 1) return;
    const largest = Math.max(...paths.map(([product]) => size(product))), list = create("div", "paths");
    const along = `${count} path${count === "1" ? "" : "s"} to ${facts.at(-1).name}`;
    const wrong = Object.keys(step.state().marks).length > 0; // paths explain the true gradient only
    body.append(create("div", "summary", `The ${wrong ? "true" : "complete"} gradient adds up to ${gradient} along ${along}:`), list);
    paths.forEach(([product, , , , route], rank) => {
      const nodes = [name, ...listLinks(i, rank).map(({ to }) => facts[to].name)], bar = create("span", "length");
      bar.style.width = `${largest ? (48 * size(product)) / largest : 0}px`;
      const button = createButton("path", "", nodes.map((node) => whole[node] ?? node).join(" → "), () => showPath(i, rank)), cell = create("span", "");
      cell.append(bar);
      button.append(cell, create("span", "product", product), create("span", "route", route));
      button.dataset.rank = rank;
      list.append(button);
    });
    const one = count === String(paths.length + 1);
    if (rest !== "0") list.append(create("div", "rest", `${rest} along the other path${one ? "" : "s"}`));
    else if (count !== String(paths.length)) list.append(create("div", "rest", `the other path${one ? " adds" : "s add"} up to 0`));
  }

  const size = (product) => Math.abs(Number(product.replace(/^norm./, "").replace("−", "-"))) || 0;

  // Returns the links of a path: from a value, to a value, and the index of the latter's input.
  function listLinks(from, rank) {
    const links = [];
    const next = () => step.paths(from).paths?.[rank] ?? [];
    for (let [, to, k, rest] = next(); to >= 0; [, to, k, rest] = next()) {
      links.push({ from, to, k });
      [from, rank] = [to, rest];
    }
    return links;
  }

  function showPath(i, rank) {
    step.stop();
    const links = listLinks(i, rank), down = [...links].reverse();
    const { paths, path_count: count } = step.paths(i), { name } = facts[i];
    const derivative = (of, to) => `<mfrac><mrow><mi>∂</mi>${of.math}</mrow><mrow><mi>∂</mi>${to.math}</mrow></mfrac>`;
    const hide = (factor) => `<mrow class="folded"><mo form="infix">⋅</mo>${factor}</mrow>`;
    const multiply = (factors) => factors.length < 10 ? factors.join("<mo>⋅</mo>")
      : `${factors.slice(0, 5).join("<mo>⋅</mo>")}<mrow class="dots"><mo form="infix">⋅</mo><mo>⋯</mo></mrow>${factors.slice(5, -3).map(hide).join("")}`
        + factors.slice(-3).map((factor) => `<mo>⋅</mo>${factor}`).join("");
    const chain = multiply(down.map(({ from, to }) => derivative(facts[to], facts[from])));
    const numbers = multiply(down.map(({ to, k }) => step.write(facts[to].factors[k])));
    const which = count === "1" ? "The only path" : `Path ${rank + 1} of ${count}`;
    step.describe("path", `${which} from ${name} to ${facts.at(-1).name}`, [], "");
    showFormulas(root.querySelector(".formula"), [chain, `${numbers}<mo>=</mo><mn>${paths[rank][0]}</mn>`]
      .map((line) => `<math display="block"><mrow>${line}</mrow></math>`));
    const op = (to) => facts[to].shared ?? to; // several results share an operation
    step.mark([`v${i}`, ...links.flatMap(({ to, k }) => [`e${op(to)}-${k}`, `o${op(to)}`, `e${to}`, `v${to}`])]);
    root.dataset.path = rank;
    update();
  }

  // Shows the numbers that have appeared, and highlights the button of the current step or path.
  function update() {
    if (selected < 0) return;
    holder.firstElementChild?.update?.();
    const { id, lines } = facts[selected], { data, grad, marks } = step.state(), own = isInside(selected) && step.numbers(selected);
    const known = [["data", own ? own.data : data[id]], ["gradient", own && grad[id] ? own.grad : grad[id]]].filter(([, x]) => x);
    const mark = grad[id] && marks[id] ? ` (${marks[id][1]})` : "";
    body.querySelector(".now").textContent = known.map(([field, x]) => `${field} ${x}`).join(", ") + mark;
    const rules = all ? lines : lines.slice(0, MOST_RULES);
    showFormulas(body.querySelector(".rule"), rules
      .map((line) => step.math(line.length > 3 && !data[id] ? line.slice(0, 3) : line)));
    showWholeNames(body.querySelector(".rule"), whole);
    if (rules.length < lines.length) {
      const more = createButton("jump", `${lines.length - rules.length} more`, "Show all derivatives", () => { all = true; update(); });
      body.querySelector(".rule").append(more);
    }
    for (const button of body.querySelectorAll(".jump, .path")) {
      const { rank, to } = button.dataset;
      button.toggleAttribute("data-on", "path" in root.dataset ? rank === root.dataset.path : Number(to) === step.at());
    }
  }

  pick.addEventListener("change", () => select(pick.value === "" ? -1 : Number(pick.value)));
  root.querySelector(".graph").addEventListener("click", (event) => {
    const i = placeOf[step.idAt(event.target)?.replace(/^o/, "v")];
    if (i !== undefined) select(i);
  });
  return { refresh: () => show(selected), update, select, selected: () => selected };
}
