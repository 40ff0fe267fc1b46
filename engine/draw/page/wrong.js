// Describes an incorrect backward pass, what it loses, and which gradients end wrong: its first and
// last frame, and notes and marks for the others. engine/draw/steps/wrong_frames.py writes the same
// texts for saved pictures and for large Arrays; tests/test_live.py compares them.

const MOST_CAUSES = 3; // causes that the last frame explains
const MOST_NAMES = 3; // names in a list

// Describes a pass: `right` and `wrong` are results of runPass, `variant` is {accumulates, reason}.
// Returns the title and the note of the last frame, the marks of the first, and for each
// contribution {note, marks, alarm}. `write` formats a number.
function describeMistake(graph, right, wrong, variant, write, writeApart) {
  const { nodes, isShared, root } = graph, { accumulates, reason } = variant;
  const uses = nodes.map(() => 0), nearlyEqual = (x, y) => areEqual(x, y, graph.rounding ?? 1e-12);
  graph.inputsOf.forEach((inputs) => inputs.forEach((x) => { uses[x] += 1; }));
  const due = settle(graph, right), sent = settle(graph, wrong), final = nodes.map((_, i) => graph.zero?.(i) ?? 0);
  final[root] = graph.one ?? 1;
  wrong.sent.forEach(({ to, after }) => { if (!isShared[to]) final[to] = after; });
  const order = [...due.keys()].sort((a, b) => a - b), wrongAtEnd = order.filter((i) => !nearlyEqual(final[i], due.get(i)));
  const causes = findCauses(), early = new Map(accumulates ? causes.map((cause) => [cause.node, cause]) : []);
  const started = new Set(), arrived = nodes.map(() => 0);
  const name = (i) => nodes[i].name;
  let made = false; // the first mistake

  return {
    marks: Object.fromEntries(order.map((i) => [`v${i}`, ["due", `true ${write(due.get(i))}`]])),
    seed: { [`v${root}`]: ["right", "✓ correct"] },
    steps: wrong.sent.map(describeStep),
    luck: describeLuck(),
    ...finish(),
  };

  // Returns a sentence that says that no gradient ends wrong; "" if one does.
  function describeLuck() {
    if (wrongAtEnd.length || order.some((i) => !nearlyEqual(sent.get(i), due.get(i)))) return "";
    if (Math.max(0, ...uses) < 2) return "In this graph nothing goes wrong, because no value is used twice.";
    if (accumulates && !causes.length) return "In this graph nothing goes wrong: by luck, each value is reached after all contributions to it.";
    return "In this graph nothing goes wrong: all gradients end correct.";
  }

  function describeStep(contribution) {
    const { node, to } = contribution, notes = [], marks = {};
    if (!started.has(node)) {
      started.add(node);
      notes.push(describeSender(node, arrived[node]));
      if (notes[0][1] && arrived[node] < uses[node]) Object.assign(marks, markEarly(node));
    }
    arrived[to] += 1;
    notes.push(describeReceiver(contribution, arrived[to], started.has(to)));
    if (arrived[to] === uses[to]) Object.assign(marks, markComplete(to));
    const texts = notes.map(([text, alarm]) => {
      const first = alarm && !made;
      made ||= alarm;
      return first ? `${text} This is the first mistake.` : text;
    });
    return { note: texts.filter(Boolean).join(" "), marks, alarm: notes.some(([, alarm]) => alarm) };
  }

  // ------------------------------------------------------------------------------------- notes

  // Returns a note about a node that begins to propagate, and whether it is a mistake.
  function describeSender(i, count) {
    const isEarly = count < uses[i];
    if (isShared[i]) {
      if (!isEarly) return ["", false];
      return [`${name(i)} sends too early, with the gradients of ${count} of its ${uses[i]} results.`, early.get(i).wrong.length > 0];
    }
    const [own, goal] = [sent.get(i), due.get(i)];
    if (nearlyEqual(own, goal)) {
      if (!isEarly) return ["", false];
      return [`${name(i)} sends too early, with ${count} of ${uses[i]} contributions. The others add up to 0, so this changes nothing.`, false];
    }
    const numbers = writeApart(own, goal).join(" instead of ");
    if (isEarly) return [`${name(i)} sends too early, with ${count} of ${uses[i]} contributions: ${numbers}.`, true];
    return [`${name(i)} sends ${numbers}${listReasons(i)}.`, true];
  }

  // Returns a note about a node that receives a contribution, and whether it is a mistake.
  function describeReceiver({ to, sent: amount, before, after }, count, isLate) {
    const complete = count === uses[to];
    if (isShared[to]) return isLate ? [`Too late: ${name(to)} has already sent.`, true] : ["", false];
    const goal = due.get(to), isRight = nearlyEqual(final[to], goal), [last, wanted] = writeApart(final[to], goal), notes = [];
    let alarm = false;
    if (isLate) {
      const [own, now] = writeApart(sent.get(to), goal);
      notes.push(`${write(amount)} arrives too late: ${name(to)} has already sent ${own}, and does not send again.`);
      if (complete) {
        notes.push(isRight ? `Its own gradient is now complete: ${now}.` : `Its own gradient is complete, but ${last} instead of ${wanted}${listReasons(to)}.`);
        alarm = !isRight;
      }
    }
    if (count > 1 && !accumulates) {
      const old = write(before), text = write(after);
      notes.push(measureSize(before) === 0 ? `0 is replaced by ${text}: nothing is lost.` : `${old} is replaced by ${old === text ? "another " : ""}${text}, not added to it.`);
      alarm = measureSize(before) !== 0 && !isRight;
    }
    const ends = complete && graph.inputsOf[to].every((x) => nodes[x].constant);
    if (ends && !isRight && !isLate) {
      notes.push(`${name(to)} ends with ${last} instead of ${wanted}${listReasons(to)}.`);
      alarm = true;
    }
    return [notes.join(" "), alarm];
  }

  // Returns ", because of b" with the nodes that have caused a wrong gradient so far.
  function listReasons(i) {
    const causing = causes.filter(({ node, effects }) => (started.has(node) || !accumulates) && !isRoundingError(effects[i] ?? 0, due.get(i))).map(({ node }) => node);
    const names = shortenList(causing.filter((node) => node !== i).map(name), "others");
    return names.length ? `, ${causing.includes(i) ? "also " : ""}because of ${joinNames(names)}` : "";
  }

  // Returns the title and the note of the last frame, which names the wrong gradients and their causes.
  function finish() {
    const ends = wrongAtEnd, total = due.size;
    let title = `${ends.length} of ${total.toLocaleString("en-US")} gradient${total === 1 ? "" : "s"} ${ends.length === 1 ? "ends" : "end"} wrong`;
    if (ends.length && ends.length <= MOST_NAMES) title += `: ${joinNames([...ends].reverse().map(name))}`;
    if (!ends.length) title = "All gradients end correct, this time";
    let why = reason;
    if (accumulates && !causes.length) why = `By luck, each value was reached after all contributions to it. ${reason}`;
    if (Math.max(0, ...uses) < 2) why = "No value is used twice here: nothing can arrive late or be overwritten.";
    const active = causes.filter((cause) => cause.wrong.length);
    let lines = active.slice(0, MOST_CAUSES).map(accumulates ? describeLate : describeLost);
    const rest = active.length - lines.length;
    if (rest) lines.push(`${rest} more ${accumulates ? "sent too early" : "lost a part"}.`);
    if (ends.length && !accumulates) lines = [lines.join(" "), `Because of this, ${listWrong(ends)}.`];
    return { title, note: [...lines, why].join("\n") };
  }

  function describeLate({ node, arrived: count, uses: all, missing, wrong: ends }) {
    const effect = listWrong(ends);
    if (isShared[node]) return `${name(node)} sent too early, with the gradients of ${count} of its ${all} results, so ${effect}.`;
    const own = nearlyEqual(final[node], due.get(node)) ? ` ${name(node)} itself ends correct.` : "";
    return `${name(node)} sent too early, with ${count} of ${all} contributions: it sent ${write(sent.get(node))}, and ${listNumbers(missing)} arrived late, so ${effect}.${own}`;
  }

  function describeLost({ node, missing }) {
    return `${name(node)} lost ${listNumbers(missing)} and kept ${write(final[node])}.`;
  }

  // Returns "a ends with 3 instead of 6", for the first few nodes that propagate.
  function listWrong(ends) {
    const texts = [...ends].reverse().map((i, n) => `${name(i)} ${n ? "" : "ends "}with ${writeApart(final[i], due.get(i)).join(" instead of ")}`);
    return joinNames(shortenList(texts, "others end wrong"));
  }

  // Returns "1, 2 and 3"; of only zeros, "0".
  function listNumbers(numbers) {
    const texts = numbers.filter((x) => measureSize(x) !== 0).map(write);
    return joinNames(shortenList(texts.length ? texts : ["0"], "others"));
  }

  // ------------------------------------------------------------------------------------- marks

  function markEarly(i) {
    return isShared[i] ? {} : { [`v${i}`]: ["early", `sent ${write(sent.get(i))} early`] };
  }

  // Returns the mark of a gradient to which nothing more will be added.
  function markComplete(i) {
    if (isShared[i]) return {};
    const [own, last, goal] = [sent.get(i), final[i], due.get(i)];
    let mark = ["wrong", write(last) === write(goal) ? `✗ by ${write(subtract(last, goal))}` : `✗ true ${write(goal)}`];
    if (nearlyEqual(last, goal)) {
      mark = ["right", "✓ correct"];
      if (early.has(i) && !nearlyEqual(own, goal)) mark = ["early", `✓ ${write(own) === write(goal) ? "sent early" : `but sent ${write(own)}`}`];
    }
    return { [`v${i}`]: mark };
  }

  // ------------------------------------------------------------------------------------- causes

  // Returns the nodes that do not propagate all of their gradient, in the order in which they
  // propagate. A pass is linear in what it propagates, so each node below lacks the missing part's
  // own backward pass.
  function findCauses() {
    const counts = nodes.map(() => 0);
    wrong.sent.forEach(({ to }) => { counts[to] += 1; });
    return [...listMissing()].map(([node, missing]) => {
      const effects = graph.spread({ [node]: missing.reduce((sum, x) => addParts(sum, x)) });
      if (accumulates) delete effects[node]; // the rest arrives in the end
      const isAffected = (i) => i in effects && !isRoundingError(effects[i], due.get(i), final[i]);
      return { node, arrived: counts[node] - missing.length, uses: counts[node], missing, effects, wrong: wrongAtEnd.filter(isAffected) };
    });
  }

  // Returns the contributions that the pass does not propagate, by the nodes that receive them.
  function listMissing() {
    const senders = [...new Set(wrong.sent.map(({ node }) => node))], begun = new Set();
    const late = new Map(senders.map((node) => [node, []])), lost = new Map();
    for (const { node, to, sent: amount } of wrong.sent) {
      begun.add(node);
      if (begun.has(to)) late.get(to).push(amount);
      lost.set(to, [...(lost.get(to) ?? []), amount]);
    }
    if (accumulates) return [...late].filter(([, missing]) => missing.length);
    const ordered = [...senders, ...[...lost.keys()].filter((node) => !senders.includes(node))];
    return ordered.filter((node) => (lost.get(node)?.length ?? 0) > 1 && !isShared[node]).map((node) => [node, lost.get(node).slice(0, -1)]);
  }
}

