// The picture of the result: regions of the plane, a curve, or a table, by the number of inputs.
class Result {
  constructor(view, trainer, palette, field) {
    const { data } = trainer;
    Object.assign(this, { view, trainer, palette, field, data, task: data.task });
    this.canvas = view.querySelector(".plot canvas");
    this.legend = view.querySelector(".legend");
    this.outputs = data.model.outputs;
    this.isClasses = this.task.labels.length > 0;
    this.all = new Machine(data.model, trainer.numbers); // of all samples
    this.spots = [];
    this.title = data.inputs.length === 1 && this.task.links ? "probability" : "output";
    this.writeLegend();
  }

  // Computes the outputs of all samples, and returns the loss and the accuracy.
  measure() {
    const { trainer } = this;
    trainer.predict(this.all, trainer.all);
    const each = trainer.lossesOf(this.all, trainer.all, 1);
    const loss = each.reduce((a, b) => a + b, 0) / trainer.divisorOf(trainer.all);
    if (!this.isClasses) return { loss, accuracy: null };
    this.predicted = trainer.all.map((s) => this.classOf(s));
    const right = this.predicted.filter((k, s) => k === this.task.classes[s]).length;
    return { loss, accuracy: right / this.task.classes.filter((k) => k >= 0).length };
  }

  classOf(s) {
    const outs = this.outputs.map((r) => this.all.row(r)[s]);
    if (outs.length === 1) return Number(outs[0] > this.task.threshold);
    return outs.indexOf(Math.max(...outs));
  }

  // Draws the plane of an output, or of the neuron with that row.
  draw(neuron, sample) {
    const { inputs } = this.data;
    if (inputs.length === 2) this.drawPlane(neuron, sample);
    else if (inputs.length === 1) this.drawCurve(neuron, sample);
    else if (this.isClasses) this.drawConfusion();
    else this.drawScatter(sample);
  }

  drawPlane(neuron, sample) {
    const { field, palette, task } = this, { context, width, height } = fit(this.canvas);
    const isOutput = neuron === null, several = isOutput && this.outputs.length > 1 && this.isClasses;
    const r = isOutput ? this.outputs[0] : neuron;
    let image;
    if (several) image = field.paint((k) => this.mixClasses(k));
    else if (!isOutput) image = field.paintRow(r, palette);
    else if (task.links === "sigmoid") image = field.paintRow(r, palette, 0, 1, (z) => 2 / (1 + Math.exp(-z)) - 1);
    else image = field.paintRow(r, palette, task.threshold, task.reach);
    field.canvas.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(field.canvas, 0, 0, width, height);
    context.lineWidth = 1.6;
    context.strokeStyle = css(palette.ink, 0.75);
    if (several) this.outputs.forEach((_, c) => field.contour((k) => this.marginOf(k, c), context, width, height));
    else if (this.isClasses || !isOutput) {
      const row = field.row(r), level = isOutput ? task.threshold : 0;
      field.contour((k) => row[k] - level, context, width, height);
    }
    this.drawScale(context, width, height);
    this.spots = this.data.X.map((x) => field.place(x, width, height));
    this.drawSamples(context, sample, Math.max(3, Math.min(5, width / 75)));
  }

