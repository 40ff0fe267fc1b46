// What there is to know about the value that was clicked: its rule, where it was made, its steps,
// and the paths along which its gradient came. `step` is what stepper.js lends.

function inspect(root, { prefix, facts, texts }, step) {
  const panel = root.querySelector(".facts"), pick = panel.querySelector("select"), body = panel.querySelector(".about");
  const idle = body.textContent;
  let chosen = -1;
  facts.forEach(({ name, what }, i) => name && pick.append(new Option(`${name} (${what})`, i)));
  const placeOf = Object.fromEntries(facts.map(({ id }, i) => [id, i]));

  function made(tag, kind, content = "") {
    const found = document.createElement(tag);
    found.className = kind;
    found.textContent = content;
    return found;
  }

  function button(kind, content, title, action) {
    const found = made("button", kind, content);
    found.type = "button";
    found.title = title;
    found.addEventListener("click", action);
    return found;
  }

  function row(label, ...contents) {
    if (!contents.length) return;
    const found = made("div", "row");
    found.append(made("span", "label", label), ...contents);
    body.append(found);
  }

  function choose(i) {
    chosen = i;
    pick.value = i < 0 ? "" : i;
    root.querySelectorAll(".chosen").forEach((each) => each.classList.remove("chosen"));
    step.part(facts[i]?.id)?.classList.add("chosen");
    body.textContent = i < 0 ? idle : "";
    if (i < 0) return;
    const fact = facts[i];
    body.append(made("div", "now"), made("div", "rule"));
    row("made by", ...(fact.made ? [made("code", "made", fact.made)] : []));
    // One of several results is computed, and sends, together with the others.
    const is = (field) => (frame) => frame[field] === fact.id || (field === "node" && fact.via !== undefined && frame.node === `v${fact.via}`);
    const [back, ahead] = ["backward", "forward"];
    jumps("computed", (frame) => frame.kind === ahead && is("node")(frame));
    jumps("used", (frame) => frame.kind === ahead && !is("node")(frame) && frame.hot.includes(fact.id));
    jumps("receives", is("to"));
    jumps("sends", (frame) => frame.kind === back && is("node")(frame));
    why(fact, i);
    update();
  }

  // The steps of a kind, as buttons that go there.
  function jumps(label, test, most = 8) {
    const found = step.frames().map((frame, n) => [frame, n]).filter(([frame]) => test(frame));
    const shown = found.slice(0, most).map(([frame, n]) => {
      const jump = button("jump", n + 1, frame.title, () => step.show(n));
      jump.dataset.to = n;
      return jump;
    });
    row(label, ...shown, ...(found.length > most ? [made("span", "more", `and ${found.length - most} more`)] : []));
  }

  // The paths from a value to the root, the largest first.
  function why({ paths, number, rest, name, gradient }, i) {
    if (!paths || i === facts.length - 1) return;
    const largest = Math.max(...paths.map(([product]) => size(product))), list = made("div", "paths");
    const along = `${number} path${number === "1" ? "" : "s"} to ${facts.at(-1).name}`;
    body.append(made("div", "why", `Why this gradient? In the end it is ${gradient}, along ${along}:`), list);
    paths.forEach(([product], rank) => {
      const nodes = followed(i, rank).map(({ to }) => facts[to].name), bar = made("span", "length");
      const route = [name, ...(nodes.length > 4 ? [...nodes.slice(0, 2), "…", nodes.at(-1)] : nodes)].join(" → ");
      bar.style.width = `${largest ? (48 * size(product)) / largest : 0}px`;
      const each = button("path", "", "Show this path", () => follow(i, rank)), cell = made("span", "");
      cell.append(bar);
      each.append(cell, made("span", "product", product), made("span", "route", route));
      each.dataset.rank = rank;
      list.append(each);
    });
    if (rest !== "0") list.append(made("div", "rest", `${rest} along the others`));
    else if (number !== String(paths.length)) list.append(made("div", "rest", "the others add up to 0"));
  }

  const size = (product) => Math.abs(Number(product.replace("−", "-"))) || 0;

  // A path, step by step: from which value to which, by which arrow.
  function followed(from, rank) {
    const found = [];
    for (let [, to, k, next] = facts[from].paths[rank]; to >= 0; [, to, k, next] = facts[from].paths[rank]) {
      found.push({ from, to, k });
      [from, rank] = [to, next];
    }
    return found;
  }

  function follow(i, rank) {
    step.stop();
    const links = followed(i, rank), down = [...links].reverse(), { paths, number, name } = facts[i];
    const slope = (of, to) => `<mfrac><mrow><mi>∂</mi>${of.math}</mrow><mrow><mi>∂</mi>${to.math}</mrow></mfrac>`;
    const times = (factors) => (factors.length > 9 ? [...factors.slice(0, 5), "<mo>⋯</mo>", ...factors.slice(-3)] : factors).join("<mo>⋅</mo>");
    const chain = times(down.map(({ from, to }) => slope(facts[to], facts[from])));
    const numbers = times(down.map(({ to, k }) => texts[facts[to].factors[k]]));
    const of = number === "1" ? "The only path" : `Path ${rank + 1} of ${number}`;
    step.describe("path", `${of} from ${name} to ${facts.at(-1).name}`, [], "");
    root.querySelector(".formula").innerHTML = [chain, `${numbers}<mo>=</mo><mn>${paths[rank][0]}</mn>`]
      .map((line) => `<math display="block"><mrow>${line}</mrow></math>`).join("");
    const op = (to) => facts[to].via ?? to; // several results share an operation
    step.mark([`v${i}`, ...links.flatMap(({ to, k }) => [`e${op(to)}-${k}`, `o${op(to)}`, `e${to}`, `v${to}`])]);
    root.dataset.path = rank;
    update();
  }

  // What is on the page now: the numbers that have appeared, and the button of the step or path.
  function update() {
    if (chosen < 0) return;
    const { id, lines } = facts[chosen], { data, grad } = step.seen();
    const known = [["data", data[id]], ["gradient", grad[id]]].filter(([, x]) => x);
    body.querySelector(".now").textContent = known.map(([what, x]) => `${what} ${x}`).join(", ");
    body.querySelector(".rule").innerHTML = lines
      .map((line) => step.math(line.length > 3 && !data[id] ? line.slice(0, 3) : line)).join("");
    for (const each of body.querySelectorAll(".jump, .path")) {
      const on = "path" in root.dataset ? each.dataset.rank === root.dataset.path : Number(each.dataset.to) === step.at();
      each.toggleAttribute("data-on", on);
    }
  }

  pick.addEventListener("change", () => choose(pick.value === "" ? -1 : Number(pick.value)));
  root.querySelector(".graph").addEventListener("click", (event) => {
    const g = event.target.closest("g[id]"), id = g?.id.startsWith(prefix) && g.id.slice(prefix.length + 1);
    const i = placeOf[id && id.replace(/^o/, "v")];
    if (i !== undefined) choose(i);
  });
  return { choose: () => choose(chosen), update };
}
