"use strict";
// What all parts share: the data, elements made of text alone, numbers as text, and colours centred at zero.

const data = JSON.parse(document.getElementById("data").textContent);
const languageOf = new Map(data.languages.map((language) => [language.code, language]));
const at = (id) => document.getElementById(id);

// An element. Texts become text nodes, so that no name or answer is ever read as markup.
function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (key === "shade") element.style.setProperty("--shade", value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const number = (value, digits = 1) => (value === null || value === undefined ? "" : value.toFixed(digits));

function signed(value) {
  if (value === null || value === undefined) return "";
  const text = Math.abs(value).toFixed(1);
  if (Number(text) === 0) return "0.0";
  return (value > 0 ? "+" : "−") + text;
}

const interval = (low, high) =>
  low === null || low === undefined ? "" : `[${signed(low)}, ${signed(high)}]`;

// The end of the colour scale: most gains are inside, so that one large loss does not make all others pale.
function reach(values) {
  const sizes = values.filter((value) => value !== null && value !== undefined).map(Math.abs).sort((a, b) => a - b);
  if (!sizes.length) return 1;
  const most = sizes[Math.min(sizes.length - 1, Math.floor(0.9 * sizes.length))];
  return Math.max(1, Math.ceil(most));
}

function shade(value, most) {
  if (value === null || value === undefined) return null;
  const part = Math.round(100 * Math.min(1, Math.abs(value) / most));
  return `color-mix(in oklab, var(${value > 0 ? "--gain" : "--loss"}) ${part}%, var(--zero))`;
}

// Fills a select; options are pairs of a value and a text.
function choices(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  if (chosen !== undefined && options.some(([value]) => value === chosen)) select.value = chosen;
}

function head(titles) {
  return make("thead", {}, make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title))));
}

function table(element, caption, titles, lines) {
  const rows = lines.map(([first, ...rest]) =>
    make("tr", {}, make("th", { scope: "row" }, first),
      ...rest.map((cell) => (cell instanceof Node ? cell : make("td", { class: /^[[+−\d]/.test(cell) ? "number" : null }, cell)))));
  element.replaceChildren(make("caption", {}, caption), head(titles), make("tbody", {}, ...rows));
  return element;
}

const size = (language) => (language.size === null || language.size === undefined ? -1 : language.size);

const ORDERS = [
  ["size", "pretraining text, most first"],
  ["family", "family"],
  ["script", "script"],
  ["joshi", "class of Joshi et al. 2020"],
];

// Languages in an order, each with the name of the group that it stands in.
function ordered(codes, by) {
  const found = codes.map((code) => languageOf.get(code)).filter(Boolean);
  const group = (language) => language[by === "size" ? "level" : by];
  const order = data.classes[by === "size" ? "level" : by]; // classes have an order of their own
  const most = new Map();
  for (const language of found) most.set(group(language), Math.max(most.get(group(language)) ?? -1, size(language)));
  const rank = (language) => (order ? order.indexOf(group(language)) : -most.get(group(language)));
  found.sort((a, b) => rank(a) - rank(b) || group(a).localeCompare(group(b)) || size(b) - size(a) || a.code.localeCompare(b.code));
  return found.map((language) => ({ ...language, group: group(language) }));
}

at("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
