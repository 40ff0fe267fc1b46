// The page of a film: a slider over epochs, the pictures of the shown epoch, and its interface.

function mountFilm(root) {
  const find = (selector) => root.querySelector(selector), read = (id) => document.getElementById(id).textContent;
  const film = readData(read("film")), overlay = new Overlay(), { epochs, records, task } = film, last = epochs.length - 1;
  const palette = new Palette(root, task.labels.length);
  const weights = film.weights ? new Weights(film.weights, read("bytes"), epochs.length) : null;
  const slider = find("[name=epoch]"), strip = document.querySelector(".turn");
  let n = -1, sample = 0, timer = null, chosen = null, hovered = null, opened = null;
  const plane = film.training ? createPlane() : null, graphs = plane?.graphs;
  const samples = graphs ? listSamples(film.training) : film.samples;
  const passes = graphs ? samples.map(({ index }) => new ComputedPass(graphs, index)) : film.passes.map((pass) => new Passes(overlay, pass));
  const tiles = createTiles(), charts = createCharts(), images = film.shape && samples[0].x.length === film.shape[0] * film.shape[1];
  const counts = film.confusion && find(".result canvas");
  find(".result").hidden = !(plane || counts);
  if (counts) {
    find(".result .heading").textContent = "predictions";
    find(".result .legend").textContent = film.confusion.of;
  }
  find(".result canvas").classList.toggle("free", Boolean(graphs));
  find("[data-do=open]").hidden = Boolean(graphs) && !graphs.hasSample(0);
  find(".hint").hidden = !find("[data-do=open]").hidden;
  root.dataset.kind = plane ? "plane" : tiles ? "tiles" : "plain";

  // ---------------------------------------------------------------------------------- the parts

  // The pictures that are computed in the page, from the recorded program of the model.
  function createPlane() {
    const data = film.training, trainer = new Trainer(data), inputs = data.inputs.length;
    const all = new Float64Array(readBytes(data.film).buffer), size = data.weights.length;
    const field = inputs <= 2 ? new Field(trainer, inputs === 2 ? 44 : 160) : null, result = new Result(find(".result"), trainer, palette, field);
    const network = data.network ? new Network(find(".network"), trainer, palette, field, choose) : null;
    if (network) network.all = result.all;
    const graphs = data.graphs.length ? new Graphs(trainer, overlay, "film", () => `epoch ${epochs[n].toLocaleString("en")}`) : null;
    find(".net").hidden = !network;
    trainer.slopes = new Float64Array(trainer.numbers.length);

    function update() {
      trainer.numbers.set(all.subarray(n * size, (n + 1) * size));
      trainer.slopes.fill(0);
      trainer.differentiate(trainer.machine, trainer.all, trainer.slopes);
      field?.compute();
      return result.measure();
    }

    function draw() {
      const neuron = hovered ?? chosen;
      result.draw(neuron?.row ?? null, samples[sample].index);
      network?.draw(neuron);
      find(".result .heading").textContent = neuron && field ? neuron.name : result.title;
    }

    return { trainer, network, result, graphs, update, draw, weights: () => [...all.subarray(n * size, (n + 1) * size)] };
  }

  function choose(neuron, isClick) {
    if (isClick) {
      chosen = chosen === neuron ? null : neuron;
      plane.network.mark(chosen);
    } else hovered = neuron;
    if (isClick && !chosen) hovered = null;
    find("[data-do=neuron]").hidden = !(chosen?.c && graphs?.hasNeuron(chosen));
    plane.draw();
  }

  // All samples of a film that computes their passes.
  function listSamples({ X, y, task: { labels, classes } }) {
    return X.map((x, index) => ({ index, x, class: classes[index] ?? null, target: labels[classes[index]] ?? (y[index].length > 1 ? y[index] : y[index][0]) }));
  }

  // The images of the first layer's weights: the first array with a column for each input.
  function createTiles() {
    const inputs = samples[0].x.length, array = weights && Object.values(weights.arrays).find(({ columns, rows }) => columns === inputs && rows > 1);
    find(".tiles").hidden = !array;
    return array ? new Tiles(find(".sheet"), weights, array, film.shape, drawTiles) : null;
  }

  function createCharts() {
    const figures = (name) => records.map((record) => record?.[name] ?? null), { layers, ...norms } = film.norms;
    const pair = (name, title) => [title, [{ name: "training", ys: figures(name), colour: "class1" }, { name: "validation", ys: figures(`validation_${name}`), colour: "class0" }]];
    const layer = (kind) => layers.slice(0, 8).map((name, k) => ({ name, ys: norms[kind].map((row) => row[k]), colour: `class${k}` }));
    const all = [pair("loss", film.loss), pair("metric", film.metric), ["norm of weights", layer("weights")], ["norm of the gradient, last step", layer("gradients")]];
    return all.map(([title, lines]) => [title, lines.filter(({ ys }) => ys.some((y) => y !== null))]).filter(([, lines]) => lines.length)
      .map(([title, lines]) => new Curves(find(".charts"), title, epochs, lines, (to) => { pause(); show(to); }));
  }

  // --------------------------------------------------------------------------------- the epochs

  function show(to) {
    const next = Math.max(0, Math.min(last, Math.round(to)));
    if (next === n) return;
    n = next;
    slider.value = n;
    slider.setAttribute("aria-valuetext", `epoch ${epochs[n]}`);
    find(".epoch").textContent = epochs[n].toLocaleString("en");
    for (const [action, end] of [["previous", 0], ["next", last]]) find(`[data-do=${action}]`).setAttribute("aria-disabled", n === end);
    plane?.update();
    draw();
    writeAddress({ epoch: epochs[n], sample: samples[sample].index });
  }

  function draw() {
    plane?.draw();
    drawTiles();
    if (counts) drawCounts(counts, palette, task.labels, film.confusion.counts[n]);
    charts.forEach((chart) => chart.draw(n, palette));
    drawSample();
  }

  function drawTiles() {
    if (!tiles || n < 0) return;
    tiles.draw(n, palette);
    const { array, order, shown, reach } = tiles;
    find(".tiles .heading").textContent = `${array.name}: ${shown < array.rows ? `${shown} of ${array.rows}` : array.rows} units`;
    find(".tiles .key").replaceChildren(make("i", "negative"), `−${format(reach, 2)} and below `, make("i", "positive"), `${format(reach, 2)} and above; the same at all epochs`);
    find(".unit").textContent = tiles.chosen === null ? "Select a unit to see its numbers." : describeUnit(tiles.chosen);
  }

  function describeUnit(unit) {
    const { array } = tiles, numbers = Object.entries(passes[sample].arrays(n)).filter(([, { shape }]) => shape.length === 2 && shape[1] === array.rows && shape[0] === 1);
    const texts = numbers.map(([name, { data, grad }]) => `${name} = ${format(data[unit])}, gradient ${format(grad[unit])}`);
    const next = Object.values(weights.arrays).find(({ columns, rows }) => columns === array.rows && rows === task.labels.length);
    const parts = [`unit ${unit}`, ...texts];
    if (next) {
      const out = task.labels.map((label, i) => [weights.row(next, n, i)[unit] * weights.scale(next, i), label]).sort(([a], [b]) => b - a);
      parts.push(`for ${out[0][1]} (${format(out[0][0], 2)}), against ${out.at(-1)[1]} (${format(out.at(-1)[0], 2)})`);
    }
    return parts.join(" · ");
  }

  function drawSample() {
    const pass = passes[sample], { target, x } = samples[sample], outputs = pass.outputsAt(n);
    find(".target").textContent = Array.isArray(target) ? "" : `target ${typeof target === "number" ? format(target) : target}`;
    const [input, gradient] = root.querySelectorAll(".images canvas"), slopes = Object.values(pass.arrays(n)).find(({ data }) => data.length === x.length)?.grad;
    find(".images").hidden = !images;
    gradient.parentNode.hidden = !slopes;
    if (images) {
      paint(input, x, film.shape, true);
      if (slopes) paint(gradient, slopes, film.shape);
      gradient.nextSibling.textContent = `∂loss/∂input, ±${format(slopes ? largest(slopes) : 0, 2)}`;
    } else if (x.length <= 8) find(".inputs").replaceChildren(...x.flatMap((number, j) => [make("dt", "", `x${j}`), make("dd", "", format(number, 4))]));
    const shares = linkRows([...outputs].map((z) => [z]), task.links).flat();
    const most = task.links ? 1 : largest(shares), names = shares.length === 1 ? [task.links ? `probability of ${task.labels[1]}` : "output"] : task.labels;
    find(".bars").replaceChildren(...shares.slice(0, 20).map((share, k) => {
      const item = make("li"), bar = make("i", share < 0 ? "negative" : ""), length = make("span", "length");
      length.style.visibility = shares.length === 1 && !task.links ? "hidden" : ""; // it has no scale
      bar.style.width = `${Math.min(100, (100 * Math.abs(share)) / most) || 0}%`;
      item.classList.toggle("right", task.labels.length > 1 && shares.length > 1 && samples[sample].class === k);
      item.append(make("span", "", names[k] ?? `output ${k}`), length, make("b", "", task.links ? writeShare(share) : format(share)));
      length.append(bar);
      return item;
    }));
    find(".own").textContent = `loss ${format(pass.loss(n))}`;
  }

  // Paints numbers as an image: from paper to ink, or from negative to positive.
  function paint(canvas, numbers, [height, width], isInput) {
    [canvas.width, canvas.height] = [width, height];
    const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer), scale = 1 / largest(numbers);
    for (let k = 0; k < pixels.length; k += 1) pixels[k] = isInput ? pack(blend(palette.paper, palette.ink, Math.max(0, numbers[k] * scale))) : palette.at(numbers[k] * scale);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // ------------------------------------------------------------------------------- the controls

  function play() {
    if (timer) return;
    if (n === last) show(0);
    timer = setInterval(() => {
      show(n + 1);
      if (n === last) pause();
    }, 1000 / Number(find("[name=speed]").value));
    setPlay();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    setPlay();
    if (n >= 0) find(".live").textContent = `Epoch ${epochs[n]}${records[n] ? `, loss ${format(records[n].loss)}` : ""}`;
  }

  function setPlay() {
    const button = find("[data-do=play]");
    button.toggleAttribute("data-playing", timer !== null);
    button.setAttribute("aria-label", timer ? "Pause" : "Play");
    button.title = `${timer ? "Pause" : "Play"} (space)`;
  }

  // Opens the pass of the chosen sample at the shown epoch, or of one neuron. Returns its stepper.
  function open(step = 1, neuron = null) {
    pause();
    opened = neuron;
    const { index } = samples[sample], pass = passes[sample], epoch = epochs[n].toLocaleString("en");
    const stepper = pass.open(n, neuron);
    overlay.dialog.prepend(strip);
    strip.hidden = false;
    strip.querySelector("b").textContent = `epoch ${epoch}`;
    strip.querySelector("span").textContent = `sample ${index}, loss ${format(pass.loss(n), 4)}`;
    strip.querySelectorAll("button").forEach((button) => (button.disabled = !(n + Number(button.dataset.turn) in epochs)));
    stepper.goto(step);
    return stepper;
  }

  // Opens the pass of the next epoch or of the one before, at the same step.
  function turn(by) {
    const step = Number(overlay.dialog.querySelector(".stepper").dataset.step) + 1;
    show(n + by);
    open(step, opened);
    const button = strip.querySelector(`[data-turn="${by}"]`);
    if (!button.disabled) button.focus();
  }
  strip.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => turn(Number(button.dataset.turn))));

  const actions = {
    play: () => (timer ? pause() : play()),
    previous: () => { pause(); show(n - 1); },
    next: () => { pause(); show(n + 1); },
    first: () => { pause(); show(0); },
    last: () => { pause(); show(last); },
    open: () => open(),
    neuron: () => open(1, chosen),
  };
  root.querySelectorAll(".buttons [data-do], .sample [data-do]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.do]()));
  slider.max = last;
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  find("[name=speed]").addEventListener("change", () => { if (timer) { pause(); play(); } });
  find("[name=order]").addEventListener("change", (event) => { tiles.sort(event.target.value); drawTiles(); });
  samples.forEach(({ index }, k) => find("[name=sample]").append(new Option(`sample ${index}`, k)));
  find("[name=sample]").addEventListener("change", (event) => chooseSample(Number(event.target.value)));
  root.querySelectorAll("[name=by]").forEach((radio) =>
    radio.addEventListener("change", () => {
      plane.network.byGradient = radio.value === "gradient" && radio.checked;
      plane.draw();
    }),
  );

  find(".result canvas").addEventListener("click", ({ offsetX, offsetY }) => {
    const near = graphs ? plane.result.find(offsetX, offsetY) : null;
    if (near !== null) chooseSample(near);
  });

  function chooseSample(k) {
    setSample(k);
    draw();
    writeAddress({ epoch: epochs[n], sample: samples[sample].index });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || overlay.dialog.open || event.target.closest("select")) return;
    if (event.key === " " && event.target.closest("button, [type=radio]")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("[type=radio]")) return;
    const action = { " ": "play", ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last" }[event.key];
    if (event.key === "Escape" && chosen) choose(chosen, true);
    if (!action) return;
    event.preventDefault();
    actions[action]();
  });

  const layOut = () => {
    plane?.network?.layOut();
    if (n >= 0) draw();
  };
  const recolour = () => {
    palette.update();
    root.querySelectorAll(".legend span").forEach((item) => item.redraw?.());
    draw();
  };
  const observer = new ResizeObserver(layOut);
  for (const element of [root, ...root.querySelectorAll(".network, .sheet, .charts canvas")]) observer.observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  root.classList.add("ready");
  layOut();

  function goto(epoch) {
    const to = epochs.findLastIndex((known) => known <= epoch);
    pause();
    show(to);
  }

  function followAddress() {
    const { epoch, sample: index = film.samples[0].index } = readAddress(), k = samples.findIndex((known) => known.index === Number(index));
    if (k >= 0) setSample(k);
    goto(epoch === undefined ? epochs[last] : Number(epoch));
  }

  function setSample(k) {
    sample = k;
    find("[name=sample]").value = k;
  }
  followAddress();
  addEventListener("hashchange", followAddress);

  return {
    goto, play, pause,
    // Opens the pass of a training sample, by its place, or that of a neuron, by its name.
    open(index = samples[sample].index, name = null) {
      const k = samples.findIndex((known) => known.index === index), neuron = name && plane?.network?.neurons.find((known) => known.name === name);
      if (k < 0) throw new Error(`the film has no pass of sample ${index}; it has ${samples.map((known) => known.index).join(", ")}`);
      if (neuron === undefined || (neuron && !(neuron.c && graphs?.hasNeuron(neuron)))) throw new Error(`the film has no graph of a neuron called ${name}`);
      chooseSample(k);
      return open(1, neuron);
    },
    close: () => overlay.dialog.close(),
    get: () => ({
      epoch: epochs[n], record: records[n], playing: timer !== null, sample: samples[sample].index, loss: passes[sample].loss(n),
      outputs: passes[sample].outputsAt(n), arrays: Object.fromEntries(Object.entries(passes[sample].arrays(n)).map(([name, { shape, data, grad }]) => [name, { shape, data: [...data], grad: [...grad] }])),
      ...(plane ? { weights: plane.weights(), ...plane.result.measure() } : { counts: film.confusion?.counts[n] }),
    }),
    weights: (path) => weights.read(weights.arrays[path], n),
  };
}

// Writes a probability in percent.
function writeShare(x) {
  return Number.isFinite(x) ? `${(100 * x).toFixed(x > 0.9995 || x < 0.0005 ? 2 : 1)} %` : format(x);
}

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}
