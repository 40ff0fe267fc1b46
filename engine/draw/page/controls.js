// The controls of a page: buttons, the slider, keys, swipes, and the settings. `page` is the interface
// of stepper.js; its act(name) does what a button of this name says.

const KEYS = {
  ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last", " ": "play", Escape: "back",
  "+": "in", "=": "in", "-": "out", 0: "fit", f: "full",
};
const PANS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function mountControls(root, page) {
  const { act } = page, slider = root.querySelector(".bar input"), menu = root.querySelector(".settings");
  for (const button of root.querySelectorAll("[data-do], [data-view]")) {
    button.addEventListener("click", () => act(button.dataset.do ?? button.dataset.view));
  }
  slider.addEventListener("input", () => {
    page.stop();
    page.show(Number(slider.value));
  });
  onSwipe(root.querySelector(".step"), act);

  root.addEventListener("keydown", (event) => {
    if (page.takeKey(event)) return;
    const { key, target } = event, view = page.view(), { editor, inspector, camera } = view;
    if ((event.ctrlKey || event.metaKey) && /^[zy]$/i.test(key) && editor?.canChange) {
      event.preventDefault();
      act(key.toLowerCase() === "y" || event.shiftKey ? "redo" : "undo");
    }
    const nudge = { ArrowUp: 1, ArrowDown: -1 }[key], chosen = inspector.selected();
    const selected = view.live?.elements ? findChosen(view, chosen) : chosen;
    if (nudge && !event.shiftKey && editor?.isFree(selected) && !target.matches("select, input")) {
      event.preventDefault();
      editor.nudge(selected, nudge);
      return;
    }
    const pan = event.shiftKey && PANS[key], action = KEYS[key];
    if ((!action && !pan) || event.ctrlKey || event.metaKey || event.altKey || target.tagName === "SELECT") return;
    if (target.closest(".settings") || (key === " " && target.tagName === "BUTTON")) return; // it presses the button
    event.preventDefault();
    event.stopPropagation();
    if (pan) camera.pan(...pan);
    else act(action);
  });

  for (const control of root.querySelectorAll("[data-set]")) {
    control.addEventListener("input", () => page.changeSetting(control.dataset.set, Number(control.value)));
  }
  root.addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") menu.open = false; });
}

// A swipe goes to the next or the previous step.
function onSwipe(element, act, allowed = () => true) {
  let from = null;
  element.addEventListener("touchstart", ({ touches }) => { from = touches.length === 1 ? touches[0] : null; }, { passive: true });
  element.addEventListener("touchend", ({ changedTouches: [to] }) => {
    const x = from ? to.clientX - from.clientX : 0, y = from ? to.clientY - from.clientY : 0;
    if (Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y) && allowed()) act(x < 0 ? "next" : "previous");
    from = null;
  });
}

// Moves in the drawing: zoom with the wheel or two fingers, and drags.
function mountGestures(graph, zoom) {
  graph.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // it scrolls; a pinch on a touchpad has ctrlKey
    event.preventDefault();
    zoom(Math.exp(-Math.max(-50, Math.min(50, event.deltaY)) / 100), event.clientX, event.clientY);
  }, { passive: false });

  // A pinch on a touch screen. One finger scrolls.
  const measureFingers = ([a, b]) => ({
    distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
    x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2,
  });
  let fingers = null;
  graph.addEventListener("touchmove", (event) => {
    if (event.touches.length !== 2) return;
    event.preventDefault();
    const now = measureFingers(event.touches);
    if (fingers) {
      zoom(now.distance / fingers.distance, now.x, now.y);
      graph.scrollBy({ left: fingers.x - now.x, top: fingers.y - now.y, behavior: "instant" });
    }
    fingers = now;
  }, { passive: false });
  graph.addEventListener("touchend", () => { fingers = null; });

  // A mouse drags the drawing. A click that ends a drag selects nothing.
  let drag = null;
  graph.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  graph.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const left = drag.x - event.clientX, top = drag.y - event.clientY;
    if (!drag.moved && Math.hypot(left, top) < 4) return;
    if (!drag.moved) graph.setPointerCapture(event.pointerId);
    graph.classList.add("dragged");
    graph.scrollBy({ left, top, behavior: "instant" });
    drag = { x: event.clientX, y: event.clientY, moved: true };
  });
  for (const end of ["pointerup", "pointercancel"]) {
    graph.addEventListener(end, () => {
      const moved = drag?.moved;
      drag = null;
      if (moved) setTimeout(() => graph.classList.remove("dragged"));
    });
  }
  graph.addEventListener("click", (event) => {
    if (graph.classList.contains("dragged")) event.stopImmediatePropagation();
  }, true);
}
