// A quiz: the next number of the correct pass is blank, and asked for. In the forward pass it is the
// result; in the backward pass the local derivative, the product, and the sum where a value is used
// again. `page` is the interface of stepper.js. Each view has its own game.

const MOST_DRAWS = 400; // of new numbers
const LARGEST_RESULT = 1000; // of the new numbers' results
const PLAIN_CALLS = /^(power|abs|floor|copysign|max|min|maximum|minimum|where)$/; // functions of whole numbers

function createQuiz(page) {
  const { root, find, rows } = page, form = find(".quiz"), input = find(".quiz input"), verdict = find(".verdict");
  const [go, hintButton, drawButton] = ["go", "hint", "draw"].map((name) => find(`[data-quiz=${name}]`));
  const intro = `Predict each number before it is shown.${matchMedia("(pointer: coarse)").matches ? "" : " Press Enter to answer and to continue, and ? for a hint."}`;
  const frames = () => page.view().runs[0].frames, game = () => page.view().game;
  const canAsk = () => Boolean(page.view().editor?.canChange && page.view().live.graph.root && !page.view().live.hasBoxes && !page.view().live.elements);
  const next = () => game()?.questions[game().count];

  // -------------------------------------------------------------------------------- the questions

  // Returns the questions of a view: the number's step, its kind, and the key of its place.
  function listQuestions({ live, runs }) {
    const received = new Set();
    const keysOf = (numbers = {}) => Object.entries(numbers).flatMap(([id, text]) => [...text.matchAll(PLACE)].map(([, , key]) => [id, key]));
    return runs[0].frames.flatMap(({ kind, template }, n) => {
      if (kind === "forward") return keysOf(template.data).map(([id, key]) => ({ n, kind: "result", id, key, i: Number(key.slice(1)) }));
      if (kind !== "backward") return [];
      return keysOf(template.grad).flatMap(([id, key]) => {
        const j = Number(key.slice(1)), { node: i, k, to, local } = live.contribution(j), adds = received.has(to);
        received.add(to);
        return [
          ...(local === undefined ? [] : [{ kind: "factor", key: `p${i}.${k}` }]),
          { kind: "product", key: `s${j}`, isLast: !adds },
          ...(adds ? [{ kind: "sum", key, isLast: true }] : []),
        ].map((question) => ({ ...question, n, id, i, k, j, to }));
      });
    });
  }

  function numberOf({ kind, i, j }) {
    const { live } = page.view();
    return kind === "result" ? live.graph.data[i] : live.contribution(j)[{ factor: "local", product: "sent", sum: "after" }[kind]];
  }

  // Returns the numbers and names that a question is about. `look` maps numbers, for example to those shown.
  function describeQuestion({ i, k, j, to }, look = (x) => x) {
    const { live, facts } = page.view(), { graph } = live, { of, index } = graph.nodes[i];
    const op = of ?? i, inputs = graph.inputsOf[op], row = rows[graph.nodes[op].row];
    const sent = j === undefined ? {} : live.contribution(j), isShared = graph.isShared[op];
    const xs = inputs.map((x) => look(graph.data[x])), { upstream, local, before, after } = sent;
    return {
      row, xs, index: index ?? 0, kind: facts[i].kind, k, isShared,
      out: isShared ? graph.data[op][index ?? 0] : look(graph.data[i]),
      upstream: look(upstream), local: look(local), sent: look(sent.sent), before: look(before), after: look(after),
      name: nameOf(i), names: inputs.map((x, n) => (graph.nodes[x].constant ? nameOf(x) : facts[i].uses?.[n] ?? nameOf(x))),
      to: to === undefined ? "" : nameOf(to), forms: findRule(i, k)?.[2] ?? "",
      locals: isShared || !row.slopes ? [] : graph.partials(i),
    };
  }

  // Returns the name of a value as in formulas; of a constant without a name, its number.
  function nameOf(i) {
    const { live, facts } = page.view(), { nodes, inputsOf, data } = live.graph, { name } = facts[i];
    if (!name) return facts.flatMap(({ shared }, x) => (shared === i ? [nameOf(x)] : [])).join(", ");
    if (nodes[i].constant && readAnswer(name) !== undefined) return live.write(data[i]);
    const user = facts.findIndex(({ uses }, x) => uses && nodes[x].of === undefined && inputsOf[x].filter((y) => y === i).length === 1);
    return user < 0 ? name : facts[user].uses[inputsOf[user].indexOf(i)]; // without the path in a model
  }

  // Returns the line of a local derivative in the facts of a value.
  function findRule(i, k) {
    const { live, facts } = page.view(), { nodes, inputsOf } = live.graph;
    return facts[i].lines[1 + inputsOf[i].slice(0, k).filter((x) => !nodes[x].constant).length];
  }

  // Returns the numbers that are right: the exact one, and the one computed from the numbers shown.
  function listRight(question) {
    const { live } = page.view(), look = (x) => (typeof x === "number" ? readShown(live.write(x)) : x);
    const { row, xs, out, index, k, upstream, local, before, sent, isShared } = describeQuestion(question, look);
    const fromShown = {
      result: () => [row.forward(xs)[index]],
      factor: () => [out, row.forward(xs)[0]].map((z) => row.slopes([z], xs)[k]),
      product: () => (isShared ? [] : [upstream * local]),
      sum: () => [before + sent],
    }[question.kind]();
    return [numberOf(question), ...fromShown];
  }

  function explain(question, text) {
    const list = { result: listMistakesOfResult, factor: listMistakesOfFactor, product: listMistakesOfProduct, sum: listMistakesOfSum }[question.kind];
    const { questions, count } = game(), before = questions[count - 1];
    const mistakes = list(describeQuestion(question));
    if (before) mistakes.push([numberOf(before), "This is the answer to the previous question."]);
    return explainAnswer(text, numberOf(question), mistakes, page.view().live.spec);
  }

  // ----------------------------------------------------------------------------------- the texts

  function writePrompt({ kind, i, k, j, to }) {
    const { name, names, before } = describeQuestion({ i, k, j, to });
    if (kind === "result") return `What is ${name}?`;
    if (kind === "factor") return `What is the local derivative of ${name} with respect to ${names[k]}?`;
    if (kind === "product") return `What ${name.includes(", ") ? "do" : "does"} ${name} send to ${names[k]}?`;
    return `${nameOf(to)} had the gradient ${page.view().live.write(before)}; what is it now?`;
  }

  // Returns the left side of the line that is asked for.
  function writeLeft({ n, kind, i, k }) {
    if (kind === "result") return `${page.view().facts[i].math}<mo>=</mo>`;
    if (kind === "factor") return `${findRule(i, k)?.[0] ?? ""}<mo>=</mo>`;
    return `${frames()[n].lines[0][0]}<mo>${kind === "sum" ? "=" : "+="}</mo>`;
  }

  // Returns the formulas that are shown while a question is asked, with those of its hints. Places of
  // numbers that are still asked for are blank.
  function listLines(question, hints) {
    const { n, kind, i, k, j } = question, { lines } = frames()[n], rule = kind !== "result" && findRule(i, k);
    if (kind === "result") return lines.length === 2 ? lines.slice(0, 1 + (hints > 0)) : lines;
    const factor = game().questions.some((other) => other.n === n && other.kind === "factor") ? [rule] : [];
    if (kind === "factor") {
      const asked = isConstant(rule, i) ? [] : [rule.slice(0, 3), [rule[0], rule[1], `${fillNames(rule[2], i)}<mo>=</mo><mn>?</mn>`]];
      return [...page.view().facts[i].lines.slice(0, 1), ...asked].slice(hints > 1 ? 1 : 0, hints + 1);
    }
    if (kind === "product") return hints < 2 ? [...factor, ...lines.slice(0, hints)] : lines.slice(0, 2);
    const words = "<mtext>the gradient so far</mtext><mo>+</mo><mtext>the product</mtext>";
    const sums = [words, `\ufdd0b${j}\ufdd1\ufdd0+s${j}\ufdd1<mo>=</mo>\ufdd0a${j}\ufdd1`].map((side) => [lines[0][0], "<mo>=</mo>", side]);
    return [...lines.slice(1, 2), ...sums.slice(hints - 1, hints)];
  }

  // Returns the formulas after an answer.
  function listAnswered(question) {
    const { lines } = frames()[question.n];
    if (question.kind === "result" || question.isLast) return lines;
    return question.kind === "factor" ? [findRule(question.i, question.k)] : [...listLines(question, 0), lines[1]];
  }

  // Returns whether a local derivative is the same for all inputs.
  const isConstant = (rule, i) => !/\ufdd0/.test(fillNames(rule[2], i));

  // Replaces the names of a value and its inputs by the places of their numbers.
  function fillNames(formula, i) {
    const { live, facts } = page.view(), values = [...live.graph.inputsOf[i], i];
    const place = new Map(values.filter((x) => live.isWritten(x)).map((x) => [facts[x].math, x]));
    const escaped = [...place.keys()].filter(Boolean).sort((a, b) => b.length - a.length).map((math) => math.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    if (!escaped.length) return formula;
    const isEnclosed = (text, math, at) => text === math || text.slice(0, at).endsWith("<mo>(</mo>") && text.slice(at + math.length).startsWith("<mo>)</mo>");
    return formula.replace(new RegExp(`(${escaped.join("|")})(?!<mo>&#8289;)`, "g"), (math, _, at, text) => `\ufdd0${isEnclosed(text, math, at) ? "" : "("}d${place.get(math)}\ufdd1`);
  }

  function writeHint(question, hints) {
    const { kind } = question, { live } = page.view(), { upstream, local, before, sent, isShared } = describeQuestion(question);
    const write = (x) => live.write(x);
    if (hints > countHints(question) - 1) return `It is ${write(numberOf(question))}.`;
    if (kind === "factor" && countHints(question) === 2) return `By how much does ${nameOf(question.i)} change if ${nameOf(question.to)} alone grows by 1?`;
    if (kind === "factor") return hints === 1 ? "This is the formula." : "This is the formula with its numbers.";
    if (kind === "result") return "This is the formula with its numbers.";
    if (hints === 1) return kind === "sum" ? "The gradients of all uses are added up." : "The chain rule: upstream gradient times local derivative.";
    return kind === "sum" ? `Add ${write(before)} and ${write(sent)}.` : isShared ? "This is the chain rule with its numbers." : `Multiply ${write(upstream)} by ${write(local)}.`;
  }

  // Returns how many hints a question has; the last one is the number.
  function countHints({ kind, n, i, k }) {
    if (kind === "factor" && isConstant(findRule(i, k), i)) return 2;
    return kind !== "result" ? 3 : frames()[n].lines.length === 2 ? 2 : 1;
  }

  // ------------------------------------------------------------------------------------ the game

  function start(n) {
    const view = page.view(), questions = listQuestions(view), last = frames().length - 1;
    const from = n >= last ? 0 : n, skipped = questions.filter((question) => question.n < from).length;
    view.game = { questions, skipped, count: skipped, shown: null, n: -1, first: 0, later: 0, told: 0, begin: Date.now() };
    return from;
  }

  // Switches the quiz on, from the step that is shown, or off.
  function toggle(on = !game()) {
    if (on && !canAsk()) return;
    if (!on) page.view().game = null;
    const to = on ? start(page.at()) : page.at();
    page.openRun(0, to);
    updateButton();
    if (on && (window === window.parent || document.hasFocus())) focus();
  }

  function answer() {
    const { shown, hints, tries } = game(), text = input.value, { live } = page.view();
    if (!text.trim()) return say("Type a number.");
    if (!isAnswer(text, listRight(shown), live.spec)) {
      if (readAnswer(text) !== undefined) game().tries += 1;
      say(explain(shown, text), "wrong");
      input.select();
      return;
    }
    finish(hints || tries ? "later" : "first");
    say("Right.", "right");
  }

  function hint() {
    const { shown } = game();
    if (!shown || isAnswered()) return;
    game().hints += 1;
    const isNumber = game().hints === countHints(shown), text = writeHint(shown, game().hints);
    if (isNumber) finish("told");
    else page.again();
    say(text, isNumber ? "told" : "");
    input.focus();
  }

  // Ends the question that is shown.
  function finish(outcome) {
    const g = game();
    g[outcome] += 1;
    g.count += 1;
    if (!next()) g.end = Date.now();
    page.again();
  }

  const isAnswered = () => game().shown !== next();

  function goOn() {
    const g = game(), n = page.at();
    if (next()?.n === n) {
      ask(next());
      page.again();
    } else page.show(n + 1);
    focus();
  }

  function ask(question) {
    Object.assign(game(), { shown: question, hints: 0, tries: 0 });
    input.value = "";
    say("");
  }

  function say(text, kind = "") {
    verdict.textContent = text;
    verdict.dataset.kind = kind;
    input.setAttribute("aria-invalid", kind === "wrong");
  }

  // Shows step n. Returns whether it has a question, which is then shown in place of the step.
  function show(n) {
    const g = game(), { length } = frames();
    form.hidden = !g;
    if (!g) return false;
    root.dataset.quiz = next() ? "asks" : "done";
    if (g.n !== n) {
      g.n = n;
      ask(next()?.n === n ? next() : null);
    }
    const { shown } = g, isDone = n === length - 1, frame = frames()[n], answered = shown && isAnswered();
    find(".entry").classList.toggle("bare", !shown);
    input.readOnly = Boolean(answered);
    hintButton.hidden = !shown || answered;
    go.textContent = isDone ? "Again" : shown && !answered ? "Answer" : "Continue";
    drawButton.hidden = Boolean(shown);
    const title = shown ? writePrompt(shown) : frame.title, note = isDone ? `${[...listScores(), `in ${writeTime()}`].join(", ")}.` : n ? "" : intro;
    updateScore();
    page.describe(frame.kind, title, !shown ? frame.lines : answered ? listAnswered(shown) : listLines(shown, g.hints), note, frame.where);
    find(".formula").scrollTop = find(".formula").scrollHeight;
    if (!g.hints && !g.tries && !answered) find(".live").textContent = [title, note].filter(Boolean).join(". ");
    if (!shown) return true;
    if (answered) input.value = page.view().live.write(numberOf(shown));
    input.setAttribute("aria-label", title);
    find(".asked").innerHTML = page.math([writeLeft(shown)]);
    return true;
  }

  // Hides the numbers of step n that are still asked for. `collect` returns the state at a step.
  function hide(n, collect) {
    const question = next();
    if (!game() || question?.n !== n || page.view().run) return collect(n);
    const { questions, count } = game(), state = collect(n - 1), answered = questions.slice(0, count).filter((other) => other.n === n);
    for (const { kind, id } of answered) if (kind === "result") state.data[id] = collect(n).data[id];
    if (question.kind === "result") state.data[question.id] = "?";
    else if (question.isLast) state.grad[question.id] = "?";
    return state;
  }

  // Returns a function that finds numbers by their keys, of which those still asked for are blank.
  function blank(findNumber) {
    const g = game();
    if (!g || page.view().run) return findNumber;
    const hidden = new Set(g.questions.slice(g.count).map(({ key }) => key));
    return (key) => (hidden.has(key) ? "?" : findNumber(key));
  }

  // Returns the last step that can be shown.
  const last = () => (game() && !page.view().run ? next()?.n : undefined) ?? page.frames().length - 1;

  function listScores() {
    const { first, later, told } = game();
    return [[first, "at first try"], [later, "later"], [told, "shown"]].filter(([count]) => count).map((score) => score.join(" "));
  }

  function writeTime() {
    const { begin, end = Date.now() } = game(), seconds = Math.floor((end - begin) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  function updateScore() {
    const g = game();
    if (!g) return;
    const total = g.questions.length - g.skipped, done = g.count - g.skipped;
    find(".score").textContent = [`${done} of ${total}`, ...listScores(), writeTime()].join(" · ");
    Object.assign(find(".tally progress"), { max: total || 1, value: done });
  }
  const clock = setInterval(() => {
    if (!root.isConnected) clearInterval(clock);
    else if (game() && !game().end) updateScore();
  }, 1000);

  function updateButton() {
    const button = find("[data-do=quiz]");
    button.hidden = !canAsk();
    button.setAttribute("aria-pressed", Boolean(game()));
    if (!game()) delete root.dataset.quiz;
  }

  const focus = () => (game()?.shown ? input : go).focus({ preventScroll: true });

  // -------------------------------------------------------------------------------- new numbers

  // Draws new numbers for the leaves, small ones whose results can be read, and starts again.
  function draw() {
    const { live, editor } = page.view(), { nodes, data } = live.graph, old = [...data];
    const leaves = nodes.map((_, i) => i).filter(editor.isFree);
    const calls = nodes.flatMap(({ row }) => (row === undefined ? [] : [...String(rows[row].forward).matchAll(/([a-z_]\w*)\(/gi)].map(([, name]) => name)));
    const isPlain = calls.every((name) => PLAIN_CALLS.test(name)), unit = isPlain ? 1 : 0.5;
    const values = nodes.map((_, i) => i).filter((i) => !live.graph.isShared[i]);
    const isShort = (x) => live.write(x).length <= 5 && Math.abs(readShown(live.write(x)) - x) < 1e-9;
    let best = null;
    for (let tries = 0; tries < MOST_DRAWS && !best; tries++) {
      for (const i of leaves) {
        const size = unit * (1 + Math.floor(4 * Math.random()));
        data[i] = tries < MOST_DRAWS / 2 && Math.random() < 0.5 ? -size : size; // the other half is for log and sqrt
      }
      live.update(false);
      const numbers = values.flatMap((i) => [live.graph.data[i], live.grad(i)]);
      const isReadable = numbers.every((x) => Math.abs(x) <= LARGEST_RESULT) && (tries > MOST_DRAWS / 4 || !isPlain || numbers.every(isShort));
      const isNew = leaves.some((i) => data[i] !== old[i]), works = tries > 20 || leaves.every((i) => live.grad(i));
      if (isReadable && isNew && works) best = leaves.map((i) => [i, data[i]]);
    }
    for (const i of leaves) data[i] = old[i];
    live.update();
    if (best) editor.set(best);
    restart();
    if (!best) say("No new numbers with readable results were found.");
  }

  function restart() {
    page.openRun(0, start(0));
    focus();
  }

  // -------------------------------------------------------------------------------- the controls

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (game().shown && !isAnswered()) answer();
    else if (page.at() === frames().length - 1) restart();
    else goOn();
  });
  hintButton.addEventListener("click", hint);
  drawButton.addEventListener("click", draw);
  input.addEventListener("keydown", (event) => {
    const { key } = event;
    if (!input.readOnly || !key.startsWith("Arrow")) event.stopPropagation(); // the keys belong to the text
    if (key === "Escape") page.leave();
    if (key !== "?") return;
    event.preventDefault();
    hint();
  });

  // Returns whether a key outside the form is for the quiz: a number that is typed, or Enter.
  function takeKey(event) {
    const { key, target } = event;
    if (!game() || event.ctrlKey || event.metaKey || event.altKey || target.closest("button, input, select, summary, [role=button]")) return false;
    const asks = game().shown && !isAnswered();
    if (key === "Enter") {
      event.preventDefault();
      if (asks) focus();
      else form.requestSubmit();
    } else if (asks && /^[-−+.\d]$/.test(key)) focus();
    else return false;
    return true;
  }

  return { toggle, show, hide, blank, last, takeKey, updateButton, isOn: () => Boolean(game()) };
}
