// The matrix: intermediate tasks by targets; what is shown, by which scores, which rows, in which order.

const MEASURES = {
  gain: {
    text: "gain on the languages not trained on",
    about: "Points over no intermediate task, mean over the languages that are not trained on. [Interval of 95 %]. "
      + "Then in at least how many languages it is shown to help.",
    value: (cell) => cell.gain, main: (cell) => signed(cell.gain), colour: (cell) => cell.gain, better: 1,
  },
  value: {
    text: "score on the languages not trained on",
    about: "Mean score over the languages that are not trained on; below it the gain. Colours are gains.",
    value: (cell) => cell.value, main: (cell) => number(cell.value), colour: (cell) => cell.gain, better: 1,
  },
  source_gain: {
    text: "gain in the source language",
    about: "Points over no intermediate task in the language that is trained on.",
    value: (cell) => cell.source_gain, main: (cell) => signed(cell.source_gain), colour: (cell) => cell.source_gain,
    better: 1,
  },
  gap: {
    text: "gap to the source language",
    about: "Score in the source language less the mean of the others, with its change in brackets. Blue: the gap became smaller.",
    value: (cell) => cell.gap,
    main: (cell) => number(cell.gap) + (cell.gap_before === null || cell.gap === null ? "" : ` (${signed(cell.gap - cell.gap_before)})`),
    colour: (cell) => (cell.gap_before === null || cell.gap === null ? null : cell.gap_before - cell.gap), better: -1,
  },
};

const state = { measure: "gain", view: 0, hidden: new Set(), sorted: null, down: true };
const place = (row, column) => `${row}\u0000${column}`;
const cellsOf = data.views.map((view) => new Map(view.cells.map((cell) => [place(cell.row, cell.column), cell])));
const cellOf = (row, column) => cellsOf[state.view].get(place(row, column));
const isControl = new Set(data.controls);
const compared = data.rows.filter((row) => data.columns.some((column) => {
  const cell = cellsOf[0].get(place(row, column));
  return cell && (cell.gain !== null || cell.collapsed?.length);
}));

// The row with the best value in a column, baselines and controls apart; none where no task is better than none.
function best(column, rows) {
  const measure = MEASURES[state.measure];
  let found = null;
  for (const row of rows) {
    const cell = cellOf(row, column);
    if (!cell || isControl.has(row) || cell.gain === null) continue;
    const value = measure.value(cell);
    if (value === null || value === undefined) continue;
    if (!found || measure.better * value > measure.better * found.value) found = { row, cell, value };
  }
  return found;
}

const shown = (cell) => (cell.verdict ?? "").startsWith("helps");
const star = (cell) => (shown(cell) ? "★" : "☆");

function sentence(cell, isBest) {
  const parts = [`${cell.row} → ${cell.column}`];
  if (cell.gain !== null) {
    const between = interval(cell.low, cell.high);
    parts.push(`gain ${signed(cell.gain)}${between ? ` ${between}` : ""}, score ${number(cell.value)}`);
  } else if (cell.value !== null) parts.push(`score ${number(cell.value)}, nothing to compare with`);
  if (cell.helped !== undefined && cell.helped !== null) parts.push(`helps in at least ${cell.helped} of ${cell.of} languages`);
  if (cell.verdict) parts.push(`verdict: ${cell.verdict}`);
  if (cell.collapsed?.length) parts.push(`seed ${cell.collapsed.join(", ")} collapsed and is left out`);
  if (isBest) parts.push("the best of this target");
  return parts.join("; ") + ".";
}

function helps(cell) {
  if (cell.helped !== undefined && cell.helped !== null) return `helps in ${cell.helped} of ${cell.of}`;
  return cell.gain === null ? "" : `up in ${cell.up} of ${cell.of}`;
}

