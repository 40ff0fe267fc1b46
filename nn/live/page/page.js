// The page: its controls, the loop that trains between two pictures, and its interface.
const SLICE = 12; // milliseconds of work, after which the page answers

function mountTraining(root, data) {
  const find = (selector) => root.querySelector(selector);
  const trainer = new Trainer(data), palette = new Palette(root, data.task.labels.length);
  const field = data.inputs.length <= 2 ? new Field(trainer, data.inputs.length === 2 ? 44 : 160) : null;
  const result = new Result(find(".result"), trainer, palette, field);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let history = new History(), playing = false, working = false, before = 0, due = 0, drawn = 0, inspected = 0, cost = 0;
  let chosen = null, hovered = null, sample = null, alarm = "";
  const overlay = new Overlay(), graphs = new Graphs(trainer, overlay);
  const network = data.network ? new Network(find(".network"), trainer, palette, field, choose) : null;
  if (network) network.all = result.all;
  else root.classList.add("plain");
  const inspector = new Inspector(find(".inspector"), trainer, graphs, open);

  function step() {
    const loss = trainer.step();
    history.add(loss);
    if (Number.isFinite(loss)) return true;
    alarm = `The loss is ${format(loss)} at step ${trainer.steps}. Try a smaller learning rate, then reset.`;
    pause();
    return false;
  }

  // Takes steps for at most some milliseconds.
  function work() {
    const end = performance.now() + SLICE;
    while (due >= 1 && performance.now() < end && step()) due -= 1;
  }

  // Before each picture: takes the steps that are due at the chosen rate, and draws.
  function frame(now) {
    if (!playing) return;
    const rate = Number(find("[name=speed]").value);
    due = rate ? Math.min(due, 30) + ((now - before) * rate) / 1000 : Infinity;
    before = now;
    if (rate) work();
    else if (!working) next.port2.postMessage(null);
    const rest = Math.max(rate ? 2 * cost : Math.max(6 * cost, 60), calm.matches ? 400 : 0);
    if (playing && now - drawn > rest) draw(now);
    if (playing) requestAnimationFrame(frame);
  }

  // Without a rate, works between the pictures too.
  const next = new MessageChannel();
  next.port1.onmessage = () => {
    working = playing && due === Infinity;
    if (!working) return;
    work();
    next.port2.postMessage(null);
  };

  function draw(now = performance.now()) {
    const start = performance.now();
    drawn = now;
    const { loss, accuracy } = result.measure();
    if (field) field.compute();
    const shown = hovered ?? chosen;
    result.draw(shown?.row ?? null, sample);
    network?.draw(shown);
    drawLosses(find(".losses canvas"), palette, history, trainer.steps);
    find(".steps").textContent = trainer.steps.toLocaleString("en");
    find(".lr").textContent = format(trainer.lr);
    find(".lr").parentNode.hidden = !trainer.isScheduled;
    find(".epochs").textContent = trainer.epoch.toLocaleString("en");
    find(".loss").textContent = format(loss, 4);
    find(".accuracy").textContent = accuracy === null ? "" : `${Number((100 * accuracy).toFixed(1))} %`;
    find(".heading").textContent = shown && field ? shown.name : result.title;
    find(".alarm").textContent = alarm;
    if (!playing || now - inspected > 150) inspect(now);
    cost = 0.7 * cost + 0.3 * (performance.now() - start);
  }

  function inspect(now = performance.now()) {
    inspected = now;
    root.classList.toggle("inspecting", chosen !== null || sample !== null);
    inspector.show(chosen, sample);
  }

  function describe() {
    const { loss, accuracy } = result.measure();
    find(".live").textContent = `Step ${trainer.steps}, loss ${format(loss)}${accuracy === null ? "" : `, accuracy ${Math.round(100 * accuracy)} percent`}. ${alarm}`;
  }

  function play() {
    if (playing) return;
    playing = true;
    before = performance.now();
    due = 0;
    setPlay();
    requestAnimationFrame(frame);
  }

  function pause() {
    playing = false;
    setPlay();
    draw();
    describe();
  }

  // Opens the graph of a neuron or of a sample. Returns its stepper.
  function open(neuron, sample) {
    if (playing) pause();
    return graphs.open(neuron, sample);
  }

  function setPlay() {
    const button = find("[data-do=play]");
    button.toggleAttribute("data-playing", playing);
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    button.title = `${playing ? "Pause" : "Play"} (space)`;
  }

  function stop(start) {
    playing = false;
    alarm = "";
    history = new History();
    start();
    trainer.slopes = new Float64Array(trainer.numbers.length); // of all samples, to show until the first step
    trainer.differentiate(trainer.machine, trainer.all, trainer.slopes);
    pause();
  }

  function choose(neuron, isClick) {
    if (isClick) {
      chosen = chosen === neuron ? null : neuron;
      network.mark(chosen);
      if (!chosen) hovered = null;
    } else if (neuron === hovered) return;
    else hovered = neuron;
    if (!playing) draw();
    else if (isClick) inspect();
    if (isClick && chosen) inspector.reveal();
  }

  const actions = {
    play: () => (playing ? pause() : play()),
    step() {
      playing = false;
      step();
      pause();
    },
    epoch() {
      playing = false;
      const { epoch } = trainer;
      while (trainer.epoch === epoch && step());
      pause();
    },
    reset: () => stop(() => trainer.reset()),
    renew: () => stop(() => trainer.renew(Number(find("[name=seed]").value) || 0)),
  };

  function readControls() {
    const lr = find("[name=lr]").value;
    trainer.isScheduled = lr === "schedule";
    if (trainer.isScheduled) trainer.setRate();
    else trainer.lr = Number(lr);
    trainer.batch = Number(find("[name=batch]").value) || null;
    trainer.zeroGrad = find("[name=zero]").checked;
    root.classList.toggle("summing", !trainer.zeroGrad);
  }

  fillSelect(find("[name=lr]"), [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3], trainer.isScheduled ? null : data.lr);
  if (trainer.isScheduled) find("[name=lr]").prepend(new Option("schedule", "schedule", true, true));
  fillSelect(find("[name=batch]"), [1, 2, 5, 10, 20, 50, 100, 200].filter((n) => n < trainer.samples), data.batch);
  find("[name=batch]").prepend(new Option(`all ${trainer.samples}`, "", !data.batch, !data.batch));
  root.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.do]()));
  root.querySelectorAll("[name=lr], [name=batch], [name=zero]").forEach((control) => control.addEventListener("change", readControls));
  root.querySelectorAll("[name=by]").forEach((radio) =>
    radio.addEventListener("change", () => {
      network.byGradient = radio.value === "gradient" && radio.checked;
      draw();
    }),
  );
  find("[name=seed]").addEventListener("keydown", (event) => event.key === "Enter" && actions.renew());

  const plot = find(".plot canvas");
  plot.addEventListener("click", (event) => {
    const near = result.find(event.offsetX, event.offsetY);
    sample = near === sample ? null : near;
    draw();
    if (sample !== null) inspector.reveal();
  });
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    sample = ((sample ?? -by * (by > 0)) + by + trainer.samples) % trainer.samples;
    draw();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select")) return;
    if (event.key === " " && event.target.closest("button, [type=checkbox]")) return;
    const action = { " ": "play", ArrowRight: "step", e: "epoch", r: "reset" }[event.key];
    if (event.key === "Escape") {
      chosen = hovered = sample = null;
      network?.mark(null);
      draw();
    } else if (action) {
      event.preventDefault();
      actions[action]();
    }
  });

  const layOut = () => {
    network?.layOut();
    draw();
  };
  const recolour = () => {
    palette.update();
    root.querySelectorAll(".legend span").forEach((item) => item.redraw());
    draw();
  };
  new ResizeObserver(layOut).observe(root);
  new ResizeObserver(() => draw()).observe(find(".losses canvas"));
  if (network) new ResizeObserver(layOut).observe(find(".network"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  readControls();
  stop(() => trainer.reset());

  return {
    play, pause, ...actions,
    open({ sample: s = sample ?? 0, neuron: name } = {}) {
      const neuron = name === undefined ? null : network?.neurons.find((each) => each.name === name);
      if (!(Number.isInteger(s) && data.X[s])) throw new RangeError(`expected a sample from 0 to ${trainer.samples - 1}, got ${s}`);
      if (neuron === undefined || (neuron && !(neuron.c && graphs.hasNeuron(neuron)))) throw new Error(`no graph of a neuron called ${name}`);
      if (!neuron && !graphs.hasSample(s)) throw new Error("the graph of a sample has too many values to step through");
      return open(neuron, s);
    },
    close: () => overlay.dialog.close(),
    // Takes n steps, and returns the losses.
    train(n) {
      if (!(n >= 0)) throw new TypeError(`expected a number of steps, got ${n}`);
      const losses = [];
      for (let k = 0; k < n; k += 1) {
        step();
        losses.push(trainer.loss);
      }
      draw();
      return losses;
    },
    get: () => ({
      step: trainer.steps, epoch: trainer.epoch, playing, ...result.measure(), lr: trainer.lr, batch: trainer.batch,
      weights: [...trainer.numbers.slice(0, trainer.count)], gradients: [...trainer.slopes.slice(0, trainer.count)],
    }),
  };
}

// Offers numbers and the given one, which is selected.
function fillSelect(select, numbers, given) {
  const all = [...new Set(given ? [...numbers, given] : numbers)].sort((a, b) => a - b);
  for (const x of all) select.append(new Option(String(x), String(x), x === given, x === given));
}
