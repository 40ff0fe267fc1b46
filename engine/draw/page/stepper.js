// A page that steps through frames. Each frame shows new numbers and marks parts of a drawing.
// mount(root, page, rows) works inside the element `root`; `page` is the data from html.py, and `rows`
// are the rows of the operations, printed as JavaScript. A view is a drawing with its runs and facts.
// One view is open at a time; it owns the elements .graph and .facts, and keeps its step and its
// selected value while another one is open.
// A stepper inside another page has page.outside: its name, `title`, and `leave()`, which returns to
// it. Such a stepper leaves the address and the title of the page alone. Its views may be
// {title, make}, of which make() returns the view when it first opens.

const NETWORK = "Drag a line to change its weight, or click it to type a number. Click an input for its samples, or a neuron to open it.";
const FIXED = "Click an input for its numbers, or a neuron to open it.";
const BOXES = "Click a box to see and change the numbers inside.";
const FORMULAS = [1.3, 1.15, 1, 0.9, 0.8]; // sizes, in em

function mount(root, page, rows) {
  const find = (selector) => root.querySelector(selector), stage = find(".stage");
  const slider = find(".bar input"), play = find("[data-do=play]"), full = find("[data-view=full]");
  const touch = matchMedia("(pointer: coarse)").matches;
  const adaptWords = (text) => (touch ? text.replaceAll(/\bclick/gi, (word) => (word[0] === "C" ? "Tap" : "tap")) : text);
  find(".details").textContent = adaptWords(find(".details").textContent);
  const blank = { graph: find(".graph").cloneNode(), facts: find(".facts").cloneNode(true) };
  const views = [], settings = loadSettings(), plots = {}, { outside } = page;
  page.views.forEach((data, i) => views.push(data.make ? data : createView(data, i)));
  let view = null, trail = [], timer = null, mounted = false;
  const downhill = createDownhill(root, () => view.owner);
  const frames = () => view.runs[view.run].frames;
  const quiz = createQuiz({
    root, find, rows, frames, math: (line) => math(line), describe,
    view: () => view, at: () => view.at, again: showAgain, openRun,
    show: (n) => { stop(); show(n); },
    leave: () => view.graph.focus({ preventScroll: true }),
  });

  // ------------------------------------------------------------------------------------- views

  function createView(data, i) {
    const first = i === 0, live = data.graph && createLive(data, rows, views[0]?.live), created = {
      ...data, live, network: data.graph?.circles, runs: live?.runs ?? data.runs,
      graph: first ? find(".graph") : blank.graph.cloneNode(),
      panel: first ? find(".facts") : blank.facts.cloneNode(true),
      places: data.runs.map(() => 0), // the current step of each run
      run: 0, at: -1, marked: [], first: null,
    };
    if (live?.hasBoxes) created.panel.querySelector(".details").textContent = adaptWords(!created.network ? BOXES : live.graph.canChange ? NETWORK : FIXED);
    const source = live?.isLinked && views[0]?.live ? views[0] : null;
    created.owner = source ?? (live?.elements ? openElements(created) : created); // the view whose numbers change
    const { owner } = created;
    if (live) created.changes = source ? linkChanges(source.changes, live.linked) : createChanges(owner.live, owner.facts, refresh);
    owner.changes ??= created.changes;
    return created;
  }

  // Opens a view; `path` are the views that led to it, and it.
  function open(path) {
    stop();
    trail = path;
    const i = path.at(-1);
    if (views[i].make) views[i] = createView(views[i].make(), i);
    view = views[i];
    find(".graph").replaceWith(view.graph);
    find(".facts").replaceWith(view.panel);
    if (view.owner !== view) view.live.update(); // numbers can have changed in another view
    const isNew = !view.picture;
    if (!isNew) view.circles?.update();
    if (isNew) mountView(view);
    if (!outside) document.title = `${view.title} – ${page.subtitle}`;
    showTrail();
    showRuns();
    arrange();
    selectRun(view.run);
    showChanges();
    quiz.updateButton();
    if (mounted) view.graph.focus({ preventScroll: true }); // the focus was in the other drawing
    if (!isNew) return;
    for (const n of [1, frames().length - 2, 0]) { // load fonts and styles now rather than at the first step
      show(n);
      root.getBoundingClientRect();
    }
    view.graph.scrollTo({ left: 0, top: 0, behavior: "instant" }); // showing those steps has scrolled
  }

  function mountView(view) {
    const { graph } = view;
    if (view.svg) graph.innerHTML = view.svg;
    view.picture = createPicture(graph, view.prefix);
    const groups = view.runs.flatMap((run) => run.frames.map((frame) => view.picture.choose(frame.marked ?? [])));
    view.camera = createCamera(graph, groups.filter((group) => group.length));
    view.camera.setSize(settings.size);
    graph.addEventListener("click", (event) => {
      if (openPart(event.target)) event.stopImmediatePropagation();
    });
    graph.addEventListener("keydown", (event) => {
      if (event.key === "Enter") openPart(event.target);
    });
    for (const part of graph.querySelectorAll("[data-opens]")) {
      part.setAttribute("tabindex", 0);
      part.setAttribute("role", "button");
    }
    onSwipe(graph, () => !view.camera.canPan());
    view.circles = view.network && createCircles(graph, view.prefix, view, view.network);
    view.arrays = showArrays(root, graph, view.prefix, { math, describe: view.live?.describeCells, step: () => ({ frames: frames(), n: view.at }) });
    const isNumber = (element) => view.picture.isNumber(element) || view.circles?.owns(element), elements = view.live?.elements;
    const drawing = { ...view.picture, isNumber, select: (i) => view.inspector.select(i), selected: () => view.inspector.selected(), focus: () => graph.focus() };
    if (elements) view.editor = view.owner.editor = createEditor({ ...view.owner, graph }, view.changes, { ...drawing, ...createElementPage(view, drawing.select) });
    else if (view.live) view.editor = createEditor(view, view.changes, drawing);
    view.inspector = inspect(root, view, {
      frames, math, write,
      createControls: (i) => {
        if (elements) return createArrayControls(view, i, (k) => addTangent(view.owner, k, view.editor.createControls(k), rows, plots));
        const { owner, live } = view, controls = view.editor?.createControls(i), at = owner === view ? i : live.linked(i);
        return controls && addTangent(owner, at, controls, rows, plots);
      },
      numbers: (i) => ({ data: view.live.write(view.live.graph.data[i]), grad: view.live.write(view.live.grad(i)) }),
      paths: (i) => view.live?.paths(i) ?? view.facts[i], describe, mark, stop,
      parts: view.picture.parts,
      idAt: view.picture.idAt,
      at: () => view.at,
      state: () => stateAt(view.at),
      show: (n) => { stop(); show(n); },
      selected: remember,
    });
  }

  // Opens the view that an element of the drawing leads to. Returns whether there is one.
  function openPart(element) {
    const title = element.closest("[data-opens]")?.dataset.opens, to = views.findIndex((view) => view.title === title);
    if (to < 0) return false;
    open([...trail, to]);
    return true;
  }

  function showTrail() {
    const places = trail.map((i, depth) => [views[i].title, () => open(trail.slice(0, depth + 1))]);
    if (outside) places.unshift([outside.title, outside.leave]);
    find(".trail").replaceChildren(...places.map(([title, action], depth) => {
      const last = depth === places.length - 1, place = document.createElement(last ? "span" : "button");
      place.textContent = place.title = title;
      if (last) place.setAttribute("aria-current", "page");
      else place.addEventListener("click", action);
      return place;
    }));
  }

  function showRuns() {
    const { runs } = view;
    find(".runs").replaceChildren(...runs.map(({ title }, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.run = i;
      button.textContent = title;
      button.addEventListener("click", () => { stop(); selectRun(i); });
      return button;
    }));
    find(".runs").hidden = runs.length < 2;
  }

  // ------------------------------------------------------------------------------------- steps

  const stateAt = (n) => quiz.hide(n, collectState);

  // Returns the numbers that have appeared by step n, and the marks of a wrong pass.
  function collectState(n) {
    const state = { data: {}, grad: {}, marks: {} };
    for (const frame of frames().slice(0, n + 1)) {
      for (const field in state) Object.assign(state[field], frame[field]);
    }
    return state;
  }

  function show(step) {
    const last = quiz.last(), n = Math.max(0, Math.min(last, step)), frame = frames()[n];
    if (n === view.at && !root.dataset.path) return;
    view.picture.showNumbers(stateAt(n));
    const isAsked = quiz.show(n);
    if (!isAsked) describe(frame.kind, frame.title, frame.lines ?? [], frame.note ?? "", frame.where);
    view.arrays.update(frames(), n, stateAt(n).marks);
    find(".note").classList.toggle("alarm", Boolean(frame.alarm));
    mark(frame.marked ?? [], frame.to || frame.node);
    if (!isAsked) announce(frame);
    find(".place").textContent = `${n + 1} of ${frames().length}`;
    slider.value = n;
    slider.setAttribute("aria-valuetext", `step ${n + 1}: ${frame.title}`);
    for (const [action, end] of [["first", 0], ["previous", 0], ["next", last], ["last", last]]) {
      find(`[data-do=${action}]`).setAttribute("aria-disabled", n === end); // `disabled` would lose the focus
    }
    view.at = view.places[view.run] = n;
    fitStep();
    root.dataset.step = n;
    delete root.dataset.path;
    view.inspector.update();
    remember();
  }

  // Computes the numbers of the graph anew, and shows them.
  function refresh() {
    view.owner.live.update();
    if (view.owner !== view) view.live.update();
    view.circles?.update();
    showAgain();
    view.inspector.refresh();
    showChanges();
  }

  function showAgain() {
    const n = view.at;
    view.at = -1;
    show(n);
  }

  function openRun(run, n) {
    stop();
    view.places[run] = n;
    selectRun(run);
  }

  // Shows which numbers have been changed, and where they end in inf or nan.
  function showChanges() {
    downhill.update();
    const { editor, live, facts } = view, trouble = live?.findTrouble(), isEditable = Boolean(editor?.canChange);
    editor?.showMarks();
    for (const [action, on] of [["undo", editor?.canUndo()], ["redo", editor?.canRedo()], ["reset", editor?.listChanged().length > 0]]) {
      const button = find(`[data-do=${action}]`);
      button.setAttribute("aria-disabled", !on);
      button.hidden = !isEditable || !(editor.canUndo() || editor.canRedo() || editor.listChanged().length);
    }
    find(".trouble").hidden = !trouble;
    if (!trouble) return;
    const { i, field, number } = trouble, isOf = ({ group }) => group !== undefined && live.isInGroup(group, i);
    const name = facts[i].name ?? facts.find(isOf)?.name ?? "a result";
    find(".trouble").textContent = `The ${field} of ${name} is ${live.write([number].flat().find((x) => !Number.isFinite(x)))}; numbers that depend on it can be inf or nan, too.`;
  }

  // Tells screen readers, which do not see the drawing, about a step.
  function announce({ title, data, grad, note }) {
    const numbers = Object.values({ ...data, ...grad }).filter(Boolean);
    const parts = [title, numbers.length === 1 ? `now ${numbers[0]}` : "", adapt(note ?? "")].filter(Boolean);
    find(".live").textContent = parts.map((part) => part.replace(/\.$/, "")).join(". ");
  }

  // Replaces the words about keys where there is no keyboard.
  const adapt = (note) => (touch ? note.replace(page.hints[0], page.hints[1]) : note);
  const write = (formula) => (view.live ? fillMath(formula, quiz.blank(view.live.find(view.run))) : formula);
  const math = (line) => `<math display="block"><mrow>${write(line.join(""))}</mrow></math>`;

  function describe(kind, title, lines, note, where = "") {
    find(".kind").textContent = find(".kind").dataset.kind = kind;
    find(".where").textContent = where;
    find(".title").textContent = title;
    setFormulaSize(FORMULAS[0]);
    showFormulas(find(".formula"), lines.map(math));
    find(".note").textContent = adapt(note);
    for (const part of [".title", ".formula", ".note"]) showWholeNames(find(part), view.whole);
    find(".step").scrollTop = 0;
  }

  function setFormulaSize(size) {
    find(".formula").style.fontSize = `${size}em`;
    find(".step").classList.toggle("tight", size < FORMULAS[0]);
  }

  // Makes the formulas of a step so small that the step fits its panel, if they can be read then.
  // Otherwise the panel scrolls, and shows the note first if that is a mistake.
  function fitStep() {
    const panel = find(".step"), isFit = () => panel.scrollHeight <= panel.clientHeight;
    setFormulaSize(FORMULAS[0]);
    panel.querySelectorAll(".formula, .element").forEach(fold);
    for (const size of FORMULAS) {
      setFormulaSize(size);
      if (isFit()) return;
    }
    if (frames()[view.at]?.alarm) panel.scrollTop = panel.scrollHeight;
  }

  function mark(ids, first) {
    view.marked = view.picture.mark(ids);
    view.first = view.marked.find((element) => view.picture.findId(element) === first);
    reveal();
  }

  function reveal(instant) {
    if (view.marked.length) view.camera.reveal(view.marked, view.first, instant);
  }

  // Changes to another run, at the step where it was left.
  function selectRun(to) {
    view.run = to;
    view.at = -1;
    root.querySelectorAll("[data-run]").forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.run) === to));
    slider.max = frames().length - 1;
    find("[data-do=mistake]").hidden = !frames().some((frame) => frame.alarm);
    show(view.places[to]);
    view.inspector.refresh(); // the steps of the selected value differ between runs
  }

  // ---------------------------------------------------------------------------------- the address

  function remember() {
    const value = view.facts[view.inspector?.selected()];
    view.circles?.select(value?.id);
    if (outside) return;
    writeAddress({
      step: view.at + 1,
      pass: view.run ? view.run + 1 : "",
      value: value?.name,
      view: trail.length > 1 ? view.title : "",
      set: view.editor?.writeChanges(),
      quiz: quiz.isOn() === Boolean(page.quiz) ? "" : Number(quiz.isOn()),
    });
  }

  // Goes to a place of the address: {step: 12, value: "x1", pass: 1, view: "layers.0"}; to a step
  // if it is a number. Steps are counted from 1, as the page shows them.
  function goto(place) {
    const { step, value, pass, view: title, set, quiz: asks } = typeof place === "object" ? place : { step: place };
    stop();
    const to = views.findIndex((view) => view.title === title);
    if (to >= 0 && views[to] !== view) open(to ? [0, to] : [0]);
    if (set !== undefined) view.editor?.readChanges(set);
    if (asks === "0") quiz.toggle(false);
    if (view.runs[pass - 1] && !quiz.isOn()) selectRun(pass - 1);
    if (Number.isFinite(Number(step))) show(Math.round(step) - 1);
    if (asks === "1" && !quiz.isOn()) quiz.toggle(true);
    const i = value ? view.facts.findIndex((fact) => fact.name === value || fact.id === value) : -1;
    if (i >= 0) view.inspector.select(i);
    else if (value && view.live?.elements) view.editor.choose(view.owner.facts.findIndex((fact) => fact.name === value));
  }

  // --------------------------------------------------------------------------------- the controls

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
    if (view.at === quiz.last()) show(0);
    showPlaying(true);
    timer = setInterval(() => {
      show(view.at + 1);
      if (!root.isConnected || view.at === quiz.last()) stop();
    }, 900 / settings.speed);
  }

  const actions = {
    first: () => show(0),
    previous: () => show(view.at - 1),
    next: () => show(view.at + 1),
    last: () => show(quiz.last()),
    quiz: () => quiz.toggle(),
    mistake: () => show(frames().findIndex((frame) => frame.alarm)),
    play: () => (timer ? stop() : start()),
    in: () => view.camera.zoom(1.25),
    out: () => view.camera.zoom(0.8),
    fit: () => { view.camera.fit(); reveal(true); },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen().catch(() => {})),
    undo: () => view.editor?.undo(),
    redo: () => view.editor?.redo(),
    reset: () => view.editor?.reset(),
    downhill: () => downhill.toggle(),
    back: () => (trail.length > 1 ? open(trail.slice(0, -1)) : outside?.leave()),
  };
  const moves = ["first", "previous", "next", "last", "mistake"];
  const act = (action) => {
    if (moves.includes(action)) stop();
    actions[action]();
  };
  root.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => act(button.dataset.do)));
  root.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => act(button.dataset.view)));
  full.hidden = Boolean(outside) || !document.fullscreenEnabled;
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  const keys = {
    ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last", " ": "play", Escape: "back",
    "+": "in", "=": "in", "-": "out", 0: "fit", f: "full",
  };
  const pans = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  root.addEventListener("keydown", (event) => {
    if (quiz.takeKey(event)) return;
    const { key, target } = event, isUndo = (event.ctrlKey || event.metaKey) && /^[zy]$/i.test(key);
    if (isUndo && view.editor?.canChange) {
      event.preventDefault();
      act(key.toLowerCase() === "y" || event.shiftKey ? "redo" : "undo");
    }
    const nudge = { ArrowUp: 1, ArrowDown: -1 }[key], chosen = view.inspector.selected();
    const selected = view.live?.elements ? findChosen(view, chosen) : chosen;
    if (nudge && !event.shiftKey && view.editor?.isFree(selected) && !target.matches("select, input")) {
      event.preventDefault();
      view.editor.nudge(selected, nudge);
      return;
    }
    const pan = event.shiftKey && pans[key], action = keys[key];
    if ((!action && !pan) || event.ctrlKey || event.metaKey || event.altKey || target.tagName === "SELECT") return;
    if (target.closest(".settings") || (key === " " && target.tagName === "BUTTON")) return; // it presses the button
    event.preventDefault();
    event.stopPropagation();
    if (pan) view.camera.pan(...pan);
    else act(action);
  });

  // A swipe goes to the next or the previous step.
  function onSwipe(element, allowed = () => true) {
    let from = null;
    element.addEventListener("touchstart", ({ touches }) => { from = touches.length === 1 ? touches[0] : null; }, { passive: true });
    element.addEventListener("touchend", ({ changedTouches: [to] }) => {
      const x = from ? to.clientX - from.clientX : 0, y = from ? to.clientY - from.clientY : 0;
      if (Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y) && allowed()) act(x < 0 ? "next" : "previous");
      from = null;
    });
  }
  onSwipe(find(".step"));

  // ---------------------------------------------------------------------- settings and the window

  function applySettings() {
    root.style.setProperty("--size", settings.size);
    for (const control of root.querySelectorAll("[data-set]")) control.value = settings[control.dataset.set];
    view?.camera.setSize(settings.size);
  }
  for (const control of root.querySelectorAll("[data-set]")) {
    control.addEventListener("input", () => {
      settings[control.dataset.set] = Number(control.value);
      applySettings();
      saveSettings(settings);
      if (timer) { stop(); start(); }
    });
  }
  const menu = find(".settings");
  root.addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") menu.open = false; });

  // Puts the panels beside the drawing or below it, where more of it is legible.
  function arrange() {
    const { clientWidth: width, clientHeight: height } = root, em = parseFloat(getComputedStyle(root).fontSize);
    const panels = Math.max(9.6 * em, Math.min(0.26 * height, 15 * em)); // as in the style sheet
    const rank = (width, height) => view.camera.findScales({ width, height }).rank;
    const beside = rank(width - Math.max(300, 0.28 * width), height - 40), below = rank(width, height - panels - 6.5 * em);
    const isWide = beside === below ? width > height : beside > below;
    root.dataset.layout = width >= 620 && isWide ? "beside" : "below";
  }
  new ResizeObserver(arrange).observe(root);
  new ResizeObserver(() => {
    view.camera.resize();
    fitStep();
    reveal(true);
  }).observe(stage);

  if (page.theme === "auto" && !outside) followTheme();
  root.classList.add("ready");
  root.classList.toggle("framed", window !== window.parent);
  applySettings();
  open([0]);
  mounted = true;
  if (!outside) {
    goto({ quiz: page.quiz ? "1" : undefined, ...readAddress() });
    window.addEventListener("hashchange", () => goto(readAddress()));
  }
  if ((window === window.parent || outside) && !quiz.isOn()) root.focus({ preventScroll: true }); // so that the arrow keys work immediately
  // ----------------------------------------------------------- the interface for other programs

  // Returns the view and the place of a value; of an opened part, its own names come first.
  const locate = (name) => {
    for (const from of [view, view.owner]) {
      const i = from.facts.findIndex((fact) => fact.name === name);
      if (i >= 0) return { from, i };
    }
    throw new Error(`no value is called ${name}; names() returns all names`);
  };

  // The names of all values of the picture that is shown.
  const names = () => [...new Set([view, ...(view.live?.elements ? [view.owner] : [])].flatMap(({ facts }) => facts.map((fact) => fact.name)))].filter(Boolean);

  // The numbers of a value: {data, grad}. A neuron has those in its circle.
  function get(name) {
    const { from: { live, facts }, i } = locate(name), { group } = facts[i];
    if (!live) throw new Error("this page replays its numbers; pages that step through few Values, or through Arrays with few elements, compute them");
    if (group !== undefined) return { data: live.group("m", group), grad: live.group("t", group) };
    if (i > live.graph.root) throw new Error(`${name} is a box of several values; names() lists those inside that can change`);
    const nest = live.elements?.nest ?? ((_, x) => x); // arrays are nested lists
    return { data: nest(i, live.graph.data[i]), grad: nest(i, live.grad(i)) };
  }

  // Changes the number of a leaf, or the numbers of an array, given as nested lists.
  function set(name, number) {
    const { from: { changes, live }, i } = locate(name), places = live?.elements?.placesOf(i) ?? [i], numbers = [number].flat(Infinity);
    if (!places.length || !places.every((k) => changes?.isFree(k))) throw new Error(`${name} cannot be changed: it is not a leaf, or it is a constant`);
    if (numbers.length !== places.length || !numbers.every((x) => typeof x === "number")) {
      throw new TypeError(`expected ${places.length > 1 ? `${places.length} numbers` : "a number"}, got ${number}`);
    }
    changes.set(places.map((k, n) => [k, numbers[n]]));
  }

  return { goto, names, get, set, descend: (lr) => downhill.descend(lr), reset: () => view.editor?.reset() };
}
