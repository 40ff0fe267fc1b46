// The scalar graphs of samples and neurons, with the numbers of this step, in a stepper over the page.
class Graphs {
  // `home` names the page, and `moment()` says at which step or epoch the numbers are.
  constructor(trainer, overlay, home = "training", moment = () => `step ${trainer.steps.toLocaleString("en")}`) {
    const { data } = trainer;
    Object.assign(this, { trainer, overlay, home, moment, data, layers: data.network?.layers ?? [] });
    this.probe = new Machine(data.model, trainer.numbers); // one lane
    this.grad = new Float64Array(trainer.numbers.length);
  }

  // Computes both passes of one sample. Returns its loss.
  compute(sample) {
    this.grad.fill(0);
    return this.trainer.differentiate(this.probe, [sample], this.grad, 1);
  }

  // Returns true if the page has the graph of a sample's loss, or of a neuron.
  hasSample(sample) {
    return this.data.graphs.includes(this.nameSample(sample));
  }

  hasNeuron({ c }) {
    return this.data.graphs.includes(nameLayer(c));
  }

  // Opens the graph of a neuron for a sample, or that of the sample's loss. Returns its stepper.
  open(neuron, sample) {
    const loss = this.compute(sample), title = `${neuron?.name ?? "loss"} (sample ${sample}, ${this.moment()})`;
    const view = neuron ? this.fillNeuron(neuron) : this.fill(this.nameSample(sample), sample, loss);
    const opened = Object.entries(view.opens).map(([title, place]) => {
      const make = () => (place.length ? this.fillNeuron(this.find(place)) : this.fill(this.nameView("loss", sample), sample));
      return { title, make: () => ({ ...make(), title }) };
    });
    return this.overlay.open([{ ...view, title }, ...opened], this.home);
  }

  find([c, i]) {
    return { c, ...this.layers[c].neurons.find((neuron) => neuron.i === i) };
  }

  nameView(kind, sample) {
    return `${kind} ${this.data.lossOf[sample] ?? 0}`;
  }

  nameSample(sample) {
    return this.data.graphs.includes("network") ? "network" : this.nameView("sample", sample);
  }

  fill(name, sample, loss) {
    const { data, trainer, probe: { V, G } } = this, { outputs } = data.model;
    const read = {
      w: (i) => trainer.numbers[i], x: (j) => data.X[sample][j], y: (j) => data.y[sample][j], out: (j) => V[outputs[j]],
      loss: () => ({ data: loss, slopes: outputs.map((r) => G[r]) }),
    };
    return fillView(this.overlay.find(name), (kind, i) => read[kind](i));
  }

  fillNeuron(neuron) {
    const { numbers } = this.trainer, { V, G } = this.probe, { c, w, b } = neuron, view = this.overlay.find(nameLayer(c));
    const { inputs: x } = this.layers[c], sizes = w.map((i, j) => Math.abs(numbers[i] * V[x[j]]));
    const slots = view.leaves.filter(([, kind]) => kind === "w").length, all = w.map((_, j) => j);
    const shown = all.toSorted((i, j) => sizes[j] - sizes[i]).slice(0, slots).sort((i, j) => i - j);
    const read = {
      w: (k) => numbers[w[shown[k]]], x: (k) => V[x[shown[k]]], b: () => numbers[b], grad: () => G[neuron.row],
      rest: () => all.reduce((sum, j) => (shown.includes(j) ? sum : sum + numbers[w[j]] * V[x[j]]), 0),
    };
    const filled = fillView(view, (kind, k) => read[kind](k));
    return slots < w.length ? numberSlots(filled, shown) : filled;
  }
}

const nameLayer = (c) => `layer ${c}`;

// Replaces the letters of slots in the texts of a view by the numbers of products.
function numberSlots({ graph, ...view }, numbers) {
  const slots = new RegExp(`_?[\u4e00-${String.fromCharCode(0x4e00 + numbers.length - 1)}]`, "g");
  const small = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
  const text = JSON.stringify(view).replace(slots, (slot) => {
    const number = numbers[slot.at(-1).charCodeAt() - 0x4e00];
    return slot.length > 1 ? small(number) : number;
  });
  return { ...JSON.parse(text), graph };
}
