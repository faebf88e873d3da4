// Language by language: a heat map for one target or the mean of all, classes of languages apart, and cost.

const ALL = "\u0000all";
const CLASS_KINDS = [
  ["level", "amount of pretraining text", "Classes by CC-100, the pretraining data of XLM-R, in a fixed table: high from 40 GiB, mid from 10, "
    + "low from 2, very low below, unseen without any. Of another encoder they are only an approximation. Synthetic languages: by their text "
    + "beside that of the source language."],
  ["joshi", "class of Joshi et al. 2020", "Classes by the data that there are of a language, labelled and not, from 5 (the most) to 1, in a "
    + "fixed table. The table does not tell class 0 from a language that the list lacks. Synthetic languages have no class."],
  ["seen", "script in pretraining", "Whether CC-100, the pretraining data of XLM-R, has text of any language in the same script. Of another "
    + "encoder it is only an approximation. Synthetic languages: whether pretraining has text of any language in their script."],
];

function languageCells(row, target) {
  const columns = target === ALL ? data.columns : [target];
  return columns.map((column) => cellOf(row, column)).filter((cell) => cell && cell.gain !== null);
}

function mean(values) {
  const found = values.filter((value) => value !== null && value !== undefined);
  return found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : null;
}

function drawLanguages() {
  const target = at("language-target").value;
  const by = at("language-order").value;
  const rows = compared.filter((row) => !state.hidden.has(row) && languageCells(row, target).length);
  const gains = new Map(rows.map((row) => {
    const found = new Map();
    for (const cell of languageCells(row, target)) {
      for (const [code, line] of Object.entries(cell.languages)) {
        if (line.gain !== null) found.set(code, [...(found.get(code) ?? []), { ...line, column: cell.column }]);
      }
    }
    return [row, found];
  }));
  const codes = [...new Set([...gains.values()].flatMap((found) => [...found.keys()]))];
  const languages = ordered(codes, by);
  const values = [...gains.values()].flatMap((found) => [...found.values()].map((lines) => mean(lines.map((line) => line.gain))));
  const most = reach(values);
  const groups = [];
  for (const language of languages) {
    if (groups.at(-1)?.name === language.group) groups.at(-1).count += 1;
    else groups.push({ name: language.group, count: 1 });
  }
  const isSource = (code) => (target === ALL ? Object.values(data.sources) : [data.sources[target]]).includes(code);
  const body = rows.map((row) => make("tr", {}, make("th", { scope: "row" }, row), ...languages.map((language) => {
    const lines = gains.get(row).get(language.code);
    if (!lines) return make("td", { class: "empty" }, "–");
    const value = mean(lines.map((line) => line.gain));
    const between = lines.length === 1 ? interval(lines[0].low, lines[0].high) : `${lines.length} targets`;
    return make("td", { class: "shade", shade: shade(value, most), title: `${row}, ${language.name}: ${signed(value)} ${between}` }, signed(value));
  })));
  at("language-table").replaceChildren(
    make("caption", {}, `Gain in points. Colours from −${most} to +${most}. ${target === ALL ? "Means over the targets that have the language." : ""}`),
    make("thead", {},
      make("tr", {}, make("td", {}), ...groups.map((group) => make("th", { scope: "colgroup", colspan: group.count }, group.name))),
      make("tr", {}, make("th", { scope: "col" }, "intermediate task"), ...languages.map((language) =>
        make("th", { scope: "col", title: language.name }, language.code + (isSource(language.code) ? " (source)" : ""))))),
    make("tbody", {}, ...body));
  drawClasses(rows, target);
}

