// A picture of a network whose numbers the page computes: the lines of weights, the dots of biases and
// the circles of outputs get the colours of their signs, as in circles/scale.py. What appears on hover
// keeps its first line, the name, and lists the numbers.

function paintCircles({ picture, live, circles: { lines, biases, neurons, signs } }) {
  const { data } = live.graph, find = (id) => picture.parts(id)[0];
  const size = (x) => Math.abs(x), shareOf = (places) => {
    const largest = Math.max(0, ...places.map((i) => size(data[i])).filter(Number.isFinite));
    return (x) => (!Number.isFinite(x) ? 1 : largest ? Math.min(1, size(x) / largest) : 0);
  };
  const ofWeights = shareOf([...lines.map((line) => line[2]), ...biases.map((bias) => bias[1])]);
  const ofOutputs = shareOf(neurons.map((neuron) => neuron[1]));
  const colour = (x) => (x < 0 ? signs[0] : x > 0 ? signs[1] : signs[2]);
  const paint = (shape, attributes) => {
    shape.removeAttribute("class"); // of a colour that many parts share
    for (const [name, x] of Object.entries(attributes)) shape.setAttribute(name, x);
  };
  const describe = (name, i) => [`${name} = ${live.write(data[i])}, ∇ ${live.write(live.grad(i))}`];
  const list = (part, texts) => {
    const title = part?.querySelector("title");
    if (title) title.textContent = [title.textContent.split("\n")[0], ...texts].join("\n");
  };
  const radius = (id) => Number(find(id).querySelector("circle").getAttribute("r"));

  for (const [tail, head, i] of lines) {
    const line = find(`e-${tail}-${head}`), a = radius(tail), b = radius(head), share = ofWeights(data[i]);
    const widest = Math.max(1.2, Math.min(4.4, 0.2 * Math.min(a, b) + 0.1 * b));
    paint(line.querySelector("path"), { stroke: colour(data[i]), "stroke-width": 0.5 + (widest - 0.5) * share, "stroke-opacity": 0.16 + 0.74 * share });
    list(line, describe("w", i));
  }
  const biasOf = new Map(biases);
  for (const [id, i] of neurons) {
    const [rim, fill = rim.cloneNode()] = find(id).querySelectorAll("circle");
    if (!fill.isConnected) rim.after(fill);
    paint(fill, { fill: colour(data[i]), stroke: "none", "fill-opacity": 0.42 * ofOutputs(data[i]) });
    const isInput = !biasOf.has(id);
    list(find(id), [...describe(isInput ? "x" : "a", i), ...(isInput ? [] : describe("b", biasOf.get(id)))]);
  }
  for (const [id, i] of biases) {
    const part = find(`${id}-bias`);
    if (!part) continue;
    const [, fill] = part.querySelectorAll("circle"), text = part.querySelector("text");
    paint(fill, { fill: colour(data[i]), "fill-opacity": ofWeights(data[i]) });
    if (text) text.textContent = `b ${writeRounded(data[i], 2)}`;
    const title = part.querySelector("title");
    if (title) title.textContent = describe("b", i)[0];
  }
}
