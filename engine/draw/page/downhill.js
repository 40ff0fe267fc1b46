// Gradient descent in the page: the panel "Step downhill", with the curve of the root over the steps.

const LONGEST_RUN = 100000; // of a run
const STANDS = 1e-9; // a run ends when the root changes by less, relative to its size
const SLICE = 12; // milliseconds of computing between two pictures of a run

// The descent of one view: the leaves that move, and the numbers of the root so far. The first number
// of `roots` is that before the first step. A change by hand begins a new curve; after an undo, the
// place `at` goes back on the same one.
function createDescent({ live, editor, facts }) {
  const { graph, senders } = live, { nodes, data, root } = graph;
  const isLeaf = (i) => !nodes[i].inputs && nodes[i].of === undefined;
  const leaves = nodes.map((_, i) => i).filter(isLeaf);
  const movable = leaves.filter((i) => editor.isFree(i) && !nodes[i].constant && typeof data[i] === "number");
  const parameters = movable.filter((i) => facts[i].kind === "parameter");
  const chosen = new Set(parameters.length ? parameters : movable);
  let roots = [], at = 0, grads = { steps: 0 }; // accumulated gradients, and the steps that they are from
  let stops = []; // the states that undo and redo lead to

  function save(gesture) {
    stops = stops.filter((stop) => stop.at < at && (stop.gesture !== gesture || gesture === undefined));
    stops.push({ at, gesture, numbers: leaves.map((i) => data[i]), grads: { ...grads } });
  }

  // Finds the place of the present numbers on the curve, or begins a new one. Returns whether they
  // have changed otherwise than by a step.
  function follow() {
    const matches = ({ numbers }) => numbers.every((x, k) => Object.is(x, data[leaves[k]]));
    if (stops.some((stop) => stop.at === at && matches(stop))) return false;
    const stop = stops.findLast(matches);
    if (stop) [at, grads] = [stop.at, { ...stop.grads }];
    else {
      [roots, at, grads, stops] = [[data[root]], 0, { steps: 0 }, []];
      save();
    }
    return true;
  }

  function computeGradients() {
    graph.compute();
    return graph.runPass(senders).grads;
  }

  // Takes steps until `isEnough(roots)`; steps of the same gesture are undone together. Returns
  // whether a number has changed, so that the page is shown anew.
  function advance(lr, zeroes, gesture, isEnough = () => true) {
    const before = movable.map((i) => data[i]);
    roots.length = at + 1;
    let slopes = computeGradients();
    do {
      grads.steps = zeroes ? 1 : grads.steps + 1;
      for (const i of movable) {
        grads[i] = zeroes ? slopes[i] : (grads[i] ?? 0) + slopes[i];
        if (chosen.has(i)) data[i] -= lr * grads[i];
      }
      slopes = computeGradients();
      roots.push(data[root]);
      at += 1;
    } while (!isEnough(roots));
    save(gesture);
    const after = movable.map((i) => [i, data[i]]);
    movable.forEach((i, k) => { data[i] = before[k]; });
    editor.set(after, { gesture });
    return after.some(([, x], k) => !Object.is(x, before[k]));
  }

  follow();
  return { movable, parameters, chosen, follow, advance, get roots() { return roots; }, get at() { return at; }, get summed() { return grads.steps; } };
}

