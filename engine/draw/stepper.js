// A page that steps through frames. Each frame shows new numbers and marks parts of the drawing.
// mount(root, page) works inside the element `root` only; `page` is the data from stepper.py.

function mount(root, page) {
  const { prefix, runs } = page, find = (selector) => root.querySelector(selector);
  const part = (id) => root.querySelector(`[id="${prefix}-${id}"]`);
  const graph = find(".graph"), slider = find(".bar input"), play = find("[data-do=play]");
  const values = [...root.querySelectorAll("g[id]")].filter((g) => /^[^-]*-[vb]\d+$/.test(g.id)).map(findValue);
  const places = runs.map(() => 0); // the current step of each run
  let run = 0, at = -1, timer = null;
  const frames = () => runs[run].frames;

  // Returns a value of the drawing: its element, its texts that change, and the mark of a wrong pass.
  function findValue(g) {
    const texts = [...g.querySelectorAll("text")];
    const find = (field) => texts.findLast((text) => text.textContent.trim().startsWith(field + " "));
    const value = { id: g.id.slice(prefix.length + 1), g, texts: { data: find("data"), grad: find("grad") ?? find("‖grad‖") } };
    value.gradName = value.texts.grad?.textContent.trim().split(" ")[0];
    if (value.texts.grad) value.below = addMark(value.texts.grad, texts[texts.indexOf(value.texts.grad) + 1]);
    return value;
  }

  // Returns the numbers that have appeared by step n, and the marks of a wrong pass.
  function stateAt(n) {
    const state = { data: {}, grad: {}, marks: {} };
    for (const frame of frames().slice(0, n + 1)) {
      for (const field in state) Object.assign(state[field], frame[field]);
    }
    return state;
  }

  function show(step) {
    const n = Math.max(0, Math.min(frames().length - 1, step)), frame = frames()[n];
    if (n === at && !root.dataset.path) return;
    const state = stateAt(n);
    for (const { id, g, texts, gradName, below } of values) {
      for (const [field, name] of [["data", "data"], ["grad", gradName]]) {
        setText(texts[field], id in state[field] ? `${name} ${state[field][id]}` : name);
      }
      g.classList.toggle("unknown", !(id in state.data));
      const [kind, text] = state.marks[id] ?? ["", ""];
      g.dataset.state = kind;
      below?.show(kind, text);
    }
    describe(frame.kind, frame.title, frame.lines ?? [], frame.note ?? "", frame.where);
    arrays.update(frames(), n, state.marks);
    find(".note").classList.toggle("alarm", Boolean(frame.alarm));
    mark(frame.marked ?? [], frame.to || frame.node);
    announce(frame);
    find(".place").textContent = `${n + 1} of ${frames().length}`;
    slider.value = n;
    slider.setAttribute("aria-valuetext", `step ${n + 1}: ${frame.title}`);
    for (const [action, end] of [["first", 0], ["previous", 0], ["next", frames().length - 1], ["last", frames().length - 1]]) {
      find(`[data-do=${action}]`).setAttribute("aria-disabled", n === end); // `disabled` would lose the focus
    }
    at = places[run] = n;
    root.dataset.step = n;
    delete root.dataset.path;
    inspector.update();
  }

  // Tells screen readers, which do not see the drawing, about a step.
  function announce({ title, data, grad, note }) {
    const numbers = Object.values({ ...data, ...grad }).filter(Boolean);
    const parts = [title, numbers.length === 1 ? `now ${numbers[0]}` : "", note].filter(Boolean);
    find(".live").textContent = parts.map((part) => part.replace(/\.$/, "")).join(". ");
  }

  const setText = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const math = (line) => `<math display="block"><mrow>${line.map((i) => page.texts[i]).join("")}</mrow></math>`;

  function describe(kind, title, lines, note, where = "") {
    find(".kind").textContent = find(".kind").dataset.kind = kind;
    find(".where").textContent = where;
    find(".title").textContent = title;
    showFormulas(find(".formula"), lines.map(math));
    find(".note").textContent = note;
    for (const part of [".title", ".formula", ".note"]) showWholeNames(find(part), page.whole);
  }

  function mark(ids, first) {
    root.querySelectorAll(".hot").forEach((element) => element.classList.remove("hot"));
    const elements = ids.map(part).filter(Boolean);
    elements.forEach((element) => element.classList.add("hot"));
    if (elements.length) reveal(elements, part(first));
  }

  // Scrolls the drawing, and not the page, to some elements; to the first if all do not fit.
  function reveal(elements, first) {
    const boxes = elements.map((element) => element.getBoundingClientRect()), view = graph.getBoundingClientRect();
    const left = Math.min(...boxes.map((b) => b.left)), right = Math.max(...boxes.map((b) => b.right));
    const top = Math.min(...boxes.map((b) => b.top)), bottom = Math.max(...boxes.map((b) => b.bottom));
    const large = right - left > view.width || bottom - top > view.height;
    if (large && first && elements.length > 1) return reveal([first]);
    if (left < view.left || right > view.right) graph.scrollLeft += (left + right - view.left - view.right) / 2;
    if (top < view.top || bottom > view.bottom) graph.scrollTop += (top + bottom - view.top - view.bottom) / 2;
  }

  // Changes to another run, at the step where it was left.
  function selectRun(to) {
    run = to;
    at = -1;
    root.querySelectorAll("[data-run]").forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.run) === to));
    slider.max = frames().length - 1;
    find("[data-do=mistake]").hidden = !frames().some((frame) => frame.alarm);
    show(places[to]);
    inspector.refresh(); // the steps of the selected value differ between runs
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    showPlaying(false);
  }

  function showPlaying(on) {
    play.toggleAttribute("data-playing", on);
    play.title = on ? "Pause" : "Play";
    play.setAttribute("aria-label", play.title);
  }

  function start() {
    if (at === frames().length - 1) show(0);
    showPlaying(true);
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
    mistake: () => show(frames().findIndex((frame) => frame.alarm)),
    play: () => (timer ? stop() : start()),
  };
  const act = (action) => {
    if (action !== "play") stop();
    actions[action]();
  };
  root.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => act(button.dataset.do)));
  root.querySelectorAll("[data-run]").forEach((button) => button.addEventListener("click", () => {
    stop();
    selectRun(Number(button.dataset.run));
  }));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  const keys = { ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last", " ": "play" };
  root.addEventListener("keydown", (event) => {
    const action = keys[event.key], tag = event.target.tagName;
    if (!action || event.ctrlKey || event.metaKey || event.altKey || tag === "SELECT") return;
    if (event.key === " " && tag === "BUTTON") return; // the space bar presses the button
    event.preventDefault();
    event.stopPropagation();
    act(action);
  });

  // A wide drawing shrinks to the width of the page while its text is legible, and scrolls below that.
  const svg = graph.querySelector("svg"), natural = svg.width.baseVal.value;
  const fit = () => { svg.style.width = Math.min(natural, Math.max(graph.clientWidth, 0.72 * natural)) + "px"; };
  new ResizeObserver(fit).observe(graph);

  const arrays = showArrays(root, page, { math, step: () => ({ frames: frames(), n: at }) });
  const inspector = inspect(root, page, {
    frames, math, part, describe, mark, stop,
    at: () => at,
    state: () => stateAt(at),
    show: (n) => { stop(); show(n); },
  });
  selectRun(0);
  for (const n of [1, frames().length - 2, 0]) { // load fonts and styles now rather than at the first step
    show(n);
    root.getBoundingClientRect();
  }
  graph.scrollTo(0, 0); // showing those steps has scrolled
  if (window === window.parent) root.focus({ preventScroll: true }); // so that the arrow keys work immediately
}