  // The numbers along the axes of the plane.
  drawScale(context, width, height) {
    const { field, palette } = this, [horizontal, vertical] = field.sides;
    context.font = "10.5px system-ui, sans-serif";
    context.fillStyle = css(palette.ink, 0.65);
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const [x, text] of ticks(...horizontal)) {
      const [at] = field.place([x, 0], width, height);
      if (at > 24 && at < width - 12) context.fillText(text, at, height - 5);
    }
    context.textAlign = "left";
    for (const [y, text] of ticks(...vertical)) {
      const at = field.place([0, y], width, height)[1];
      if (at > 12 && at < height - 24) context.fillText(text, 5, at + 4);
    }
  }

  drawSamples(context, sample, radius) {
    const { palette, task, data } = this, line = css(palette.paper);
    this.spots.forEach(([x, y], s) => {
      const k = task.classes[s] ?? 0;
      const fill = k < 0 ? palette.frame : this.isClasses ? palette.class(k) : blend(palette.paper, ...this.signOf((data.y[s][0] - task.threshold) / task.reach));
      drawMark(context, x, y, radius, this.isClasses ? Math.max(k, 0) : 0, css(fill), this.isClasses ? line : css(palette.ink, 0.6));
    });
    if (sample === null) return;
    const [x, y] = this.spots[sample];
    context.lineWidth = 2.2;
    context.strokeStyle = css(palette.ink);
    context.beginPath();
    context.arc(x, y, radius + 4, 0, 2 * Math.PI);
    context.stroke();
  }

  signOf(t) {
    return [t < 0 ? this.palette.negative : this.palette.positive, Math.min(1, Math.abs(t))];
  }

  // The colour of the most probable class, paler where the model is less sure.
  mixClasses(k) {
    const outs = this.outputs.map((r) => this.field.row(r)[k]), most = Math.max(...outs), count = outs.length;
    const total = outs.reduce((sum, z) => sum + Math.exp(z - most), 0);
    const sure = (1 / total - 1 / count) / (1 - 1 / count);
    return pack(blend(this.palette.paper, this.palette.class(outs.indexOf(most)), 0.12 + 0.5 * (sure || 0)));
  }

  marginOf(k, c) {
    let other = -Infinity;
    this.outputs.forEach((r, i) => {
      if (i !== c) other = Math.max(other, this.field.row(r)[k]);
    });
    return this.field.row(this.outputs[c])[k] - other;
  }

  // The outputs over one input, as probabilities if they are logits. With several classes, a sample
  // is drawn at the probability of its own class.
  drawCurve(neuron, sample) {
    const { field, palette, data, task } = this, { context, width, height } = fit(this.canvas);
    const read = (machine) => (neuron === null ? linkRows(this.outputs.map((r) => machine.row(r)), task.links) : [machine.row(neuron)]);
    const curves = read(field), own = read(this.all), isOwn = neuron !== null || task.links === "softmax";
    const seen = data.y.map((y, s) => (isOwn ? own[(neuron === null && task.classes[s]) || 0][s] ?? 0 : y[0]));
    const [low, high] = range(neuron === null && task.links ? [0, 1] : [...seen, ...curves.flatMap((ys) => [...ys])]);
    const [a, b] = field.sides[0], right = (x) => ((x - a) / (b - a)) * width, up = (y) => height - ((y - low) / (high - low)) * height;
    context.fillStyle = css(palette.tint);
    context.fillRect(0, 0, width, height);
    drawAxes(context, palette, width, height, [low, high], up);
    this.spots = data.X.map((x, s) => [right(x[0]), up(seen[s])]);
    this.drawSamples(context, sample, 3.6);
    curves.forEach((values, k) => {
      context.beginPath();
      values.forEach((y, i) => context.lineTo(((i + 0.5) / values.length) * width, up(y)));
      context.lineWidth = 2.4;
      context.strokeStyle = css(curves.length > 1 ? palette.class(k) : palette.ink);
      context.stroke();
    });
  }

  drawConfusion() {
    const counts = this.task.labels.map(() => this.task.labels.map(() => 0));
    this.task.classes.forEach((k, s) => { if (k >= 0) counts[k][this.predicted[s]] += 1; });
    drawCounts(this.canvas, this.palette, this.task.labels, counts);
  }

  // Predictions over targets.
  drawScatter(sample) {
    const { palette, data } = this, { context, width, height } = fit(this.canvas);
    const out = this.all.row(this.outputs[0]), ys = data.y.map((y) => y[0]), [low, high] = range([...ys, ...out]);
    const at = (x) => (x - low) / (high - low);
    context.fillStyle = css(palette.tint);
    context.fillRect(0, 0, width, height);
    context.strokeStyle = css(palette.pale);
    context.setLineDash([4, 4]);
    context.beginPath();
    context.moveTo(0, height);
    context.lineTo(width, 0);
    context.stroke();
    context.setLineDash([]);
    this.spots = ys.map((y, s) => [at(y) * width, (1 - at(out[s])) * height]);
    this.drawSamples(context, sample, 3.6);
  }

  // The sample nearest to a place in the picture, or null.
  find(x, y) {
    let best = null, least = 14 ** 2;
    this.spots.forEach(([a, b], s) => {
      const distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [best, least] = [s, distance];
    });
    return best;
  }

  writeLegend() {
    const { inputs } = this.data, text = { 1: `${inputs[0]} → output`, 2: `${inputs[1]} over ${inputs[0]}` }[inputs.length];
    if (!this.isClasses || inputs.length > 2) {
      this.legend.append(text ?? (this.isClasses ? "" : "prediction over target"));
      return;
    }
    this.legend.append("class");
    this.task.labels.slice(0, 8).forEach((label, k) => {
      const item = document.createElement("span"), canvas = document.createElement("canvas");
      canvas.width = canvas.height = 28;
      item.append(canvas, label);
      this.legend.append(item);
      item.redraw = () => {
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, 28, 28);
        drawMark(context, 14, 14, 9, k, css(this.palette.class(k)), css(this.palette.paper), 2);
      };
      item.redraw();
    });
  }
}

