// The browser of examples: every item with its answers before and after, and what changed over all items.

const EVERY = "\u0000every";
const FILTERS = [
  ["all", "all items"],
  ["gained", "gained"],
  ["lost", "lost"],
  ["source", "right in the source language, wrong here"],
];
const LINES = 40;
let page = 0;
const right = (score) => score >= data.right;

const chosen = () => data.examples.find((one) => one.target === at("example-target").value) ?? data.examples[0];

// The lines of an item that pass the filters.
function passing(examples, row, [, lines]) {
  const code = at("example-language").value;
  const filter = at("example-filter").value;
  const source = examples.languages.indexOf(examples.source);
  const inSource = lines.find(([language]) => language === source);
  return lines.filter(([language, , , answered]) => {
    const [, , before, after] = answered[row];
    if (code !== EVERY && examples.languages[language] !== code) return false;
    if (filter === "gained") return after > before;
    if (filter === "lost") return after < before;
    if (filter === "source") return language !== source && inSource && right(inSource[3][row][3]) && !right(after);
    return true;
  });
}

function change(before, after) {
  if (after > before) return "gained";
  if (after < before) return "lost";
  return right(after) ? "right" : "wrong";
}

function said(examples, word, score) {
  const text = examples.words[word];
  return make("td", { class: "said" }, make("span", { class: right(score) ? "right" : null, dir: "auto" }, text === "" ? "(no answer)" : text),
    make("span", { class: "small" }, right(score) ? "✓ right" : "✗ wrong", score > 0 && score < 1 ? ` (${number(100 * score, 0)} %)` : ""));
}

// The texts of an item, each with its name where there are several; what is marked is the right answer in its context.
function texts(examples, parts) {
  const lines = parts.map(([name, ...pieces]) => {
    const [before, marked, after] = pieces.map((piece) => examples.words[piece]);
    return make("div", {}, parts.length > 1 ? make("span", { class: "name" }, `${examples.words[name]}: `) : null,
      make("bdi", { dir: "auto" }, before, marked === undefined ? null : make("mark", {}, marked), after === undefined ? null : after));
  });
  return make("td", { class: "said texts" }, ...lines);
}

function drawExamples() {
  const examples = chosen();
  const row = Math.max(0, examples.rows.indexOf(at("example-row").value));
  const found = examples.items.map((item) => [item[0], passing(examples, row, item)]).filter(([, lines]) => lines.length);
  const most = Math.max(1, ...found.map(([, lines]) => lines.length));
  const each = Math.max(1, Math.floor(LINES / most)); // whole items, about as many lines on every page
  const pages = Math.max(1, Math.ceil(found.length / each));
  page = Math.min(page, pages - 1);
  const asked = examples.items.some(([, lines]) => lines.some((line) => line[2].length));
  const body = found.slice(page * each, (page + 1) * each).flatMap(([id, lines]) => lines.map(([language, gold, parts, answered], n) => {
    const [before, after, scoreBefore, scoreAfter] = answered[row];
    return make("tr", { class: n ? null : "first" }, n ? null : make("th", { scope: "rowgroup", rowspan: lines.length }, id),
      make("td", {}, examples.languages[language]),
      asked ? texts(examples, parts) : null,
      make("td", { class: "said", dir: "auto" }, examples.words[gold]),
      said(examples, before, scoreBefore), said(examples, after, scoreAfter),
      make("td", { class: "change" }, change(scoreBefore, scoreAfter)));
  }));
  const titles = ["item", "language", ...(asked ? ["text"] : []), "right answer", "none", `after ${examples.rows[row]}`, "change"];
  at("example-table").replaceChildren(make("caption", {}, `${examples.target}, seed ${examples.seed}`), head(titles), make("tbody", {}, ...body));
  const cut = examples.items.length < examples.count
    ? `The page holds ${examples.items.length} of ${examples.count} items, evenly spaced; the counts below are over all of them. ` : "";
  at("example-count").textContent = `${cut}${found.length} items pass the filter.`;
  const licence = examples.licence ? `their licence: ${examples.licence}` : "their licence is not known here";
  at("example-texts").textContent = examples.missing
    || (data.synthetic ? "" : `The texts are rows of the test set (${licence}). Look at the licence before you pass the page on; --no-texts leaves them out.`);
  at("example-page").textContent = `Page ${page + 1} of ${pages}`;
  at("example-back").disabled = page === 0;
  at("example-next").disabled = page >= pages - 1;
  drawChanges(examples, examples.rows[row]);
  drawGroups(examples, examples.rows[row]);
  drawConfusion(examples, examples.rows[row]);
}

