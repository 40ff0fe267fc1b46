// Formulas that fit: a line that is too wide wraps at its operators, and "⋯" unfolds a long sum.
// `whole` maps shortened names to whole ones, which appear on hover.

function showFormulas(container, lines) {
  container.innerHTML = lines.join("");
  for (const dots of container.querySelectorAll(".dots")) {
    for (const [name, value] of [["role", "button"], ["tabindex", "0"], ["aria-label", "Show all terms"]]) dots.setAttribute(name, value);
    const unfold = () => {
      (dots.closest(".line") ?? dots.closest("math")).classList.add("unfolded");
      fold(container);
    };
    dots.addEventListener("click", unfold);
    dots.addEventListener("keydown", (event) => event.key === "Enter" && unfold());
  }
  fold(container);
  container.folding ??= new ResizeObserver(() => fold(container));
  container.folding.observe(container);
}

// Wraps the lines that are wider than their container: at equality signs and between terms, where
// that does not suffice between factors, then inside parentheses. What is still too wide gets smaller.
function fold(container) {
  for (let line of [...container.children]) {
    if (line.tagName === "math" && isWide(line, container)) line = wrap(line);
    if (line.classList.contains("line")) line.querySelectorAll("math").forEach((piece) => narrow(piece, line, 0));
  }
}

function isWide(element, container) {
  const end = container.getBoundingClientRect().left + container.clientWidth;
  return container.clientWidth > 0 && element.getBoundingClientRect().right > end + 1;
}

const BREAKS = [/^([=+−<>≤≥]|\+=)$/, /^[⋅⊙\u2062,/]$/];

// Replaces a formula by a line of pieces.
function wrap(math) {
  const line = document.createElement("div");
  line.className = `line ${math.getAttribute("class") ?? ""}`;
  line.append(...cut(math.firstElementChild.children, BREAKS[0]));
  math.replaceWith(line);
  return line;
}

function narrow(piece, line, depth) {
  const room = line.clientWidth - 2 * parseFloat(getComputedStyle(line).paddingLeft), row = piece.firstElementChild;
  if (room <= 0 || piece.getBoundingClientRect().width <= room) return;
  if (depth === 8) {
    piece.style.fontSize = `${Math.max(55, (98 * room) / piece.getBoundingClientRect().width)}%`;
    return;
  }
  if (depth % 2) {
    for (const part of [...row.children]) {
      if (part.tagName === "mrow" && !part.matches(".dots, .matrix")) part.replaceWith(...part.children);
      if (part.tagName === "mfrac" && part.getBoundingClientRect().width > room) part.replaceWith(...flatten(part));
    }
  }
  const pieces = cut(row.children, BREAKS[depth % 2 ? 0 : 1]);
  piece.replaceWith(...pieces);
  pieces.forEach((each) => narrow(each, line, depth + 1));
}

// Returns a fraction as (numerator) / (denominator).
function flatten(fraction) {
  const [over, under] = fraction.children, sign = (text) => {
    const mo = document.createElementNS(fraction.namespaceURI, "mo");
    mo.textContent = text;
    mo.setAttribute("stretchy", "false");
    return mo;
  };
  const enclose = (part) => (part.children.length > 1 ? [sign("("), ...part.children, sign(")")] : [part]);
  return [...enclose(over), sign("/"), ...enclose(under)];
}

// Returns the pieces of a formula: each but the first begins with an operator, or follows a comma.
function cut(parts, breaks) {
  const pieces = [[]];
  for (const part of [...parts]) {
    const { tagName, textContent, classList } = part, before = pieces.at(-1).at(-1);
    const infix = before && (before.tagName !== "mo" || before.textContent === ")") && part.getAttribute("form") !== "prefix";
    const breaksHere = infix && (classList.contains("folded") || classList.contains("dots") || (tagName === "mo" && breaks.test(textContent)));
    if (breaksHere && textContent !== ",") pieces.push([]);
    pieces.at(-1).push(part);
    if (breaksHere && textContent === ",") pieces.push([]);
  }
  return pieces.filter((piece) => piece.length).map((piece) => {
    const [first] = piece, math = document.createElementNS(first.namespaceURI, "math");
    const row = math.appendChild(document.createElementNS(first.namespaceURI, "mrow"));
    math.setAttribute("displaystyle", "true");
    if (first.tagName === "mo" && pieces.length > 1 && piece !== pieces[0]) first.setAttribute("form", "infix");
    row.append(...piece);
    return math;
  });
}

// Shows the whole of shortened names in an element, when the mouse is over it.
function showWholeNames(element, whole) {
  const names = Object.entries(whole).filter(([short]) => element.textContent.includes(short));
  if (names.length) element.title = names.map(([, name]) => name).join("\n");
  else element.removeAttribute("title");
}