function drawClasses(rows, target) {
  const by = at("class-kind").value;
  const lines = rows.map((row) => [row, languageCells(row, target).flatMap((cell) => cell.classes ?? []).filter((line) => line.by === by)]);
  const names = data.classes[by].filter((name) => lines.some(([, found]) => found.some((line) => line.name === name)));
  const most = reach(lines.flatMap(([, found]) => found.map((line) => line.gain)));
  const body = lines.map(([row, found]) => [row, ...names.map((name) => {
    const own = found.filter((line) => line.name === name);
    if (!own.length) return make("td", { class: "empty" }, "–");
    const value = mean(own.map((line) => line.gain));
    const small = own.length === 1 ? interval(own[0].low, own[0].high) : `${own.length} targets`;
    return make("td", { class: "shade", shade: shade(value, most) }, signed(value), make("span", { class: "small" }, small));
  })]);
  const titles = names.map((name) => {
    const codes = new Set(lines.flatMap(([, found]) => found.filter((line) => line.name === name).flatMap((line) => line.languages)));
    return `${name} (${codes.size === 1 ? "1 language" : `${codes.size} languages`})`;
  });
  const about = state.view === 0 ? "Mean gain over the languages of a class, by the official metric."
    : "Classes are known by the official metric alone: choose it above.";
  at("class-about").textContent = CLASS_KINDS.find(([key]) => key === by)[2];
  table(at("class-table"), about, ["intermediate task", ...titles], body);
}

const power = (value) => (value === null ? "" : value.toExponential(1).replace("e+", "e"));

function drawCost() {
  const seconds = (value) => (value === null ? "" : value < 600 ? `${value.toFixed(0)} s` : `${(value / 3600).toFixed(2)} h`);
  const counted = data.lineage.some((line) => line.flops !== null);
  const metered = data.lineage.some((line) => line.joules !== null);
  const energy = (value) => (value === null ? "" : value < 3.6e6 ? `${(value / 3600).toPrecision(3)} Wh` : `${(value / 3.6e6).toPrecision(3)} kWh`);
  const lines = data.rows.map((row) => {
    const own = data.lineage.filter((line) => line.row === row);
    const cells = data.columns.map((column) => cellsOf[0].get(place(row, column))).filter(Boolean);
    const parameters = mean(own.map((line) => line.parameters));
    const steps = mean(own.map((line) => line.steps));
    const scores = cells.map((cell) => cell.value).filter((value) => value !== null);
    const flops = counted ? [power(mean(own.map((line) => line.flops))), power(mean(own.map((line) => line.amortised_flops)))] : [];
    return [row, seconds(mean(own.map((line) => line.seconds))), seconds(mean(own.map((line) => line.amortised))), ...flops,
      ...(metered ? [energy(mean(own.map((line) => line.joules))), energy(mean(own.map((line) => line.amortised_joules)))] : []),
      steps === null ? "" : steps.toFixed(0), parameters === null ? "" : `${(parameters / 1e6).toPrecision(3)} M`,
      number(mean(scores)), signed(mean(cells.map((cell) => cell.gain))), `${scores.length} of ${data.columns.length}`];
  });
  const unknown = data.lineage.filter((line) => line.trained.length && line.flops === null).length;
  at("cost-flops").textContent = (counted ? "FLOPs: floating-point operations of training, 6 for each sub-token and each parameter outside of the "
    + "embedding (Kaplan et al. 2020); frozen layers are counted as if they were trained. " : "")
    + (unknown ? `Of ${unknown} of ${data.lineage.length} cells they are not known: earlier versions did not record the sub-tokens of a training. ` : "")
    + (metered ? `Energy is that of ${[...new Set(data.lineage.flatMap((line) => line.energy_of))].join("; ")}, with all programs that ran there.` : "");
  table(at("cost-table"), "Training time, operations, steps and size beside the mean score on the languages not trained on.",
    ["intermediate task", "time", "time, shared", ...(counted ? ["FLOPs", "FLOPs, shared"] : []), ...(metered ? ["energy", "energy, shared"] : []), "steps", "parameters", "score", "gain", "targets"], lines);
}

choices(at("language-target"), [[ALL, "mean of all targets"], ...data.columns.map((column) => [column, column])],
  data.columns.length === 1 ? data.columns[0] : ALL);
choices(at("language-order"), ORDERS);
choices(at("class-kind"), CLASS_KINDS);
at("class-kind").addEventListener("change", drawLanguages);
at("language-target").addEventListener("change", drawLanguages);
at("language-order").addEventListener("change", drawLanguages);
draw();
drawLanguages();
drawCost();
