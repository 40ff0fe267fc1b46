// The mark of a wrong pass below a gradient. While it is empty, the gradient is in the middle of
// both lines; `blank` is the second line of a cell whose fields are below each other. `length` is
// that of the first gradient.

function addMark(grad, blank, length) {
  const room = length + 4, mark = grad.cloneNode(), y = (text) => Number(text.getAttribute("y"));
  const middle = blank ? (y(grad) + y(blank)) / 2 : y(grad);
  grad.after(mark);
  show("", "");
  return { show };

  function show(kind, text) {
    mark.setAttribute("class", `below ${kind}`);
    if (mark.textContent !== text) {
      mark.textContent = text;
      mark.removeAttribute("textLength");
      if (text && mark.getComputedTextLength() > room) {
        mark.setAttribute("textLength", room);
        mark.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
    }
    mark.setAttribute("y", middle + 6);
    grad.setAttribute("y", middle - (text ? 5.5 : 0));
  }
}

// The mark of a gradient in a card, whose rows have no room below: a sign before the number, and the
// whole text on hover. A true gradient that is still due is in parentheses.
const SIGNS = { right: "✓", wrong: "✗", early: "»" };

function addSign(grad, length) {
  const room = length + 6; // columns are 9 apart
  return { show };

  // The number has been written before.
  function show(kind, text) {
    const number = grad.textContent, isDue = kind === "due" && !number;
    const sign = isDue ? `(${text.replace("true ", "")})` : [SIGNS[kind], number].filter(Boolean).join("\u2009");
    grad.removeAttribute("textLength");
    grad.setAttribute("class", ["grad", ...(isDue || kind in SIGNS ? ["signed", kind] : [])].join(" "));
    if (!text) return;
    grad.textContent = sign;
    if (grad.getComputedTextLength() > room) {
      grad.setAttribute("textLength", room);
      grad.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
    const whole = document.createElementNS(grad.namespaceURI, "title");
    whole.textContent = text;
    grad.append(whole);
  }
}
