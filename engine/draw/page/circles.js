// The picture of a network whose numbers change: the colours, widths and texts of its lines, biases and
// circles, and of its legend. The last argument is from circles/live.py, the rules are those of
// circles/scale.py.

const SHARES = [-1, -0.5, 0, 0.5, 1]; // the samples in a legend

function createCircles(graph, prefix, { live, isFilled }, { lines, biases, neurons, titles, scale }) {
  const svg = graph.querySelector("svg"), find = (id) => svg.getElementById(`${prefix}-${id}`);
  const bubble = createShape("text", { class: "bubble", "text-anchor": "middle" });
  const parts = [
    ...lines.map(([id, place, widest]) => ({ id, place, group: find(id), widest })),
    ...biases.map(([id, place]) => ({ id, place, group: find(id) })),
  ].filter(({ group }) => group);
  const circles = neurons.map(([id, places, isDot]) => ({ places, isDot, group: find(id) })).filter(({ group }) => group);
  const findMiddle = (line) => line.getPointAtLength(0.42 * line.getTotalLength()); // most lines cross at 0.5
  parts.forEach(prepare);
  for (const circle of circles) circle.fill = circle.group.querySelectorAll("circle")[1];
  const hovers = Object.entries(titles).map(([id, template]) => ({ template, title: find(id)?.querySelector("title") })).filter(({ title }) => title);
  const legend = readLegend(find("legend"));
  const rooms = legend.map((samples) => findRoom(samples.map((sample) => sample.nextElementSibling)));
  addStyle();
  svg.append(bubble);

  // Lines are too thin for the pointer, so that each has a wide copy, which is transparent.
  function prepare(part) {
    const { group, widest } = part;
    if (!widest) {
      const [, fill] = group.querySelectorAll("circle"), text = group.querySelector("text");
      text?.classList.add("number");
      return Object.assign(part, { fill, text });
    }
    part.line = group.querySelector("path");
    const { x, y } = findMiddle(part.line);
    group.append(createShape("path", { class: "reach", fill: "none", d: part.line.getAttribute("d") }), createShape("circle", { class: "dot", cx: x, cy: y, r: 2.6 }));
  }

  // Returns the samples of the legend: its lines, and its fills, each of which is above a rim.
  function readLegend(group) {
    const all = (tag) => [...(group?.querySelectorAll(tag) ?? [])];
    return [all("path"), all("circle").filter((_, k) => k % 2)];
  }

  // Returns the width for each number below the samples of a legend: the distance of the first two.
  function findRoom([first, second]) {
    return second?.localName === "text" ? Number(second.getAttribute("x")) - Number(first.getAttribute("x")) - 4 : Infinity;
  }

  function writeSample(text, number, room) {
    text.textContent = number;
    text.removeAttribute("textLength");
    if (number.length < 6 || text.getComputedTextLength() <= room) return; // shorter numbers fit
    text.setAttribute("textLength", room);
    text.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }

  // A policy of the page can forbid a <style> element; it does not apply to this style sheet.
  function addStyle() {
    const rules = scale.colours.map(([light, dark], k) => {
      const colour = light === dark ? light : `light-dark(${light},${dark})`;
      return `.graph .line${k}{stroke:${light};stroke:${colour}}.graph .fill${k}{fill:${light};fill:${colour}}`;
    });
    const sheet = Object.assign(new CSSStyleSheet(), { source: rules.join("") }), others = document.adoptedStyleSheets;
    sheet.replaceSync(sheet.source);
    if (!others.some(({ source }) => source === sheet.source)) document.adoptedStyleSheets = [...others, sheet];
  }

  // ------------------------------------------------------------------------------------ the rules

  const findLargest = (numbers) => numbers.filter(Number.isFinite).reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
  const share = (x, largest) => (!Number.isFinite(x) ? 1 : largest ? Math.min(Math.abs(x) / largest, 1) : 0);
  const colourOf = (x) => (x !== x || !x ? 2 : Number(x > 0)); // negative, positive, 0 or nan

  function paintLine(element, x, largest, widest) {
    const { thinnest, faintest, boldest, colours: [negative, positive] } = scale, part = share(x, largest);
    const isDashed = !Number.isFinite(x) || (x < 0 && negative[0] === positive[0]);
    element.setAttribute("class", `line${colourOf(x)}`);
    element.setAttribute("fill", "none"); // which its first class had set
    element.setAttribute("stroke-width", (thinnest + (widest - thinnest) * part).toFixed(2));
    element.setAttribute("stroke-opacity", (faintest + (boldest - faintest) * part).toFixed(3));
    if (isDashed) element.setAttribute("stroke-dasharray", "5,2");
    else element.removeAttribute("stroke-dasharray");
  }

  function paintFill(element, x, opacity) {
    element.setAttribute("class", `fill${colourOf(x)}`);
    element.setAttribute("fill-opacity", opacity.toFixed(3));
  }

  // ------------------------------------------------------------------------------------- drawing

  const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
  const numberOf = (place) => live.graph.data[place], numberOfCircle = ({ places }) => sum(places.map(numberOf)) / places.length;

  // Shows the numbers of the graph as they are now.
  function update() {
    const weights = parts.map(({ place }) => numberOf(place)), largest = findLargest(weights);
    parts.forEach(({ line, widest, fill, text }, k) => {
      if (line) paintLine(line, weights[k], largest, widest);
      else paintFill(fill, weights[k], share(weights[k], largest));
      if (text && !scale.names_only) text.textContent = `b ${formatRounded(weights[k], 2)}`;
    });
    const numbers = circles.map(numberOfCircle), most = findLargest(numbers);
    circles.forEach(({ isDot, fill }, k) => {
      if (fill) paintFill(fill, numbers[k], share(numbers[k], most) * (isDot ? 1 : scale.fill));
    });
    legend.forEach((samples, n) => samples.forEach((sample, k) => {
      const end = [largest, most][n], x = SHARES[k] * end;
      if (n) paintFill(sample, x, share(x, end) * scale.fill);
      else paintLine(sample, x, end, scale.widest);
      if (!scale.names_only) writeSample(sample.nextElementSibling, formatRounded(x, 2), rooms[n]);
    }));
    for (const { title, template } of hovers) title.textContent = fillText(template, live.find(0));
    if (at) showBubble(at);
  }

  // Shows the number of the line under the pointer, or of the selected one, in its middle.
  let at = null, hovered = null, chosen = null;
  function showBubble(part) {
    at = part;
    bubble.setAttribute("display", part?.line ? "inline" : "none");
    if (!part?.line) return;
    const { x, y } = findMiddle(part.line);
    for (const [name, number] of [["x", x], ["y", y + 3.5]]) bubble.setAttribute(name, number);
    bubble.textContent = live.write(live.graph.data[part.place]);
  }
  const partAt = (element) => parts.find(({ group }) => group.contains(element)) ?? null;
  for (const [name, element] of [["pointerover", (event) => event.target], ["pointerleave", () => null]]) {
    graph.addEventListener(name, (event) => {
      if (event.buttons) return; // the pointer drags something else
      hovered = partAt(element(event));
      showBubble(hovered ?? chosen);
    });
  }
  function select(id) {
    chosen = parts.find((part) => part.id === id) ?? null;
    showBubble(hovered ?? chosen);
  }

  showBubble(null);
  if (isFilled) update(); // the drawing is that of other numbers
  return { update, select, owns: (element) => partAt(element) !== null };
}