// Returns the gradient that each node propagates, or ends with if it propagates none.
function settle({ isShared, root, one = 1 }, { sent }) {
  const grads = new Map([[root, one]]), senders = new Set();
  for (const { node, to, upstream, after } of sent) {
    if (!senders.has(node) && !isShared[node]) {
      senders.add(node);
      grads.set(node, upstream);
    }
    if (!senders.has(to) && !isShared[to]) grads.set(to, after);
  }
  return grads;
}

// Returns whether two gradients are equal up to rounding, which depends on the order of sums.
function areEqual(x, y, rounding) {
  if (Array.isArray(x)) return areNearlyEqual(x, y, rounding);
  return x === y || (x !== x && y !== y) || Math.abs(x - y) <= rounding * Math.max(Math.abs(x), Math.abs(y));
}

const shortenList = (texts, rest) => (texts.length <= MOST_NAMES ? texts : [...texts.slice(0, MOST_NAMES - 1), `${texts.length - MOST_NAMES + 1} ${rest}`]);

// Joins names as a sentence does: "a, b and c".
const joinNames = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0] ?? "");

// The size of a gradient: of an array its norm; nan if one of its numbers is nan.
const measureSize = (x) => (!Array.isArray(x) ? Math.abs(x) : x.some((a) => a !== a) ? NaN : Math.hypot(...x));

// Returns whether a part of gradients is as small as their rounding errors; inf and nan are not.
function isRoundingError(part, ...gradients) {
  const size = measureSize(part), sizes = gradients.map(measureSize).filter((x) => !Number.isNaN(x));
  return Number.isFinite(size) && size <= 1e-12 * Math.max(0, ...sizes);
}

const subtract = (x, y) => (Array.isArray(x) ? x.map((a, i) => a - y[i]) : x - y);

// Returns whether two arrays are equal up to rounding, relative to their largest number.
function areNearlyEqual(xs, ys, rounding) {
  const scale = [...xs, ...ys].reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
  return xs.every((x, i) => x === ys[i] || (x !== x && ys[i] !== ys[i]) || Math.abs(x - ys[i]) <= rounding * scale);
}