function drawChanges(examples, row) {
  const counts = examples.counts[row];
  const ranked = Object.values(counts).some((found) => found.rankc_after !== null);
  const pair = (before, after) => (after === null ? "" : `${number(before)} → ${number(after)}`);
  const lines = ordered(examples.languages, "size").map(({ code }) => {
    const found = counts[code];
    return [code, String(found.items), String(found.gained), String(found.lost), pair(found.agree_before, found.agree_after),
      ...(ranked ? [pair(found.rankc_before, found.rankc_after)] : [])];
  });
  table(at("changes-table"), `After ${row}. Agreement: percentage of items right in both this and the source language, or wrong in both.`
    + (ranked ? " RankC (Qi et al. 2023): how alike both rank the candidates, right or wrong, in percent. A sentence in another language is another candidate." : ""),
    ["language", "items", "gained", "lost", "agreement with the source language", ...(ranked ? ["RankC with the source language"] : [])], lines);
}

// Scores by groups of items, of the chosen language or of all of them together.
function drawGroups(examples, row) {
  at("groups").hidden = !examples.grouped;
  if (!examples.grouped) return;
  const code = at("example-language").value;
  const found = Object.entries(examples.grouped.rows[row]).filter(([own]) => code === EVERY || own === code).flatMap(([, lines]) => lines);
  const body = Object.entries(examples.grouped.groups).flatMap(([by, names]) => names.map((name) => {
    const own = found.filter(([grouping, group]) => grouping === by && group === name);
    const items = own.reduce((sum, line) => sum + line[2], 0);
    const score = (at) => own.reduce((sum, line) => sum + line[2] * line[at], 0) / items;
    return items ? [`${by}: ${name}`, String(items), number(score(3)), number(score(4)), signed(score(4) - score(3))] : null;
  })).filter(Boolean);
  at("groups-about").textContent = examples.grouped.about;
  table(at("groups-table"), `Scores in percent of ${code === EVERY ? "all languages together" : languageOf.get(code)?.name ?? code}; all items of a group count the same.`,
    ["group", "items", "none", `after ${row}`, "change"], body);
}

function drawConfusion(examples, row) {
  at("confusion").hidden = !examples.confusion;
  if (!examples.confusion) return;
  const lines = examples.confusion.rows[row];
  const answers = [...new Set([...examples.confusion.labels, ...lines.map((line) => line[1])])];
  const counts = new Map(lines.map(([gold, answer, before, after]) => [`${gold}\u0000${answer}`, `${before} → ${after}`]));
  table(at("confusion-table"), "Rows: the right label. Columns: the answer.", ["right label", ...answers.map((answer) => answer || "(no answer)")],
    examples.confusion.labels.map((gold) => [gold, ...answers.map((answer) => counts.get(`${gold}\u0000${answer}`) ?? "0")]));
}

// The choices that depend on the target.
function turnToTarget() {
  const examples = chosen();
  page = 0;
  choices(at("example-row"), examples.rows.map((row) => [row, row]), at("example-row").value);
  choices(at("example-language"), [[EVERY, "all languages"], ...examples.languages.map((code) => [code, languageOf.get(code)?.name ?? code])],
    at("example-language").value);
  choices(at("example-filter"), FILTERS.filter(([key]) => key !== "source" || (examples.parallel && examples.source)), at("example-filter").value);
  drawExamples();
}

if (data.examples.length) {
  choices(at("example-target"), data.examples.map((one) => [one.target, one.target]));
  at("example-target").addEventListener("change", turnToTarget);
  for (const id of ["example-row", "example-language", "example-filter"]) {
    at(id).addEventListener("change", () => { page = 0; drawExamples(); });
  }
  at("example-back").addEventListener("click", () => { page -= 1; drawExamples(); });
  at("example-next").addEventListener("click", () => { page += 1; drawExamples(); });
  turnToTarget();
} else {
  at("examples-body").replaceChildren(make("p", {}, "There are no examples. They need the files of answers of a cell and of what it is compared with, "
    + "and neither of the two may have collapsed."));
}
