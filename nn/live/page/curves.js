// A chart of figures by epoch: a heading, the figures of the shown epoch, and lines.
class Curves {
  // A line is {name, ys, colour}, with null where an epoch has no figure; a colour is one of the style sheet's.
  constructor(view, title, epochs, lines, move) {
    Object.assign(this, { epochs, lines, section: view.appendChild(make("section", "chart")) });
    this.section.setAttribute("aria-label", title);
    const head = this.section.appendChild(make("div", "head"));
    head.append(make("h2", "heading", title));
    const legend = head.appendChild(make("p", "figures"));
    for (const line of lines) {
      const item = legend.appendChild(make("span"));
      line.swatch = item.appendChild(make("i"));
      line.swatch.style.background = `var(--${line.colour})`;
      item.append(line.name ? `${line.name} ` : "");
      line.figure = item.appendChild(make("b"));
    }
    this.canvas = this.section.appendChild(make("canvas"));
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${title} by epoch`);
    this.canvas.addEventListener("pointerdown", (event) => this.point(event, move));
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.point(event, move));
    const all = lines.flatMap(({ ys }) => ys.filter((y) => y !== null)), low = Math.min(...all), high = Math.max(...all);
    this.isLog = low > 0 && high > 30 * low;
    const base = low > 0.6 * high ? low - 0.15 * (high - low || low) : Math.min(0, low); // leave out a distant 0
    this.reach = this.isLog ? [Math.log10(low), Math.log10(high)] : [base, Math.max(high, 0) || 1];
    if (this.isLog && this.reach[0] === this.reach[1]) this.reach[1] += 1;
  }

  point({ offsetX }, move) {
    const at = (offsetX - this.left) / (this.right - this.left) || 0;
    move(Math.max(0, Math.min(this.epochs.length - 1, Math.round(at * (this.epochs.length - 1)))));
  }

  // Draws all lines, and marks the n-th epoch.
  draw(n, palette) {
    for (const { ys, figure } of this.lines) figure.textContent = ys[n] === null ? "–" : format(ys[n], 4);
    const { context, width, height } = fit(this.canvas), { epochs, reach: [low, high] } = this, bottom = height - 16, top = 6;
    Object.assign(this, { left: 38, right: width - 8 });
    const place = (y) => bottom - (((this.isLog ? Math.log10(y) : y) - low) / (high - low)) * (bottom - top);
    const across = (i) => this.left + (i / Math.max(1, epochs.length - 1)) * (this.right - this.left);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const [y, text] of this.isLog ? this.listPowers() : ticks(low, high).filter((_, i, all) => all.length < 5 || i % 2 === 0)) {
      const up = Math.round(place(y)) + 0.5;
      line(context, [[this.left, up], [this.right, up]], css(palette.frame, 0.6), 1);
      context.fillStyle = css(palette.pale);
      context.fillText(text, this.left - 5, up);
    }
    context.fillStyle = css(palette.pale);
    context.textAlign = "left";
    context.fillText(String(epochs[0]), this.left, height - 6);
    context.textAlign = "right";
    context.fillText(`epoch ${epochs.at(-1).toLocaleString("en")}`, this.right, height - 6);
    line(context, [[across(n), top - 4], [across(n), bottom]], css(palette.ink, 0.55), 1);
    for (const { ys, colour } of this.lines) {
      const rgb = palette.read(colour), points = ys.map((y, i) => (y === null ? null : [across(i), place(y)]));
      line(context, points.filter(Boolean), css(rgb), 2);
      if (points[n]) dot(context, points[n], 3.6, css(rgb));
    }
  }

  listPowers() {
    const [low, high] = this.reach, powers = [];
    for (let k = Math.ceil(low); k <= high; k += Math.max(1, Math.ceil((high - low) / 3))) powers.push(10 ** k);
    return (powers.length ? powers : [10 ** low, 10 ** high]).map((y) => [y, format(y, 2)]);
  }
}

function line(context, points, colour, width) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.lineWidth = width;
  context.lineJoin = "round";
  context.strokeStyle = colour;
  context.stroke();
}

function dot(context, [x, y], radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}
