// The mark of a wrong pass below a gradient. While it is empty, the gradient is in the middle of
// both lines; `blank` is the second line of a cell whose fields are below each other.

function addMark(grad, blank) {
  const mark = grad.cloneNode(), y = (text) => Number(text.getAttribute("y"));
  const middle = blank ? (y(grad) + y(blank)) / 2 : y(grad);
  grad.after(mark);
  show("", "");
  return { show };

  function show(kind, text) {
    if (mark.textContent !== text) mark.textContent = text;
    mark.setAttribute("class", `below ${kind}`);
    mark.setAttribute("y", middle + 6);
    grad.setAttribute("y", middle - (text ? 5.5 : 0));
  }
}