function entry(cell, most, winner) {
  const measure = MEASURES[state.measure];
  const isBest = winner?.cell === cell;
  const text = measure.main(cell) || (cell.collapsed?.length ? "collapsed" : number(cell.value));
  const marks = (cell.collapsed?.length && text !== "collapsed" ? "†" : "") + (cell.unsure?.length ? "?" : "");
  const gains = state.measure === "gain" && cell.gain !== null;
  const small = [];
  if (gains) small.push(interval(cell.low, cell.high), helps(cell));
  else if (state.measure === "value" && cell.gain !== null) small.push(signed(cell.gain));
  else if (state.measure === "gain" && cell.value !== null) small.push("score, no gain");
  const say = () => { at("pointed").textContent = sentence(cell, isBest); };
  const button = make("button", {
    type: "button", "aria-label": sentence(cell, isBest), on: { click: () => open(cell), focus: say, mouseenter: say },
  }, make("span", { class: "gain" }, (isBest ? `${star(cell)} ` : "") + text + marks),
  ...small.filter(Boolean).map((line) => make("span", { class: "small" }, line)));
  return make("td", { class: isBest ? "entry best" : "entry", shade: shade(measure.colour(cell), most) }, button);
}

function rowsShown() {
  const rows = data.rows.filter((row) => !state.hidden.has(row));
  if (state.sorted === null) return [...rows.filter((row) => !compared.includes(row)), ...rows.filter((row) => compared.includes(row))];
  const measure = MEASURES[state.measure];
  const value = (row) => {
    const cell = cellOf(row, state.sorted);
    const found = cell ? measure.value(cell) : null;
    return found ?? (state.measure === "gain" && cell && !isControl.has(row) && cell.value !== null ? 0 : null);
  };
  const known = rows.map((row) => [row, value(row)]);
  known.sort(([, a], [, b]) => (a === null) - (b === null) || (state.down ? b - a : a - b));
  return known.map(([row]) => row);
}

function header(column) {
  const sorted = state.sorted === column;
  const sort = () => {
    state.down = sorted ? !state.down : true;
    state.sorted = column;
    draw();
    [...document.querySelectorAll("#matrix-table thead button")].find((button) => button.dataset.column === column)?.focus();
  };
  return make("th", { scope: "col", "aria-sort": sorted ? (state.down ? "descending" : "ascending") : "none" },
    make("button", { type: "button", "data-column": column, on: { click: sort } },
      column + (sorted ? (state.down ? " ▼" : " ▲") : "")));
}

function winners(columns, rows) {
  const found = new Map(columns.map((column) => [column, best(column, rows)]));
  const gain = state.measure === "gain";
  const cells = columns.map((column) => {
    const winner = found.get(column);
    if (!winner) return make("td", {}, "–");
    if (gain && winner.cell.gain <= 0) {
      found.set(column, null);
      return make("td", {}, "none", make("span", { class: "small" }, "no task is above it"));
    }
    const value = MEASURES[state.measure].main(winner.cell);
    const sure = gain && !shown(winner.cell) ? "not shown to help" : null;
    return make("td", {}, `${gain ? `${star(winner.cell)} ` : ""}${winner.row}`,
      make("span", { class: "small" }, value), sure && make("span", { class: "small" }, sure));
  });
  return [found, make("tr", { class: "winner" }, make("th", { scope: "row" }, "Best of the target"), ...cells)];
}

function draw() {
  const rows = rowsShown();
  const measure = MEASURES[state.measure];
  const columns = data.columns;
  const every = rows.flatMap((row) => columns.map((column) => cellOf(row, column))).filter(Boolean);
  const most = reach(every.filter((cell) => !isControl.has(cell.row)).map(measure.colour));
  const [winner, first] = winners(columns, rows);
  const body = rows.map((row) => make("tr", {}, make("th", { scope: "row" }, row),
    ...columns.map((column) => {
      const cell = cellOf(row, column);
      if (!cell) return make("td", { class: "empty" }, "–");
      return entry(cell, most, winner.get(column));
    })));
  at("matrix-table").replaceChildren(
    make("caption", {}, "Select the name of a target to sort by it."),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "intermediate task"), ...columns.map(header))),
    make("tbody", {}, first, ...body));
  at("measure-about").textContent = measure.about;
  at("legend").replaceChildren(
    make("span", {}, `−${most} `, make("span", { class: "scale", role: "img", "aria-label": `colours from −${most} over 0 to +${most} points, stronger ones have the colour of the end` }), ` +${most} points`),
    make("span", {}, "★ best of the target, and shown to help"), make("span", {}, "☆ best of the target, not shown to help"),
    make("span", {}, "† a seed collapsed and is left out"), make("span", {}, "“up in” counts languages without a test"));
}