// Returns the rows of outputs as rows of probabilities if they are logits.
function linkRows(rows, links) {
  if (links === "sigmoid") return rows.map((row) => Array.from(row, (z) => 1 / (1 + Math.exp(-z))));
  if (links !== "softmax") return rows;
  return rows.map((row) => Array.from(row, (z, k) => 1 / rows.reduce((sum, other) => sum + Math.exp(other[k] - z), 0)));
}

// A table of the samples by class and predicted class.
function drawCounts(canvas, palette, labels, counts) {
  const { context, width, height } = fit(canvas), n = labels.length;
  const left = 34, top = 34, w = (width - left) / n, h = (height - top) / n;
  const size = Math.min(15, 0.42 * Math.min(w, h));
  context.textAlign = "center";
  context.textBaseline = "middle";
  counts.forEach((row, i) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    row.forEach((count, j) => {
      context.fillStyle = css(blend(palette.tint, i === j ? palette.negative : palette.positive, 0.9 * (count / total)));
      context.fillRect(left + j * w + 1, top + i * h + 1, w - 2, h - 2);
      if (!count || size < 5) return;
      context.fillStyle = css(count / total > 0.55 ? palette.paper : palette.ink);
      context.font = `${size}px system-ui, sans-serif`;
      context.fillText(String(count), left + (j + 0.5) * w, top + (i + 0.5) * h);
    });
  });
  context.fillStyle = css(palette.pale);
  context.font = `${Math.max(8, size)}px system-ui, sans-serif`;
  labels.forEach((label, i) => {
    context.fillText(label, left + (i + 0.5) * w, 25);
    context.fillText(label, 25, top + (i + 0.5) * h);
  });
  context.font = "11px system-ui, sans-serif";
  context.fillText("predicted", left + (width - left) / 2, 7);
  context.rotate(-Math.PI / 2);
  context.fillText("class", -top - (height - top) / 2, 7);
}

// The interval of some numbers, a little larger.
function range(numbers) {
  const finite = numbers.filter(Number.isFinite), low = Math.min(...finite), high = Math.max(...finite), margin = 0.08 * (high - low) || 1;
  return [low - margin, high + margin];
}

function drawAxes(context, palette, width, height, [low, high], up) {
  context.lineWidth = 1;
  context.font = "11px system-ui, sans-serif";
  for (const [y, text] of ticks(low, high)) {
    context.strokeStyle = css(palette.frame, 0.7);
    context.beginPath();
    context.moveTo(0, Math.round(up(y)) + 0.5);
    context.lineTo(width, Math.round(up(y)) + 0.5);
    context.stroke();
    context.fillStyle = css(palette.pale);
    context.textAlign = "left";
    if (up(y) > 14) context.fillText(text, 4, up(y) - 4);
  }
}

// Three to six round numbers in an interval, each with its text; those have as many digits as they need.
function ticks(low, high) {
  const raw = (high - low) / 4, base = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find((k) => k * base >= 0.75 * raw) * base;
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(k * step);
  const isExact = (digits) => found.every((x) => Math.abs(Number(x.toPrecision(digits)) - x) < 1e-6 * step);
  const digits = [2, 3, 4, 5, 6, 7].find(isExact) ?? 8;
  return found.map((x) => [x, format(x, digits)]);
}
