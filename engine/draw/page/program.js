// The interface for other programs: names and numbers of the view that is open.

function createInterface(view) {
  // Returns the view and the place of a value; of an opened part, its own names come first.
  const locate = (name) => {
    for (const from of [view, view.owner]) {
      const i = from.facts.findIndex((fact) => fact.name === name);
      if (i >= 0) return { from, i };
    }
    throw new Error(`no value is called ${name}; names() returns all names`);
  };

  // The names of all values of the picture that is shown.
  const names = () => [...new Set([view, ...(view.live?.elements ? [view.owner] : [])].flatMap(({ facts }) => facts.map((fact) => fact.name)))].filter(Boolean);

  // The numbers of a value: {data, grad}. A neuron has those in its circle.
  function get(name) {
    const { from: { live, facts }, i } = locate(name), { group } = facts[i];
    if (!live) throw new Error("this page replays its numbers; pages that step through few Values, or through Arrays with few elements, compute them");
    if (group !== undefined) return { data: live.group("m", group), grad: live.group("t", group) };
    if (i > live.graph.root) throw new Error(`${name} is a box of several values; names() lists those inside that can change`);
    const nest = live.elements?.nest ?? ((_, x) => x); // arrays are nested lists
    return { data: nest(i, live.graph.data[i]), grad: nest(i, live.grad(i)) };
  }

  // Changes the number of a leaf, or the numbers of an array, given as nested lists.
  function set(name, number) {
    const { from: { changes, live }, i } = locate(name), places = live?.elements?.placesOf(i) ?? [i], numbers = [number].flat(Infinity);
    if (!places.length || !places.every((k) => changes?.isFree(k))) throw new Error(`${name} cannot be changed: it is not a leaf, or it is a constant`);
    if (numbers.length !== places.length || !numbers.every((x) => typeof x === "number")) {
      throw new TypeError(`expected ${places.length > 1 ? `${places.length} numbers` : "a number"}, got ${number}`);
    }
    changes.set(places.map((k, n) => [k, numbers[n]]));
  }

  return { names, get, set };
}