// Published numbers of the setting of an entry beside its own; nothing where there are none.
function published(own) {
  const lines = own.flatMap((line) => line.published.map((one) => [`seed ${line.seed}`, one.metric, number(one.published),
    number(one.value), signed(one.delta), Object.entries(one.languages).map(([code, delta]) => `${code} ${signed(delta)}`).join(", "),
    `${one.paper}, ${one.table}`, one.confidence, one.source]));
  if (!lines.length) return [];
  return [make("h3", {}, "Beside published numbers"),
    make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Published numbers of the entry" },
      table(make("table"), "The publication has the same encoder, recipe, task and rows. Means over all languages, the source language among them.",
        ["run", "metric", "published", "here", "difference", "difference by language", "where", "how sure the number is", "read at"], lines))];
}

// The entry that was opened: its languages, its trainings, and the command lines of its cells.
function open(cell) {
  at("entry-title").textContent = `${cell.row} → ${cell.column}`;
  const lines = ordered(Object.keys(cell.languages), "size").map((language) => {
    const line = cell.languages[language.code];
    const helped = (cell.named ?? []).includes(language.code) ? " ✓" : "";
    return [`${language.name === language.code ? language.code : `${language.name} (${language.code})`}${helped}`,
      language.family, language.script, language.level, number(line.baseline), number(line.value), signed(line.gain),
      interval(line.low, line.high)];
  });
  const own = data.lineage.filter((line) => line.row === cell.row && line.column === cell.column);
  const trained = own.flatMap((line) => line.trained.map((stage) => [`seed ${line.seed}`, stage.label,
    stage.steps === null ? "" : String(stage.steps), stage.seconds === null ? "" : number(stage.seconds), stage.tokens === null ? "" : String(stage.tokens),
    stage.flops === null ? "" : power(stage.flops), stage.key]));
  const facts = [sentence(cell, false)];
  if (cell.p !== undefined && cell.p !== null) facts.push(`p, corrected over the matrix: ${cell.p < 0.001 ? "< 0.001" : number(cell.p, 3)}.`);
  if (cell.smallest !== undefined && cell.smallest !== null) facts.push(`The smallest gain that four of five such experiments would show: ${number(cell.smallest)} points.`);
  if (cell.gain !== null && cell.by_items === false) facts.push("No answers item by item: intervals are over seeds alone.");
  if (cell.seeds.length) facts.push(`Seeds in the mean: ${cell.seeds.join(", ")}.`);
  for (const line of own) for (const mark of line.marks) facts.push(`Seed ${line.seed}: ${mark}.`);
  const commands = own.map((line) => make("pre", {}, line.command));
  at("entry-body").replaceChildren(
    ...facts.map((fact) => make("p", {}, fact)),
    make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Languages of the entry" },
      table(make("table"), "✓ shown to help in this language, corrected for the number of languages.",
        ["language", "family", "script", "text", "none", "after", "gain", "interval"], lines)),
    ...published(own),
    make("h3", {}, "What was trained"),
    trained.length ? make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Trainings of the entry" },
      table(make("table"), "The trainings of its own weights; those of the baseline are in the row without a task.",
        ["run", "training", "steps", "seconds", "sub-tokens", "FLOPs", "key of the stage"], trained)) : make("p", {}, "Nothing is known of its trainings."),
    make("h3", {}, "Command lines"),
    make("p", { class: "about" }, "Options that were changed beside these stand in config.json of each cell."),
    ...commands);
  at("entry").showModal();
}

at("entry-close").addEventListener("click", () => at("entry").close());
choices(at("measure"), Object.entries(MEASURES).map(([key, measure]) => [key, measure.text]), state.measure);
choices(at("view"), data.views.map((view, n) => [String(n), view.label]));
at("measure").addEventListener("change", (event) => { state.measure = event.target.value; draw(); });
at("view").addEventListener("change", (event) => { state.view = Number(event.target.value); draw(); drawLanguages(); });
at("row-boxes").replaceChildren(...data.rows.map((row) => {
  const change = (event) => {
    if (event.target.checked) state.hidden.delete(row);
    else state.hidden.add(row);
    draw();
    drawLanguages();
  };
  return make("label", {}, make("input", { type: "checkbox", checked: true, on: { change } }), ` ${row}`);
}));
