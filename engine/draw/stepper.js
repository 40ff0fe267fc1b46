// A page that steps through frames: what they show appears, what they are about is marked.
// mount(root, {prefix, frames}) finds everything inside `root`; nothing outside it is touched.

function mount(root, { prefix, frames }) {
  const find = (selector) => root.querySelector(selector);
  const part = (id) => root.querySelector(`[id="${prefix}-${id}"]`);
  const graph = find(".graph"), slider = find("input"), play = find("[data-do=play]");
  const values = [...root.querySelectorAll("g[id]")]
    .filter((g) => /-v\d+$/.test(g.id))
    .map((g) => ({ id: g.id.slice(prefix.length + 1), g, texts: lastTexts(g) }));
  let at = -1, timer = null;

  function lastTexts(g) {
    const found = { data: null, grad: null };
    for (const text of g.querySelectorAll("text")) {
      for (const field of ["data", "grad"]) if (text.textContent.startsWith(field + " ")) found[field] = text;
    }
    return found;
  }

  function show(wanted) {
    const n = Math.max(0, Math.min(frames.length - 1, wanted)), frame = frames[n];
    if (n === at) return;
    const seen = { data: {}, grad: {} };
    for (const each of frames.slice(0, n + 1)) {
      Object.assign(seen.data, each.data);
      Object.assign(seen.grad, each.grad);
    }
    for (const { id, g, texts } of values) {
      for (const field of ["data", "grad"]) {
        const text = texts[field], shown = id in seen[field] ? `${field} ${seen[field][id]}` : field;
        if (text && text.textContent !== shown) text.textContent = shown;
      }
      g.classList.toggle("unknown", !(id in seen.data));
    }
    root.querySelectorAll(".hot").forEach((each) => each.classList.remove("hot"));
    const hot = frame.hot.map(part).filter(Boolean);
    hot.forEach((each) => each.classList.add("hot"));
    find(".kind").textContent = frame.kind;
    find(".kind").dataset.kind = frame.kind;
    find(".title").textContent = frame.title;
    find(".formula").innerHTML = frame.lines
      .map((line) => `<math display="block"><mrow>${line}</mrow></math>`).join("");
    find(".place").textContent = `${n + 1} of ${frames.length}`;
    slider.value = n;
    slider.setAttribute("aria-valuetext", `step ${n + 1}: ${frame.title}`);
    find("[data-do=first]").disabled = find("[data-do=previous]").disabled = n === 0;
    find("[data-do=next]").disabled = find("[data-do=last]").disabled = n === frames.length - 1;
    at = n;
    root.dataset.step = n;
    if (hot.length) reveal(hot);
  }

  // Scroll the drawing, and nothing else, until what is marked can be seen.
  function reveal(hot) {
    const boxes = hot.map((each) => each.getBoundingClientRect()), view = graph.getBoundingClientRect();
    const left = Math.min(...boxes.map((b) => b.left)), right = Math.max(...boxes.map((b) => b.right));
    const top = Math.min(...boxes.map((b) => b.top)), bottom = Math.max(...boxes.map((b) => b.bottom));
    if (left < view.left || right > view.right) graph.scrollLeft += (left + right - view.left - view.right) / 2;
    if (top < view.top || bottom > view.bottom) graph.scrollTop += (top + bottom - view.top - view.bottom) / 2;
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.setAttribute("aria-pressed", "false");
    play.setAttribute("aria-label", "Play");
  }

  function start() {
    if (at === frames.length - 1) show(0);
    play.setAttribute("aria-pressed", "true");
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      show(at + 1);
      if (!root.isConnected || at === frames.length - 1) stop();
    }, 900);
  }

  const actions = {
    first: () => show(0),
    previous: () => show(at - 1),
    next: () => show(at + 1),
    last: () => show(frames.length - 1),
    play: () => (timer ? stop() : start()),
  };
  const act = (what) => {
    if (what !== "play") stop();
    actions[what]();
  };
  root.querySelectorAll("[data-do]").forEach((each) => each.addEventListener("click", () => act(each.dataset.do)));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  const keys = { ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last", " ": "play" };
  root.addEventListener("keydown", (event) => {
    const what = keys[event.key];
    if (!what || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return; // presses the button
    event.preventDefault();
    event.stopPropagation();
    act(what);
  });

  // A drawing that is wider than the page shrinks to fit, as long as its texts can be read.
  const svg = graph.querySelector("svg"), natural = svg.getBoundingClientRect().width;
  const fit = () => { svg.style.width = Math.min(natural, Math.max(graph.clientWidth, 0.72 * natural)) + "px"; };
  fit();
  addEventListener("resize", fit);

  // A value that is clicked leads to the steps it is part of, one after the other.
  graph.addEventListener("click", (event) => {
    const g = event.target.closest("g[id]");
    if (!g || !g.id.startsWith(prefix)) return;
    const id = g.id.slice(prefix.length + 1).replace(/^o/, "v");
    const places = frames.map((frame, n) => (frame.hot.includes(id) ? n : -1)).filter((n) => n >= 0);
    if (!places.length) return;
    stop();
    show(places.find((n) => n > at) ?? places[0]);
  });
  show(0);
  return { show, stop };
}
