// The numbers of one neuron for one sample: its sum, its activation, and the chain rule.
class Inspector {
  constructor(view, trainer, graphs, open) {
    Object.assign(this, { head: make("div"), view: make("div"), trainer, graphs, data: trainer.data });
    this.buttons = make("p", "opens"); // they stay while the numbers change
    this.ofNeuron = this.addButton("Step through neuron", () => open(...this.shown));
    this.ofSample = this.addButton("Step through loss", () => open(null, this.shown[1]));
    this.tooLarge = this.buttons.appendChild(make("span", "hint", "The loss of a sample has too many values to step through."));
    view.append(this.head, this.buttons, this.view);
  }

  addButton(text, action) {
    const button = this.buttons.appendChild(make("button", "", text));
    button.type = "button";
    button.addEventListener("click", action);
    return button;
  }

  // Scrolls to the numbers, which are below the pictures in a narrow window.
  reveal() {
    this.buttons.scrollIntoView({ block: "nearest" });
  }

  // Computes both passes of one sample, and returns the numbers of a neuron.
  read(neuron, sample) {
    const { graphs } = this, loss = graphs.compute(sample), { V, G } = graphs.probe, { grad } = graphs;
    const { numbers } = this.trainer, has = neuron.row !== null && neuron.row !== undefined;
    const { inputs: x } = this.data.network.layers[neuron.c];
    const terms = (neuron.w ?? []).map((w, j) => ({
      name: nameOf(this.data.network.layers[neuron.c - 1], { i: j }, neuron.c - 1, this.data), index: w,
      x: V[x[j]], w: numbers[w], gradient: grad[w],
    }));
    return {
      loss, terms, a: has ? V[neuron.row] : undefined, da: has ? G[neuron.row] : undefined, z: V[neuron.z], dz: G[neuron.z],
      b: numbers[neuron.b], db: grad[neuron.b],
    };
  }

  show(neuron, sample) {
    const { head: view, data } = this, parts = [];
    view.replaceChildren();
    this.view.replaceChildren();
    this.shown = [neuron, sample ?? 0];
    this.ofNeuron.hidden = !(neuron?.c && this.graphs.hasNeuron(neuron));
    const isBlank = !neuron && sample === null, hasSample = this.graphs.hasSample(sample ?? 0);
    this.ofSample.hidden = isBlank || !hasSample;
    this.tooLarge.hidden = isBlank || hasSample;
    if (isBlank) {
      view.append(make("p", "hint", `Select ${data.network ? "a neuron or " : ""}a sample to see its numbers at this step.`));
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
    if (neuron.c) this.view.append(this.writeTerms(numbers));
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
    const loss = this.graphs.compute(s), { V, G } = this.graphs.probe;
    this.head.append(make("h2", "", `sample ${s}`), make("p", "where", where.replace(/^[^:]*: /, "")));
    const facts = this.head.appendChild(make("dl", "facts"));
    this.data.model.outputs.forEach((r, k) => {
      const name = this.data.model.outputs.length > 1 ? `output ${k}` : "output";
      facts.append(make("dt", "", name), make("dd", "", format(V[r], 4)));
      facts.append(make("dt", "", "∂ℓ/∂output"), make("dd", "", format(G[r], 4)));
    });
    facts.append(make("dt", "", "loss ℓ"), make("dd", "", format(loss, 4)));
    if (this.data.network) this.view.append(make("p", "hint", "Select a neuron to see how it computes for this sample."));
  }
}

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}
