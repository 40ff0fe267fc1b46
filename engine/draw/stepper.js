// A page that steps through frames: what they show appears, what they are about is marked.
// mount(root, page) finds everything inside `root`; nothing outside it is touched.

function mount(root, page) {
  const { prefix, runs } = page, find = (selector) => root.querySelector(selector);
  const part = (id) => root.querySelector(`[id="${prefix}-${id}"]`);
  const graph = find(".graph"), slider = find(".bar input"), play = find("[data-do=play]");
  const values = [...root.querySelectorAll("g[id]")].filter((g) => /^[^-]*-[vb]\d+$/.test(g.id)).map(value);
  const places = runs.map(() => 0); // where each run is
  let run = 0, at = -1, timer = null;
  const frames = () => runs[run].frames;

  // A value in the drawing, its texts that change, and under its gradient room for the right one.
  function value(g) {
    const texts = [...g.querySelectorAll("text")];
    const text = (field) => texts.findLast((each) => each.textContent.startsWith(field + " "));
    const found = { id: g.id.slice(prefix.length + 1), g, texts: { data: text("data"), grad: text("grad") ?? text("‖grad‖") } };
    found.grad = found.texts.grad?.textContent.split(" ")[0];
    if (found.texts.grad) {
      found.right = found.texts.grad.cloneNode();
      found.right.setAttribute("y", Number(found.right.getAttribute("y")) + 16);
      found.right.setAttribute("class", "right");
      found.right.dataset.of = found.id;
      g.parentNode.append(found.right); // after all arrows, so that none strikes it through
    }
    return found;
  }

  // What has appeared up to now.
  function seenAt(n) {
    const seen = { data: {}, grad: {}, wrong: [] };
    for (const each of frames().slice(0, n + 1)) {
      Object.assign(seen.data, each.data);
      Object.assign(seen.grad, each.grad);
      seen.wrong.push(...(each.wrong ?? []));
    }
    return seen;
  }

  function show(wanted) {
    const n = Math.max(0, Math.min(frames().length - 1, wanted)), frame = frames()[n];
    if (n === at && !root.dataset.path) return;
    const seen = seenAt(n), { wrong } = seen, { right } = runs[run];
    for (const { id, g, texts, grad, right: under } of values) {
      for (const [field, called] of [["data", "data"], ["grad", grad]]) {
        say(texts[field], id in seen[field] ? `${called} ${seen[field][id]}` : called);
      }
      g.classList.toggle("unknown", !(id in seen.data));
      g.classList.toggle("wrong", wrong.includes(id));
      const first = id === wrong[0] ? ", first wrong" : "";
      under?.classList.toggle("wrong", wrong.includes(id));
      say(under, !right || !(id in right) ? "" : wrong.includes(id) ? `≠ ${right[id]}${first}` : `right ${right[id]}`);
    }
    describe(frame.kind, frame.title, frame.lines ?? [], frame.note ?? "");
    find(".note").classList.toggle("alarm", Boolean(frame.wrong));
    mark(frame.hot ?? [], frame.to || frame.node);
    const news = Object.entries({ ...frame.data, ...frame.grad }).map(([, x]) => x).filter(Boolean);
    find(".live").textContent = [frame.title, ...(news.length === 1 ? [`now ${news[0]}`] : []), frame.note].filter(Boolean).map((each) => each.replace(/\.$/, "")).join(". ");
    find(".place").textContent = `${n + 1} of ${frames().length}`;
    slider.value = n;
    slider.setAttribute("aria-valuetext", `step ${n + 1}: ${frame.title}`);
    for (const [what, end] of [["first", 0], ["previous", 0], ["next", frames().length - 1], ["last", frames().length - 1]]) {
      find(`[data-do=${what}]`).setAttribute("aria-disabled", n === end); // not disabled: that would lose the focus
    }
    at = places[run] = n;
    root.dataset.step = n;
    delete root.dataset.path;
    inspector.update();
  }

  const say = (text, what) => { if (text && text.textContent !== what) text.textContent = what; };
  const math = (line) => `<math display="block"><mrow>${line.map((i) => page.texts[i]).join("")}</mrow></math>`;

  function describe(kind, title, lines, note) {
    find(".kind").textContent = find(".kind").dataset.kind = kind;
    find(".title").textContent = title;
    find(".formula").innerHTML = lines.map(math).join("");
    find(".note").textContent = note;
  }

  function mark(ids, first) {
    root.querySelectorAll(".hot").forEach((each) => each.classList.remove("hot"));
    const hot = ids.map(part).filter(Boolean);
    hot.forEach((each) => each.classList.add("hot"));
    if (hot.length) reveal(hot, part(first));
  }

  // Scroll the drawing, and nothing else, until what is marked can be seen; what it is about, where
  // all of it is too large.
  function reveal(hot, first) {
    const boxes = hot.map((each) => each.getBoundingClientRect()), view = graph.getBoundingClientRect();
    const left = Math.min(...boxes.map((b) => b.left)), right = Math.max(...boxes.map((b) => b.right));
    const top = Math.min(...boxes.map((b) => b.top)), bottom = Math.max(...boxes.map((b) => b.bottom));
    const large = right - left > view.width || bottom - top > view.height;
    if (large && first && hot.length > 1) return reveal([first]);
    if (left < view.left || right > view.right) graph.scrollLeft += (left + right - view.left - view.right) / 2;
    if (top < view.top || bottom > view.bottom) graph.scrollTop += (top + bottom - view.top - view.bottom) / 2;
  }

  // Another way through the graph, from where it was left.
  function change(to) {
    run = to;
    at = -1;
    root.querySelectorAll("[data-run]").forEach((each) => each.setAttribute("aria-pressed", Number(each.dataset.run) === to));
    slider.max = frames().length - 1;
    find("[data-do=mistake]").hidden = !frames().some((each) => each.wrong);
    show(places[to]);
    inspector.choose(); // its steps are others
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    playing(false);
  }

  function playing(on) {
    play.toggleAttribute("data-playing", on);
    play.title = on ? "Pause" : "Play";
    play.setAttribute("aria-label", play.title);
  }

  function start() {
    if (at === frames().length - 1) show(0);
    playing(true);
    timer = setInterval(() => {
      show(at + 1);
      if (!root.isConnected || at === frames().length - 1) stop();
    }, 900);
  }

  const actions = {
    first: () => show(0),
    previous: () => show(at - 1),
    next: () => show(at + 1),
    last: () => show(frames().length - 1),
    mistake: () => show(frames().findIndex((each) => each.wrong)),
    play: () => (timer ? stop() : start()),
  };
  const act = (what) => {
    if (what !== "play") stop();
    actions[what]();
  };
  root.querySelectorAll("[data-do]").forEach((each) => each.addEventListener("click", () => act(each.dataset.do)));
  root.querySelectorAll("[data-run]").forEach((each) => each.addEventListener("click", () => {
    stop();
    change(Number(each.dataset.run));
  }));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  const keys = { ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last", " ": "play" };
  root.addEventListener("keydown", (event) => {
    const what = keys[event.key], tag = event.target.tagName;
    if (!what || event.ctrlKey || event.metaKey || event.altKey || tag === "SELECT") return;
    if (event.key === " " && tag === "BUTTON") return; // presses the button
    event.preventDefault();
    event.stopPropagation();
    act(what);
  });

  // A drawing that is wider than the page shrinks to fit, as long as its texts can be read.
  const svg = graph.querySelector("svg"), natural = svg.width.baseVal.value;
  const fit = () => { svg.style.width = Math.min(natural, Math.max(graph.clientWidth, 0.72 * natural)) + "px"; };
  new ResizeObserver(fit).observe(graph);

  const inspector = inspect(root, page, {
    frames, math, part, describe, mark,
    at: () => at,
    seen: () => seenAt(at),
    show: (n) => { stop(); show(n); },
    stop,
  });
  change(0);
  for (const n of [1, frames().length - 2, 0]) { // fonts and styles are loaded now, not at the first step
    show(n);
    root.getBoundingClientRect();
  }
  graph.scrollTo(0, 0); // where they left it is not the beginning
  if (window === window.parent) root.focus({ preventScroll: true }); // the arrow keys work at once
}
