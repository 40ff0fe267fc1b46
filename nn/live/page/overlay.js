// A stepper over the page, in a dialog. Its script and its views are unpacked when it first opens.
class Overlay {
  constructor() {
    this.dialog = document.querySelector("dialog.overlay");
    this.blank = document.getElementById("overlay").content.firstElementChild;
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the page does not handle these keys
    this.dialog.addEventListener("close", () => {
      this.dialog.replaceChildren();
      this.stepper = null;
    });
  }

  // The packed page: its views have a name, by which `Overlay.find` returns them.
  unpack() {
    if (this.page) return this.page;
    const read = (id) => readData(document.getElementById(id).textContent);
    document.head.append(Object.assign(document.createElement("script"), { textContent: read("stepper") }));
    return (this.page = read("views"));
  }

  find(name) {
    return this.unpack().views.find((view) => view.name === name);
  }

  // Opens views, of which the first is shown; parts of a drawing open the others. The button that
  // returns to the page has `title`. Returns the interface of the stepper.
  open(views, title) {
    const { dialog } = this, root = this.blank.cloneNode(true), page = this.unpack();
    dialog.replaceChildren(root);
    if (!dialog.open) dialog.showModal();
    this.stepper = Stepper.mount(root, { ...page, views, outside: { title, leave: () => dialog.close() } }, Stepper.rows);
    return this.stepper;
  }
}

// Returns a view in which leaves have other numbers: `read` returns one for each of `view.leaves`,
// undefined for a leaf that keeps its number, or {data, slopes} for a result whose row is not known.
function fillView(view, read) {
  const nodes = [...view.graph.nodes];
  for (const [i, ...leaf] of view.leaves) {
    const x = read(...leaf);
    if (x !== undefined) nodes[i] = { ...nodes[i], ...(typeof x === "object" ? x : { data: x }) };
  }
  return { ...view, isFilled: true, graph: { ...view.graph, nodes } };
}
