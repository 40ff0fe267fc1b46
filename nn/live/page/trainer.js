// The training loop: the weights, their gradients, and the state of the optimizer.
class Trainer {
  constructor(data) {
    this.data = data;
    this.count = data.weights.length;
    this.samples = data.X.length;
    this.numbers = numbersOf(data.model, data.weights);
    this.machine = new Machine(data.model, this.numbers);
    this.penalty = data.penalty && new Machine(data.penalty, numbersOf(data.penalty, data.weights));
    this.losses = data.losses.map((program) => new Machine(program, numbersOf(program)));
    this.all = Array.from({ length: this.samples }, (_, i) => i);
    this.lr = data.lr;
    this.isScheduled = data.rates.length > 0;
    this.batch = data.batch;
    this.zeroGrad = true;
    this.initial = Float64Array.from(data.weights);
    this.random = new Random(0);
    this.reset();
  }

  // Starts again from the initial weights.
  reset() {
    this.numbers.set(this.initial);
    this.grad = this.slopes = new Float64Array(this.numbers.length); // slopes: those that are shown
    this.memory = this.data.memory.map((numbers) => Float64Array.from(numbers));
    this.updates = this.data.steps;
    this.steps = this.epoch = this.at = 0;
    this.order = null;
    this.loss = NaN;
    this.setRate();
  }

  // Sets the learning rate to that of the next step, if there is a schedule.
  setRate() {
    const { rates, steps } = this.data;
    if (this.isScheduled) this.lr = rates[Math.min(this.updates - steps, rates.length - 1)];
  }

  // Starts again from new weights: normal, with the mean and deviation of each group's initial ones.
  renew(seed) {
    this.random = new Random(seed);
    this.initial = Float64Array.from(this.data.weights);
    for (const group of this.data.groups) {
      const xs = group.map((i) => this.data.weights[i]);
      const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
      const std = Math.sqrt(xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / xs.length);
      if (std > 0) for (const i of group) this.initial[i] = this.random.normal(mean, std);
    }
    this.reset();
  }

  // The samples of the next step. Without a batch size, these are all, in the given order.
  next() {
    if (this.at === 0) {
      const orders = this.data.orders;
      this.order = !this.batch ? this.all : (orders[this.epoch] ?? this.random.shuffle(this.samples));
    }
    const end = Math.min(this.samples, this.at + (this.batch || this.samples));
    const batch = this.order.slice(this.at, end);
    this.at = end === this.samples ? 0 : end;
    if (this.at === 0) this.epoch += 1;
    return batch;
  }

  // One step of the optimizer. Returns the loss of the batch.
  step() {
    const batch = this.next();
    if (this.zeroGrad) this.grad.fill(0);
    this.loss = this.differentiate(this.machine, batch, this.grad) + this.penalize(this.grad);
    if (this.data.clip !== null) this.clip(this.data.clip);
    this.slopes = this.grad;
    this.setRate();
    this.steps += 1;
    this.updates += 1;
    update(this.data.moved, this.numbers, this.grad, this.memory, this.lr, this.updates);
    return this.loss;
  }

  // Adds the gradients of the penalty on the weights, if there is one. Returns the penalty.
  penalize(grad) {
    const { penalty } = this;
    if (!penalty) return 0;
    const D = new Float64Array(penalty.U.length), [row] = penalty.program.outputs;
    penalty.U.set(this.numbers.subarray(0, this.count));
    penalty.resize(1);
    penalty.forward();
    penalty.backward(D, (G) => (G[row] = 1));
    for (let i = 0; i < this.count; i += 1) grad[i] += D[i];
    return penalty.V[row];
  }

  // Scales the gradients by one factor so that their norm is at most a limit.
  clip(limit) {
    const { moved } = this.data, norm = Math.sqrt(moved.reduce((sum, i) => sum + this.grad[i] ** 2, 0));
    if (limit < norm && norm < Infinity) for (const i of moved) this.grad[i] *= limit / norm;
  }

  // The number by which the sum of the losses of a batch is divided.
  divisorOf(batch) {
    const { reduction, sizes } = this.data;
    if (reduction === "weighted") return batch.reduce((sum, s) => sum + sizes[s], 0);
    return reduction === "mean" ? batch.length : 1;
  }

  // Runs both passes for a batch, and adds to the gradients. Returns the loss.
  differentiate(machine, batch, grad, divisor = this.divisorOf(batch)) {
    this.predict(machine, batch);
    let loss = 0;
    machine.backward(grad, (G) => {
      const each = this.lossesOf(machine, batch, 1 / divisor, G);
      for (let s = 0; s < each.length; s += 1) loss += each[s];
    });
    return loss / divisor;
  }

  // Computes the rows of a machine for a batch.
  predict(machine, batch) {
    machine.resize(batch.length);
    const { X, model } = this.data;
    model.inputs.forEach((r, j) => {
      const row = machine.row(r);
      for (let s = 0; s < batch.length; s += 1) row[s] = X[batch[s]][j];
    });
    machine.forward();
  }

  // The loss of each sample. Writes the gradients of the model's outputs, times a share, into G.
  lossesOf(machine, batch, share, G = null) {
    const { lossOf, y, model } = this.data, each = new Float64Array(batch.length), n = machine.n;
    this.losses.forEach((program, k) => {
      const lanes = lossOf.length ? this.all.slice(0, n).filter((s) => lossOf[batch[s]] === k) : this.all;
      const count = lossOf.length ? lanes.length : n;
      if (!count) return;
      program.resize(count);
      const { inputs, outputs } = program.program, m = model.outputs.length;
      inputs.forEach((r, j) => {
        const row = program.row(r), from = j < m ? machine.row(model.outputs[j]) : null;
        for (let q = 0; q < count; q += 1) row[q] = from ? from[lanes[q]] : y[batch[lanes[q]]][j - m];
      });
      program.forward();
      const loss = program.row(outputs[0]);
      for (let q = 0; q < count; q += 1) each[lanes[q]] = loss[q];
      if (!G) return;
      program.backward(new Float64Array(program.U.length), (g) => g.fill(share, outputs[0] * count, (outputs[0] + 1) * count));
      model.outputs.forEach((r, j) => {
        for (let q = 0; q < count; q += 1) G[r * n + lanes[q]] += program.G[inputs[j] * count + q];
      });
    });
    return each;
  }
}
