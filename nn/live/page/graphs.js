// The scalar graphs of samples and neurons, with the numbers of this step, in a stepper over the page.
class Graphs {
  constructor(trainer, overlay) {
    const { data } = trainer;
    Object.assign(this, { trainer, overlay, data, layers: data.network?.layers ?? [] });
    this.probe = new Machine(data.model, trainer.numbers); // one lane
    this.grad = new Float64Array(trainer.numbers.length);
  }

  // Computes both passes of one sample. Returns its loss.
  compute(sample) {
    this.grad.fill(0);
    return this.trainer.differentiate(this.probe, [sample], this.grad);
  }

  // Whether there is a graph of a sample's loss, or of a neuron.
  hasSample(sample) {
    return this.data.graphs.includes(nameSample(this.data, sample));
  }

  hasNeuron({ c }) {
    return this.data.graphs.includes(nameLayer(c));
  }

  // Opens the graph of a neuron for a sample, or that of the sample's loss. Returns its stepper.
  open(neuron, sample) {
    this.compute(sample);
    const title = `${neuron?.name ?? "loss"} (sample ${sample}, step ${this.trainer.steps.toLocaleString("en")})`;
    const view = neuron ? this.fillNeuron(neuron) : this.fillSample(sample);
    return this.overlay.open([{ ...view, title }], "training");
  }

  fillSample(sample) {
    const { data, trainer } = this, { X, y } = data;
    const read = { w: (i) => trainer.numbers[i], x: (j) => X[sample][j], y: (j) => y[sample][j] };
    return fillView(this.overlay.find(nameSample(data, sample)), (kind, i) => read[kind](i));
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

const nameSample = (data, sample) => `sample ${data.lossOf[sample] ?? 0}`;
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
