// The colours of the style sheet as numbers, for canvases.
class Palette {
  constructor(root, classes) {
    this.probe = root.querySelector(".probe");
    this.classes = classes;
    this.update();
  }

  // Reads the colours again, after a change of theme.
  update() {
    const names = ["paper", "ink", "pale", "frame", "tint", "mark", "negative", "positive"];
    for (const name of names) this[name] = this.read(name);
    this.of = this.classes === 2 ? [this.negative, this.positive] : Array.from({ length: 8 }, (_, k) => this.read(`class${k}`));
    // 256 colours from negative by paper to positive, as bytes of an image
    this.ramp = new Uint32Array(256).map((_, i) => {
      const t = (i - 127.5) / 127.5;
      return pack(blend(this.paper, t < 0 ? this.negative : this.positive, 0.72 * Math.abs(t)));
    });
  }

  read(name) {
    this.probe.style.color = `var(--${name})`;
    return getComputedStyle(this.probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  }

  // The colour of a number between -1 and 1.
  at(t) {
    return this.ramp[Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, t || 0)))];
  }

  class(k) {
    return this.of[k % this.of.length];
  }
}

const blend = (a, b, share) => a.map((x, i) => x + (b[i] - x) * share);
const pack = ([r, g, b]) => (255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);
const css = ([r, g, b], alpha = 1) => `rgb(${r} ${g} ${b} / ${alpha})`;

// A canvas of the size of its element in the pixels of the screen; its unit is that of the style sheet.
function fit(canvas) {
  const ratio = window.devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

// A number with a few digits and a minus sign.
function format(x, digits = 3) {
  if (x === undefined || x === null) return "–";
  if (!Number.isFinite(x)) return String(x).replace("Infinity", "inf").replace("NaN", "nan").replace("-", "−");
  const size = Math.abs(x);
  const text = size !== 0 && (size < 1e-4 || size >= 1e6) ? x.toExponential(digits - 1) : String(Number(x.toPrecision(digits)));
  return text.replace("e+", "e").replaceAll("-", "−");
}