// The panel. `getView` returns the view that is open.
function createDownhill(root, getView) {
  const panel = root.querySelector(".downhill"), opener = root.querySelector("[data-do=downhill]"), find = (name) => panel.querySelector(`[data-part=${name}]`);
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  let lr = 0.1, zeroes = true, timer = null, news = "", shown = null, size = { width: 0, height: 0, font: 11 }; // of the curve

  function findDescent(view) {
    if (!view.editor?.canChange || typeof view.live.graph.data.at(-1) !== "number") return null;
    return (view.descent ??= createDescent(view));
  }

  // Shows the open view's descent; called after each change of a number.
  function update() {
    const view = getView(), descent = findDescent(view), isNew = view !== shown;
    opener.hidden = !descent?.movable.length;
    if (opener.hidden) panel.hidden = true;
    opener.setAttribute("aria-expanded", !panel.hidden);
    shown = view;
    if (descent?.follow() || isNew) stop("");
    if (isNew && !panel.hidden) showLeaves(descent);
    show();
  }

  function show() {
    if (panel.hidden) return;
    const { live, facts } = shown, { roots, at, summed, chosen, movable } = shown.descent, name = facts[live.graph.root].name;
    const added = summed > 1 ? `gradients of ${countOf(summed, "step")} added` : "";
    find("now").textContent = `${shortenName(name)} = ${live.write(roots[at])}`;
    find("steps").textContent = [at ? `after ${countOf(at, "step")}` : "", added, news].filter(Boolean).join(" · ");
    find("news").setAttribute("aria-busy", Boolean(timer)); // screen readers hear the end only
    find("sum").toggleAttribute("hidden", zeroes); // MathML has no property
    find("zero").checked = zeroes;
    find("leaves").textContent = `${chosen.size} of ${countOf(movable.length, "number")}`;
    find("rate").value = lr;
    find("slider").value = Math.log10(lr);
    find("slider").setAttribute("aria-valuetext", lr);
    find("run").textContent = timer ? "Stop" : "Run";
    for (const control of ["step", "run"]) find(control).setAttribute("aria-disabled", !chosen.size);
    showCurve(roots, at, name);
  }

  const countOf = (n, noun) => `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;

  function showCurve(roots, at, name) {
    const svg = find("curve"), { width, height, font } = size, [low, high] = findEnds(roots);
    if (!width) return;
    const isLog = low > 0 && high / low > 1000 && low > 1e-300, ys = isLog ? [low / 1.5, high * 1.5] : findRange([low, high]);
    const yTicks = isLog ? chooseLogTicks(ys, 3) : chooseTicks(ys, 3), xs = [0, Math.max(roots.length - 1, 10)];
    const left = 14 + 0.58 * font * Math.max(2, ...yTicks.map((tick) => formatNumber(tick, ".4g").length));
    const frame = { left, right: width - 8, top: 6, bottom: height - font - 8 }, scales = createScales(xs, ys, frame, isLog);
    const line = (from, to) => writeLine(thinLine(roots, from, to, 2 * width), scales, ys), whole = chooseTicks(xs, 5).filter(Number.isInteger);
    svg.replaceChildren(
      ...drawAxes(whole, yTicks, scales, frame),
      createShape("path", { class: "undone", d: line(at, roots.length - 1) }), createShape("path", { class: "curve", d: line(0, at) }),
      ...(Number.isFinite(roots[at]) ? [createShape("circle", { cx: scales.x(at), cy: scales.y(roots[at]), r: 4 })] : []),
    );
    svg.setAttribute("aria-label", `${name} over the steps: from ${shown.live.write(roots[0])} to ${shown.live.write(roots[at])} after ${at} steps`);
  }

  // Returns the smallest and the largest number; a long run has too many for Math.min(...).
  function findEnds(numbers) {
    let [low, high] = [Infinity, -Infinity];
    for (const x of numbers) {
      if (!canPlot(x)) continue;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    return [low, high];
  }

  // Returns points of the curve: of each of `most / 2` parts, the smallest and the largest number.
  function thinLine(roots, from, to, most) {
    const size = Math.max(1, Math.ceil((2 * (to - from + 1)) / most)), points = [];
    for (let start = from; start <= to; start += size) {
      const end = Math.min(start + size - 1, to);
      let [low, high] = [start, start];
      for (let n = start; n <= end; n += 1) {
        if (roots[n] < roots[low]) low = n;
        if (roots[n] > roots[high]) high = n;
      }
      for (const n of new Set(low < high ? [low, high] : [high, low])) points.push([n, roots[n]]);
    }
    if (points.length && points.at(-1)[0] !== to) points.push([to, roots[to]]);
    return points;
  }

  function showLeaves({ movable, parameters, chosen }) {
    const boxes = movable.map((i) => Object.assign(document.createElement("input"), { type: "checkbox", checked: chosen.has(i) }));
    boxes.forEach((box, k) => box.addEventListener("change", () => {
      chosen[box.checked ? "add" : "delete"](movable[k]);
      show();
    }));
    find("list").replaceChildren(...boxes.map((box, k) => {
      const label = document.createElement("label");
      label.append(box, shown.facts[movable[k]].name);
      return label;
    }));
    const sets = [["all", movable], ["none", []], ["parameters", parameters]];
    find("sets").replaceChildren(...sets.slice(0, parameters.length ? 3 : 2).map(([text, list]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => {
        chosen.clear();
        list.forEach((i) => chosen.add(i));
        boxes.forEach((box, k) => { box.checked = chosen.has(movable[k]); });
        show();
      });
      return button;
    }));
  }

  // ------------------------------------------------------------------------------------- steps

  // Takes one step, and returns the number of the root.
  function descend(rate = lr) {
    const view = getView(), descent = findDescent(view);
    if (!descent?.movable.length) throw new Error("this picture has no numbers that can be changed");
    if (typeof rate !== "number") throw new TypeError(`expected a number, got ${rate}`);
    stop("");
    if (!descent.advance(rate, zeroes)) show();
    return view.live.graph.data.at(-1);
  }

  // Takes steps until the root stops changing, a few at first, so that the eye can follow.
  function run() {
    const gesture = {}, { descent } = shown, from = descent.at;
    let pace = isCalm.matches ? Infinity : 1;
    news = "";
    const slice = () => {
      const end = performance.now() + SLICE;
      let left = pace, why = "";
      descent.advance(lr, zeroes, gesture, (roots) => {
        left -= 1;
        why = findEnd(roots, roots.length - 1 - from);
        return why || left <= 0 || performance.now() > end;
      });
      pace *= 1.06;
      if (why || !panel.isConnected) stop(why);
      else timer = setTimeout(slice, 16);
    };
    timer = true; // the first slice is shown as part of a run
    slice();
  }

  function findEnd(roots, steps) {
    const [before, now] = roots.slice(-2);
    if (!Number.isFinite(now)) return "diverged";
    if (Math.abs(now - before) <= STANDS * Math.max(Math.abs(now), Math.abs(before))) return "stands still";
    return steps >= LONGEST_RUN ? "still moving" : "";
  }

  function stop(why) {
    clearTimeout(timer);
    timer = null;
    news = why;
    if (shown?.descent) show();
  }

  function toggle() {
    panel.hidden = !panel.hidden;
    stop("");
    shown = null;
    update();
    (panel.hidden ? opener : find("step")).focus({ preventScroll: true });
  }

  // ----------------------------------------------------------------------------------- controls

  const isEnabled = (name) => find(name).getAttribute("aria-disabled") !== "true";
  find("step").addEventListener("click", () => { if (isEnabled("step")) descend(); });
  find("run").addEventListener("click", () => { if (timer) stop("stopped"); else if (isEnabled("run")) run(); });
  find("close").addEventListener("click", toggle);
  find("zero").addEventListener("change", () => {
    zeroes = find("zero").checked;
    show();
  });
  find("slider").addEventListener("input", () => {
    lr = Number((10 ** Number(find("slider").value)).toPrecision(2));
    show();
  });
  find("rate").addEventListener("change", () => {
    const x = readNumber(find("rate").value);
    if (Number.isFinite(x)) lr = x;
    show(); // writes the old number in place of one that cannot be read
  });
  panel.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return; // undo and redo
    event.stopPropagation(); // the other keys do not step through the passes here
    if (event.key === "Escape") toggle();
  });
  new ResizeObserver(([{ contentRect: { width, height }, target }]) => {
    size = { width, height, font: parseFloat(getComputedStyle(target).fontSize) };
    if (shown?.descent) show();
  }).observe(find("curve"));
  return { update, toggle, descend };
}
