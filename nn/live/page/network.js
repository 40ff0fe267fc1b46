// The picture of the network: a button with a picture for each neuron, and lines for the weights.
class Network {
  constructor(view, trainer, palette, field, choose) {
    const { data } = trainer;
    Object.assign(this, { view, trainer, palette, field, layers: data.network.layers, most: data.network.most });
    this.canvas = view.querySelector("canvas");
    this.byGradient = false;
    const keys = data.task.labels.length ? data.task.classes : data.y.map((y) => y[0]);
    this.order = trainer.all.toSorted((a, b) => keys[a] - keys[b]);
    this.neurons = this.layers.flatMap((layer, c) => layer.neurons.map((neuron) => ({ ...neuron, c, name: nameOf(layer, neuron, c, data) })));
    this.titles = this.layers.map((layer, c) => {
      const title = view.appendChild(document.createElement("div"));
      title.className = "title";
      title.append(layer.title, document.createElement("small"));
      title.lastChild.textContent = c ? `${layer.note} · ${layer.count}` : "";
      return title;
    });
    this.gaps = this.layers.map((layer) => {
      if (!layer.hidden) return null;
      const gap = view.appendChild(document.createElement("div"));
      gap.className = "gap";
      gap.textContent = `⋮ ${layer.hidden.toLocaleString("en")} more`;
      return gap;
    });
    for (const neuron of this.neurons) this.addButton(neuron, choose);
    this.links = this.neurons.flatMap((head) => (head.w ?? []).map((w, j) => [this.find(head.c - 1, j), head, w]));
    this.links = this.links.filter(([tail, , w]) => tail && w >= 0);
    this.atlas = this.makeAtlas();
    this.neurons[0].button.tabIndex = 0;
    view.addEventListener("keydown", (event) => this.move(event));
    this.mark(null);
  }

  find(c, i) {
    return this.neurons.find((neuron) => neuron.c === c && neuron.i === i);
  }

  addButton(neuron, choose) {
    const button = this.view.appendChild(document.createElement("button"));
    button.type = "button";
    button.className = "neuron";
    button.tabIndex = -1;
    button.title = neuron.name;
    button.setAttribute("aria-label", neuron.name);
    button.addEventListener("click", () => choose(neuron, true));
    button.addEventListener("pointermove", () => choose(neuron, false)); // not when the page scrolls under it
    button.addEventListener("pointerleave", () => choose(null, false));
    neuron.button = button;
  }

