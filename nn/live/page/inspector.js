// The numbers of one neuron for one sample: its sum, its activation, and the chain rule.
class Inspector {
  constructor(view, trainer, api) {
    const { data } = trainer;
    Object.assign(this, { view: make("div"), trainer, api, data });
    this.button = make("button", "open", "Step through its graph"); // it stays while the numbers change
    this.button.type = "button";
    this.button.addEventListener("click", () => api.open(this.describe(...this.shown), this.read(...this.shown)));
    view.append(this.view, this.button);
    this.probe = new Machine(data.model, trainer.numbers); // one lane
    this.grad = new Float64Array(trainer.numbers.length);
  }

  // Computes both passes of one sample, and returns the numbers of a neuron.
  read(neuron, sample) {
    this.grad.fill(0);
    const loss = this.trainer.differentiate(this.probe, [sample], this.grad);
    const { V, G } = this.probe, { numbers } = this.trainer, has = neuron.row !== null && neuron.row !== undefined;
    const inputs = this.data.network.layers[neuron.c - 1]?.neurons ?? [];
    const terms = (neuron.w ?? []).map((w, j) => ({
      name: nameOf(this.data.network.layers[neuron.c - 1], { i: j }, neuron.c - 1, this.data), index: w,
      x: V[inputs.find(({ i }) => i === j)?.row], w: numbers[w], gradient: this.grad[w],
    }));
    return {
      loss, terms, a: has ? V[neuron.row] : undefined, da: has ? G[neuron.row] : undefined, z: V[neuron.z], dz: G[neuron.z],
      b: numbers[neuron.b], db: this.grad[neuron.b],
    };
  }

  show(neuron, sample) {
    const { view, data } = this, parts = [];
    view.replaceChildren();
    this.shown = [neuron, sample ?? 0];
    this.button.hidden = !(this.api.open && neuron?.c);
    if (!neuron && sample === null) {
      view.append(make("p", "hint", "Select a neuron or a sample to see its numbers at this step."));
      return;
    }
    const s = sample ?? 0, target = data.y[s].map((y) => format(y)).join(", ");
    const where = `sample ${s}: ${data.X[s].length > 3 ? "" : `(${data.X[s].map((x) => format(x)).join(", ")}), `}target ${target}`;
    if (!neuron) {
      this.probeOutputs(s, where);
      return;
    }
    const numbers = this.read(neuron, s), note = data.network.layers[neuron.c].note;
    view.append(make("h2", "", neuron.name), make("p", "where", `${note && note !== "linear" ? `${note} · ` : ""}${where}`));
    if (neuron.c) {
      const f = note === "linear" ? "" : note;
      parts.push(["z = b + Σ w x", numbers.z, "∂ℓ/∂z", numbers.dz]);
      if (f) parts.push([`a = ${f}(z)`, numbers.a, "∂ℓ/∂a", numbers.da]);
    } else parts.push([data.inputs[neuron.i], numbers.a ?? data.X[s][neuron.i], "", undefined]);
    const facts = view.appendChild(make("dl", "facts"));
    for (const [name, x, gradient, g] of parts) {
      facts.append(make("dt", "", name), make("dd", "", format(x, 4)));
      facts.append(make("dt", "", gradient), make("dd", "", gradient ? format(g, 4) : ""));
    }
    if (neuron.c) view.append(this.writeTerms(numbers));
  }

  writeTerms({ terms, b, db, dz }) {
    const table = make("table", "terms"), head = table.appendChild(make("thead")).insertRow();
    for (const name of ["input", "x", "w", "w x", "∂ℓ/∂w"]) head.append(make("th", "", name));
    const body = table.appendChild(make("tbody"));
    for (const { name, x, w, gradient } of terms.slice(0, 200)) {
      const row = body.insertRow();
      row.append(make("th", "", name.replace(/^.*neuron /, "neuron ")));
      for (const number of [x, w, w * x, gradient]) row.insertCell().textContent = format(number);
    }
    const row = body.insertRow();
    row.append(make("th", "", "bias"));
    for (const text of ["1", format(b), format(b), format(db)]) row.insertCell().textContent = text;
    table.append(make("caption", "", `ℓ is the loss of this sample. ∂ℓ/∂w = ∂ℓ/∂z · x = ${format(dz)} · x`));
    return table;
  }

  probeOutputs(s, where) {
    const loss = this.trainer.differentiate(this.probe, [s], this.grad);
    this.view.append(make("h2", "", `sample ${s}`), make("p", "where", where.replace(/^[^:]*: /, "")));
    const facts = this.view.appendChild(make("dl", "facts"));
    this.data.model.outputs.forEach((r, k) => {
      const name = this.data.model.outputs.length > 1 ? `output ${k}` : "output";
      facts.append(make("dt", "", name), make("dd", "", format(this.probe.V[r], 4)));
      facts.append(make("dt", "", "∂ℓ/∂output"), make("dd", "", format(this.probe.G[r], 4)));
    });
    facts.append(make("dt", "", "loss ℓ"), make("dd", "", format(loss, 4)));
    this.view.append(make("p", "hint", "Select a neuron to see how it computes for this sample."));
  }

  // The graph of a neuron for one sample: what a stepper needs to step through it.
  describe(neuron, sample) {
    const names = neuron.w.map((w) => this.data.names[w]);
    return { name: neuron.name, sample, activation: this.data.network.layers[neuron.c].note, weights: names, bias: this.data.names[neuron.b] ?? null };
  }
}

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}
