// A page that steps through frames. Each frame shows new numbers and marks parts of a drawing.
// mount(root, page, rows) works inside the element `root`; `page` is the data from html.py, and `rows`
// are the rows of the operations, printed as JavaScript. A view is a drawing with its runs and facts.
// One view is open at a time; it owns the elements .graph and .facts, and keeps its step and its
// selected value while another one is open.
// A stepper inside another page has page.outside: its name, `title`, and `leave()`, which returns to
// it. Such a stepper leaves the address and the title of the page alone. Its views may be
// {title, make}, of which make() returns the view when it first opens.
// The page opens with the first picture only. complete() adds everything else: when that picture has
// been shown, or before the first event or call that requires it. If the first view in `page` is whole,
// all views are complete when they open.

function mount(root, page, rows) {
  const find = (selector) => root.querySelector(selector), stage = find(".stage");
  const slider = find(".bar input"), play = find("[data-do=play]"), isTouched = matchMedia("(pointer: coarse)").matches;
  const adaptWords = (text) => (isTouched ? text.replaceAll(/\bclick/gi, (word) => (word[0] === "C" ? "Tap" : "tap")) : text);
  find(".details").textContent = adaptWords(find(".details").textContent);
  const blank = { graph: find(".graph").cloneNode(), facts: find(".facts").cloneNode(true) }, { outside } = page, isWhole = "facts" in page.views[0];
  const views = page.views.map((data, i) => (data.make ? data : createView(data, i))), settings = loadSettings(), plots = {};
  let view = null, trail = [], timer = null, downhill = null, mounted = false, hasControls = false;
  const { write, announce, adapt, describe, fitStep } = createTexts(root, page.hints, {
    math: (line) => math(line), whole: () => view.whole, isAlarm: () => Boolean(frames()[view.at]?.alarm),
  });
  const frames = () => complete().runs[view.run].frames;
  let quiz = { // until it is first used
    isOn: () => false, hide: (n, collect) => collect(n), show: () => false, blank: (find) => find, takeKey: () => false,
    last: () => view.runs[view.run].count - 1,
    updateButton: () => { find("[data-do=quiz]").hidden = !(view.asks && canChange()); },
    toggle: (on) => openQuiz().toggle(on),
  };

  const canChange = () => view.editor?.canChange ?? true; // until the editor knows

  // -------------------------------------------------------------------------------------- parts

  const load = (id) => { if (!isWhole) loadScript(id); };

  function loadTools() {
    load("tools");
    return complete();
  }

  function openQuiz() {
    loadTools();
    return (quiz = createQuiz({
      root, find, rows, frames, math: (line) => math(line), describe,
      view: () => view, at: () => view.at, again: showAgain, openRun,
      show: (n) => { stop(); show(n); },
      leave: () => view.graph.focus({ preventScroll: true }),
    }));
  }

  function openDownhill() {
    loadTools();
    return (downhill ??= createDownhill(root, () => view.owner));
  }

  // ------------------------------------------------------------------------------------- views

  function createView(data, i) {
    const first = i === 0, created = {
      ...data, data, place: i,
      runs: data.runs.map(({ title, count, frames }) => ({ title, count: count ?? frames.length })),
      graph: first ? find(".graph") : blank.graph.cloneNode(),
      panel: first ? find(".facts") : blank.facts.cloneNode(true),
      places: data.runs.map(() => 0), // the current step of each run
      run: 0, at: -1, marked: [], first: null,
    };
    if (data.advice) created.panel.querySelector(".details").textContent = adaptWords(data.advice);
    created.panel.classList.toggle("advised", Boolean(data.advice));
    return created;
  }

  // Adds everything that the first picture of the open view does not require. Returns the view.
  function complete() {
    if (view.isComplete) return view;
    view.isComplete = true;
    if (!hasControls) {
      hasControls = true;
      load("steps");
      mountControls(root, { act, stop, show, changeSetting, view: () => view, takeKey: (event) => quiz.takeKey(event) });
    }
    readSteps(view);
    if (!view.camera) mountDrawing();
    view.camera.showAll();
    showPicture();
    mountPanels();
    showChanges();
    return view;
  }

  function readSteps(view) {
    const { pieces, ...data } = isWhole ? view.data : readData(document.getElementById(`view${view.place}`).textContent);
    for (const record of pieces ? [...data.facts, ...data.runs.flatMap(({ frames }) => frames)] : []) {
      record.lines = record.lines.map((line) => line.map((piece) => pieces[piece]));
    }
    const other = view === views[0] ? undefined : views[0], live = data.graph && createLive(data, rows, other?.live), runs = live?.runs ?? data.runs;
    Object.assign(view, { ...data, live, network: data.graph?.circles, runs: view.runs.map((run, i) => Object.assign(runs[i], run)), graph: view.graph });
    const source = live?.isLinked && other?.live ? other : null;
    view.owner = source ?? (live?.elements ? openElements(view) : view); // the view whose numbers change
    if (live) view.changes = source ? linkChanges(source.changes, live.linked) : createChanges(view.owner.live, view.owner.facts, refresh);
    view.owner.changes ??= view.changes;
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
    const isNew = !view.isComplete;
    complete();
    if (view.live && view.owner !== view && !isNew) view.live.update(); // numbers can have changed in another view
    if (!isNew) view.circles?.update();
    showTitles();
    arrange();
    view.camera.setSize(settings.size); // the window can have changed in another view
    selectRun(view.run);
    if (!isNew) showChanges();
    if (mounted) view.graph.focus({ preventScroll: true }); // the focus was in the other drawing
  }

  // Returns the views that lead to a view, and it.
  function findPath(i) {
    return i ? [...findPath(views[i].parent ?? 0), i] : [0];
  }

  // Shows the first picture of the page. The drawing is hidden until its scale is known, so that the
  // browser computes the layout of its texts once.
  function begin() {
    trail = [0];
    view = views[0];
    mountDrawing();
    const svg = find(".graph > svg");
    svg.style.display = "none";
    showTitles();
    if (view.start) showStart(view.start);
    arrange();
    view.camera.resize();
    onResize(root, arrange);
    onResize(stage, () => {
      view.camera.resize();
      fitStep();
      reveal(true);
    });
    if ((window === window.parent || outside) && !page.quiz) root.focus({ preventScroll: true }); // so that the arrow keys work immediately
    if (view.start) {
      view.camera.showNear();
      showPicture();
      view.picture.markFree(view.free);
    }
    svg.style.display = "";
  }

  function showStart({ kind, title, note, data }) {
    view.at = view.shown = 0;
    view.state = { data, grad: {}, marks: {} };
    showStep(title);
    write(".kind", kind);
    find(".kind").dataset.kind = kind;
    write(".title", title);
    write(".note", adapt(note));
    showRun();
    showTools();
  }

  function showTools() {
    quiz.updateButton();
    if (downhill) downhill.update();
    else find("[data-do=downhill]").hidden = !((view.owner?.descends ?? view.descends) && canChange());
  }

  function showTitles() {
    if (!outside) document.title = `${view.title} – ${page.subtitle}`;
    showTrail();
    showRuns();
  }

  function mountDrawing() {
    const { graph } = view;
    if (view.svg) graph.innerHTML = view.svg;
    view.camera = createCamera(graph, view.group, settings.size);
  }

  // Shows the numbers of the first step in the parts that are in the drawing now.
  function showPicture() {
    view.picture ??= createPicture(view.graph, view.prefix);
    view.picture.addValues();
    if (!view.start) return;
    view.picture.showNumbers(view.state);
    view.picture.showFields(view.start.cells);
  }

  function mountPanels() {
    const { graph } = view;
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
    mountGestures(graph, view.camera.zoom);
    onSwipe(graph, act, () => !view.camera.canPan());
    view.circles = view.network && createCircles(graph, view.prefix, view, view.network);
    view.arrays = showArrays(root, graph, view.prefix, { math, describe: view.live?.describeCells, step: () => ({ frames: frames(), n: view.at }) });
    const isNumber = (element) => view.picture.isNumber(element) || view.circles?.owns(element), elements = view.live?.elements;
    const drawing = { ...view.picture, isNumber, select: (i) => view.inspector.select(i), selected: () => view.inspector.selected(), focus: () => graph.focus() };
    if (elements) view.editor = view.owner.editor = createEditor({ ...view.owner, graph }, view.changes, { ...drawing, ...createElementPage(view, drawing.select) });
    else if (view.live) view.editor = createEditor(view, view.changes, drawing);
    view.inspector = inspect(root, view, {
      frames, math, write: fill, createControls,
      numbers: (i) => ({ data: view.live.write(view.live.graph.data[i]), grad: view.live.write(view.live.grad(i)) }),
      paths: (i) => view.live?.paths(i) ?? view.facts[i], describe, mark, stop,
      parts: view.picture.parts,
      idAt: view.picture.idAt,
      at: () => view.at,
      state: () => view.state,
      show: (n) => { stop(); show(n); },
      selected: remember,
    });
  }

  // Returns the controls of a leaf, with its tangent.
  function createControls(i) {
    const { editor, live, owner } = view, addPlot = (controls, k) => controls && loadTools() && addTangent(owner, k, controls, rows, plots);
    if (live?.elements) return createArrayControls(view, i, (k) => addPlot(editor.createControls(k), k));
    return addPlot(editor?.createControls(i), owner === view ? i : live.linked(i));
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
    const shorten = (title, around) => (/^[. ]/.test(title.slice(around.length)) && title.startsWith(around) ? title.slice(around.length + 1) : title);
    find(".trail").replaceChildren(...places.map(([title, action], depth) => {
      const last = depth === places.length - 1, place = document.createElement(last ? "span" : "button");
      place.textContent = depth ? shorten(title, places[depth - 1][0]) : title;
      place.title = title;
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
    const state = { data: {}, grad: {}, marks: {} }, { live } = view, all = frames();
    for (let i = 0; i <= n; i += 1) {
      const frame = all[i], texts = frame.template ?? frame;
      Object.assign(state.data, texts.data);
      Object.assign(state.grad, texts.grad);
      Object.assign(state.marks, frame.marks);
    }
    if (!live) return state;
    for (const numbers of [state.data, state.grad]) {
      for (const id in numbers) numbers[id] = fillText(numbers[id], live.find(view.run));
    }
    return state;
  }

  function show(step) {
    const last = (complete(), quiz.last()), n = Math.max(0, Math.min(last, step)), frame = frames()[n];
    if (n === view.at && !root.dataset.path) return;
    const isMoved = n !== view.shown, state = (view.state = stateAt(n));
    view.picture.showNumbers(state);
    const isAsked = quiz.show(n), isNew = !isAsked && describe(frame.kind, frame.title, frame.lines ?? [], frame.note ?? "", frame.where);
    view.arrays.update(frames(), n, state.marks);
    find(".note").classList.toggle("alarm", Boolean(frame.alarm));
    if (isMoved || root.dataset.path) mark(frame.marked ?? [], frame.to || frame.node);
    if (!isAsked) announce(frame);
    view.at = view.shown = view.places[view.run] = n;
    delete root.dataset.path;
    showStep(frame.title, last);
    if (isNew || isAsked) fitStep();
    view.inspector.update();
    remember();
  }

  // Shows the place of a step in its run.
  function showStep(title, last = view.runs[view.run].count - 1) {
    const n = view.at;
    write(".place", `${n + 1} of ${view.runs[view.run].count}`);
    slider.value = n;
    slider.setAttribute("aria-valuetext", `step ${n + 1}: ${title}`);
    for (const [action, end] of [["first", 0], ["previous", 0], ["next", last], ["last", last]]) {
      find(`[data-do=${action}]`).setAttribute("aria-disabled", n === end); // `disabled` would lose the focus
    }
    root.dataset.step = n;
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
    view.at = -1;
    show(view.shown);
  }

  function openRun(run, n) {
    stop();
    view.places[run] = n;
    selectRun(run);
  }

  // Shows which numbers have been changed, and where they end in inf or nan.
  function showChanges() {
    showTools();
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
    const name = facts[i].name ?? facts.find(isOf)?.name ?? live.nodes[i].name ?? "a result";
    find(".trouble").textContent = `The ${field} of ${name} is ${live.write([number].flat().find((x) => !Number.isFinite(x)))}; numbers that depend on it can be inf or nan, too.`;
  }

  const fill = (formula) => (view.live ? fillMath(formula, quiz.blank(view.live.find(view.run))) : formula);
  const math = (line) => `<math display="block"><mrow>${fill(line.join(""))}</mrow></math>`;

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
    view.at = view.shown = -1;
    showRun();
    find("[data-do=mistake]").hidden = !frames().some((frame) => frame.alarm);
    show(view.places[to]);
    view.inspector.refresh(); // the steps of the selected value differ between runs
  }

  function showRun() {
    root.querySelectorAll("[data-run]").forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.run) === view.run));
    slider.max = view.runs[view.run].count - 1;
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
    complete();
    stop();
    const to = views.findIndex((view) => view.title === title);
    if (to >= 0 && views[to] !== view) open(findPath(to));
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
    downhill: () => openDownhill().toggle(),
    back: () => (trail.length > 1 ? open(trail.slice(0, -1)) : outside?.leave()),
  };
  const moves = ["first", "previous", "next", "last", "mistake"];
  const act = (action) => {
    complete();
    if (moves.includes(action)) stop();
    actions[action]();
  };

  // ---------------------------------------------------------------------- settings and the window

  function applySettings() {
    root.style.setProperty("--size", settings.size);
    for (const control of root.querySelectorAll("[data-set]")) control.value = settings[control.dataset.set];
    view?.camera.setSize(settings.size);
  }

  function changeSetting(name, number) {
    settings[name] = number;
    applySettings();
    saveSettings(settings);
    if (timer) { stop(); start(); }
  }

  // Puts the panels beside the drawing or below it, where more of it is legible.
  function arrange() {
    const [width, height] = isWhole || view.isComplete ? [root.clientWidth, root.clientHeight] : [innerWidth, innerHeight], em = parseFloat(getComputedStyle(root).fontSize);
    const panels = Math.max(9.6 * em, Math.min(0.26 * height, 15 * em)); // as in the style sheet
    const rank = (width, height) => view.camera.findScales({ width, height }).rank;
    const beside = rank(width - Math.max(300, 0.28 * width), height - 40), below = rank(width, height - panels - 6.5 * em);
    const isWide = beside === below ? width > height : beside > below;
    root.dataset.layout = width >= 620 && isWide ? "beside" : "below";
  }

  // Calls a function when the size of an element changes.
  function onResize(element, action) {
    let [width, height] = [element.clientWidth, element.clientHeight];
    new ResizeObserver(() => {
      if (element.clientWidth === width && element.clientHeight === height) return;
      [width, height] = [element.clientWidth, element.clientHeight];
      complete();
      action();
    }).observe(element);
  }

  find("[data-view=full]").hidden = Boolean(outside) || !document.fullscreenEnabled;
  if (page.theme === "auto" && !outside) followTheme();
  root.classList.add("ready");
  root.classList.toggle("framed", window !== window.parent);
  applySettings();
  begin();
  if (!view.start) open([0]);
  if (!outside) {
    const place = { quiz: page.quiz ? "1" : undefined, ...readAddress() };
    if (Object.values(place).some((x) => x !== undefined)) goto(place);
    window.onhashchange = () => goto(readAddress()); // of the last page that was mounted
  }
  mounted = true;
  if (!isWhole) {
    for (const type of ["pointerdown", "touchstart", "keydown", "click", "input", "change", "focusin", "wheel", "mouseover"]) {
      root.addEventListener(type, () => complete(), { capture: true, once: true, passive: true });
    }
    const later = window.requestIdleCallback ?? setTimeout; // Safari lacks the former
    new PerformanceObserver((_, observer) => {
      observer.disconnect();
      later(() => root.isConnected && complete());
    }).observe({ type: "paint", buffered: true });
  }

  // Returns a function of the interface for other programs.
  const call = (name) => (...args) => (complete(), createInterface(view)[name](...args));
  return {
    goto, names: call("names"), get: call("get"), set: call("set"),
    descend: (lr) => openDownhill().descend(lr), reset: () => complete().editor?.reset(),
  };
}
