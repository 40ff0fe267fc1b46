// Changes of the numbers of a graph's leaves: which ones can be changed, undo and redo, and their text
// in the address.

// `refresh` computes and shows all numbers anew.
function createChanges(live, facts, refresh) {
  const { nodes, data } = live.graph, start = [...data];
  const canChange = live.graph.canChange && !live.isLinked; // a part cannot without the view that it is linked to
  const unlocked = new Set(); // constants that can be changed
  let undone = [], done = []; // of each gesture {gesture, changes: [[place, before, after], ...]}

  const isLeaf = (i) => nodes[i] && !nodes[i].inputs && nodes[i].of === undefined;
  const isLocked = (i) => isLeaf(i) && Boolean(nodes[i].constant) && !unlocked.has(i);
  const canUnlock = (i) => canChange && isLocked(i) && live.isWritten(i);
  const isFree = (i) => canChange && isLeaf(i) && !isLocked(i);
  const isChanged = (i) => isLeaf(i) && !Object.is(data[i], start[i]);
  const listChanged = () => nodes.map((_, i) => i).filter(isChanged);

  // Sets numbers, given as [place, number]. Changes of one gesture are undone together.
  function set(pairs, { gesture = {} } = {}) {
    const changes = pairs.filter(([i, x]) => !Object.is(data[i], x)).map(([i, x]) => [i, data[i], x]);
    if (!changes.length) return;
    if (done.at(-1)?.gesture === gesture) {
      const last = new Map(done.at(-1).changes.map((change) => [change[0], change]));
      for (const change of changes) {
        if (last.has(change[0])) last.get(change[0])[2] = change[2];
        else done.at(-1).changes.push(change);
      }
    } else done.push({ gesture, changes });
    undone = [];
    write(changes.map(([i, , x]) => [i, x]));
  }

  function write(pairs) {
    for (const [i, x] of pairs) data[i] = x;
    refresh();
  }

  function undo() {
    const last = done.pop();
    if (!last) return;
    undone.push(last);
    write(last.changes.map(([i, before]) => [i, before]));
  }

  function redo() {
    const next = undone.pop();
    if (!next) return;
    done.push(next);
    write(next.changes.map(([i, , after]) => [i, after]));
  }

  const reset = () => set(listChanged().map((i) => [i, start[i]]));

  const nudge = (i, steps) => { if (isFree(i)) set([[i, moveNumber(data[i], steps)]], { gesture: i }); };

  const names = facts.map(({ name }) => name);
  const writeChanges = () => listChanged().map((i) => `${names[i].replace(/[%:;]/g, encodeURIComponent)}:${writeNumber(data[i])}`).join(";");

  // Sets the numbers of an address; other leaves have their first numbers.
  function readChanges(text) {
    const pairs = text.split(";").filter(Boolean).map((part) => part.split(":"))
      .map(([name, number]) => [names.indexOf(decodeURIComponent(name)), readNumber(number ?? "")])
      .filter(([i, x]) => canChange && isLeaf(i) && x !== undefined && (!isLocked(i) || canUnlock(i)));
    pairs.forEach(([i]) => nodes[i].constant && unlocked.add(i));
    const given = new Map(pairs), all = listChanged().filter((i) => !given.has(i)).map((i) => [i, start[i]]);
    set([...given, ...all]);
  }

  return {
    set, undo, redo, reset, nudge, isLeaf, isFree, isChanged, listChanged, canUnlock, writeChanges, readChanges, canChange,
    first: (i) => start[i], unlock: (i) => unlocked.add(i), canUndo: () => done.length > 0, canRedo: () => undone.length > 0,
  };
}

// The changes of a view whose leaves are linked to those of another one: `linked(i)` is the place of
// leaf i there. Other leaves cannot change.
function linkChanges(changes, linked) {
  const at = (name) => (i) => linked(i) !== undefined && changes[name](linked(i));
  const names = ["isLeaf", "isFree", "isChanged", "canUnlock", "unlock", "first"], own = Object.fromEntries(names.map((name) => [name, at(name)]));
  return {
    ...changes, ...own,
    set: (pairs, options) => changes.set(pairs.map(([i, x]) => [linked(i), x]), options),
    nudge: (i, steps) => changes.nudge(linked(i), steps),
  };
}

// Returns a number some steps away; the size of a step is a tenth of the number's first digit.
function moveNumber(x, steps) {
  const size = Number.isFinite(x) ? Math.abs(x) : 1, unit = 10 ** (Math.floor(Math.log10(Math.max(size, 0.1))) - 1);
  const decimals = Math.max(0, -Math.round(Math.log10(unit)));
  return Number(((Number.isFinite(x) ? x : 0) + steps * unit).toFixed(Math.min(decimals, 100)));
}

// Reads a number as people write it; undefined if it is none.
function readNumber(text) {
  const plain = text.trim().replace("−", "-").replace(",", "."), named = { inf: Infinity, "+inf": Infinity, "∞": Infinity, "-inf": -Infinity, "-∞": -Infinity, nan: NaN };
  if (plain.toLowerCase() in named) return named[plain.toLowerCase()];
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : undefined;
}

const writeNumber = (x) => (Number.isFinite(x) ? String(x) : x !== x ? "nan" : x < 0 ? "-inf" : "inf").replace("-", "−");