  // The arrow keys move between neurons: within a layer, and to the next one.
  move(event) {
    const at = this.neurons.find((neuron) => neuron.button === document.activeElement);
    const [dc, di] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (!at || dc === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const column = this.neurons.filter((neuron) => neuron.c === at.c + dc);
    const next = dc ? column.reduce((best, x) => (!best || Math.abs(x.py - at.py) < Math.abs(best.py - at.py) ? x : best), null) : column[column.indexOf(at) + di];
    if (!next) return;
    at.button.tabIndex = -1;
    next.button.tabIndex = 0;
    next.button.focus();
  }

  // Places the neurons in the room that there is.
  layOut() {
    const { clientWidth: width, clientHeight: height } = this.view, head = 58, layers = this.layers;
    const half = Math.max(...layers.map((layer) => layer.half)), last = layers.at(-1).x || 1;
    const scale = Math.min((height - head - 8) / (2 * half), 1.6);
    const most = Math.min(1, (0.58 * width) / layers.length / (2 * Math.max(...layers.map((layer) => layer.radius * scale))));
    const edge = Math.max(34, Math.min(56, 0.08 * width), layers[0].radius * scale + 4, layers.at(-1).radius * scale + 4), span = Math.min(width - 2 * edge, 300 * (layers.length - 1));
    const middle = head + (height - head) / 2;
    layers.forEach((layer, c) => {
      const x = (width - span) / 2 + (layer.x / last) * span, radius = layer.radius * scale * most;
      const title = this.titles[c];
      title.style.maxWidth = `${Math.min(150, layers.length > 1 ? span / (layers.length - 1) - 6 : width)}px`;
      const left = Math.min(Math.max(0, x - title.offsetWidth / 2), width - title.offsetWidth);
      move(title, left, Math.max(head - 8, middle - layer.half * scale - 8));
      if (this.gaps[c]) move(this.gaps[c], x, middle);
      for (const neuron of this.neurons) {
        if (neuron.c !== c) continue;
        Object.assign(neuron, { px: x, py: middle + neuron.y * scale, radius });
        move(neuron.button, x - radius, neuron.py - radius);
        neuron.button.style.width = neuron.button.style.height = `${2 * radius}px`;
      }
    });
  }

  // Draws all neurons and lines; of one neuron, its own lines stand out.
  draw(one) {
    const context = this.drawLinks(one), { field, palette, atlas } = this, { numbers, slopes } = this.trainer;
    const neurons = this.neurons.filter(({ row }) => row !== null && row !== undefined);
    if (field?.inputs !== 1) {
      neurons.forEach(({ row }, k) => (field ? this.paintPlane(k, field.row(row)) : this.paintSamples(k, this.all.row(row))));
      atlas.context.putImageData(atlas.image, 0, 0);
    }
    neurons.forEach(({ row, px, py, radius }, k) => {
      context.save();
      context.translate(px - radius, py - radius);
      context.beginPath();
      context.roundRect(0, 0, 2 * radius, 2 * radius, 0.36 * radius);
      context.clip();
      if (field?.inputs === 1) this.drawCurve(context, 2 * radius, field.row(row));
      else context.drawImage(atlas.canvas, k * atlas.width, 0, atlas.width, atlas.height, 0, 0, 2 * radius, 2 * radius);
      context.restore();
    });
    const values = this.byGradient ? slopes : numbers;
    for (const { b, px, py, radius } of this.neurons) {
      if (!(b >= 0)) continue;
      const sign = values[b] < 0 ? palette.negative : palette.positive;
      context.beginPath();
      context.arc(px - radius, py + radius, Math.min(4.5, 0.22 * radius), 0, 2 * Math.PI);
      context.fillStyle = css(blend(palette.frame, sign, Math.min(1, (2 * Math.abs(values[b])) / (this.largest || 1))));
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = css(palette.paper);
      context.stroke();
    }
  }

  // The pictures of all neurons, side by side: planes of every second place of the field, or a line
  // for each sample, in the order of classes or targets; of many samples, for every few.
  makeAtlas() {
    const width = this.field ? this.field.size / 2 : Math.min(this.order.length, 120), height = this.field ? width : 1;
    const canvas = new OffscreenCanvas(width * this.neurons.length, height), image = new ImageData(canvas.width, height);
    return { width, height, canvas, image, pixels: new Uint32Array(image.data.buffer), context: canvas.getContext("2d") };
  }

  paintPlane(k, row) {
    const { atlas, palette, field } = this, { width, pixels, canvas } = atlas, scale = 1 / largest(row);
    for (let i = 0; i < width; i += 1) {
      for (let j = 0; j < width; j += 1) {
        pixels[i * canvas.width + k * width + j] = palette.at(row[2 * i * field.size + 2 * j] * scale);
      }
    }
  }

  paintSamples(k, row) {
    const { atlas, palette, order } = this, { width, pixels } = atlas, scale = 1 / largest(row);
    for (let j = 0; j < width; j += 1) pixels[k * width + j] = palette.at(row[order[Math.floor((j * order.length) / width)]] * scale);
  }

  drawCurve(context, side, ys) {
    const scale = (side / 2 - 4) / largest(ys);
    context.fillStyle = css(this.palette.tint);
    context.fillRect(0, 0, side, side);
    context.strokeStyle = css(this.palette.frame);
    context.beginPath();
    context.moveTo(0, side / 2);
    context.lineTo(side, side / 2);
    context.stroke();
    context.beginPath();
    for (let i = 0; i < ys.length; i += 2) context.lineTo((i / ys.length) * side, side / 2 - ys[i] * scale);
    context.lineWidth = 1.6;
    context.strokeStyle = css(this.palette.ink);
    context.stroke();
  }

  drawLinks(one) {
    const { context } = fit(this.canvas), { palette, links } = this, { numbers, slopes } = this.trainer;
    const values = this.byGradient ? slopes : numbers;
    let largest = 0;
    for (const [, , w] of links) largest = Math.max(largest, Math.abs(values[w]) || 0);
    this.largest = largest;
    const least = links.length > this.most ? 0.3 : 0;
    const colours = [palette.negative, palette.positive].map((colour) => css(colour));
    for (const [tail, head, w] of links) {
      const share = largest ? Math.abs(values[w]) / largest : 0;
      if (!(share >= least)) continue;
      const x0 = tail.px + tail.radius, x1 = head.px - head.radius, bend = 0.5 * (x1 - x0);
      context.beginPath();
      context.moveTo(x0, tail.py);
      context.bezierCurveTo(x0 + bend, tail.py, x1 - bend, head.py, x1, head.py);
      context.globalAlpha = (0.1 + 0.85 * share ** 0.8) * (!one || tail === one || head === one ? 1 : 0.16);
      context.lineWidth = 0.6 + 4.4 * share;
      context.strokeStyle = colours[Number(values[w] > 0)];
      context.stroke();
    }
    context.globalAlpha = 1;
    return context;
  }

  mark(chosen) {
    for (const neuron of this.neurons) neuron.button.setAttribute("aria-pressed", String(neuron === chosen));
  }
}

function nameOf(layer, neuron, c, data) {
  if (!c) return `input ${data.inputs[neuron.i]}`;
  return `${layer.title}, neuron ${neuron.i}`;
}

const move = (element, x, y) => (element.style.translate = `${x.toFixed(1)}px ${y.toFixed(1)}px`);

// The largest size of some numbers; 1 if all are 0.
function largest(xs) {
  let most = 0;
  for (let k = 0; k < xs.length; k += 1) most = Math.max(most, Math.abs(xs[k]));
  return most || 1;
}
