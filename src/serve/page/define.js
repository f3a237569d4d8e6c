// A cross is added to the job that runs, or dropped: its name, its formula with the symbols that are known, and what the
// server says to it.

import { counted, duration, instant } from "./text.js";

const element = (id) => document.getElementById(id);
const MOST = 8;

/** The symbol that is being written at a place of a formula: from where to where it stands. */
export const wordAt = (formula, caret) => {
  const isName = (letter) => letter !== undefined && !/[*/\s]/.test(letter);
  let [from, until] = [caret, caret];
  while (from > 0 && isName(formula[from - 1])) from -= 1;
  while (isName(formula[until])) until += 1;
  return { from, until, word: formula.slice(from, caret) };
};

/** Symbols that begin with what is written, and then those that have it anywhere. */
export const completions = (symbols, word) => {
  const wanted = word.toUpperCase();
  if (!wanted) return [];
  const begin = symbols.filter((symbol) => symbol.toUpperCase().startsWith(wanted) && symbol !== word);
  const within = symbols.filter((symbol) => symbol.toUpperCase().includes(wanted) && !symbol.toUpperCase().startsWith(wanted));
  return [...begin, ...within].slice(0, MOST);
};

export class Defining {
  /** `send(method, path, body)` gets an answer; `changed(name)` is told what was added, or null where it was dropped. */
  constructor(page, { send, changed, otherToken }) {
    Object.assign(this, { page, send, changed, choice: -1, found: [] });
    this.dialog = element("define");
    this.name = element("define-name");
    this.formula = element("define-formula");
    this.list = element("define-list");
    this.said = element("define-said");
    element("define-open").addEventListener("click", () => this.open());
    element("define-close").addEventListener("click", () => this.dialog.close());
    element("define-token").addEventListener("click", () => {
      this.dialog.close();
      otherToken(() => this.open());
    });
    element("define-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.add();
    });
    this.formula.addEventListener("input", () => this.complete());
    this.formula.addEventListener("blur", () => setTimeout(() => this.offer([]), 150));
    this.formula.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("pointerdown", (event) => {
      const option = event.target.closest("[role=option]");
      if (!option) return;
      event.preventDefault();
      this.take(option.textContent);
    });
  }

  async open() {
    this.tell("");
    this.offer([]);
    this.dialog.showModal();
    this.name.focus();
    await this.load();
  }

  /** The crosses that the job has, each with the way to drop it. */
  async load() {
    const { status, body } = await this.send("GET", "/v1/definition");
    const list = element("define-crosses");
    if (status !== 200) {
      list.replaceChildren();
      this.refused(status, body);
      return;
    }
    this.backFill = body.back_fill_ms;
    element("define-back").textContent = body.back_fill_ms > 0
      ? `Rows reach back ${duration(body.back_fill_ms)}: the job holds windows for it.`
      : "Rows begin with the first window that starts after the change; with --back-fill a job holds earlier ones.";
    list.replaceChildren(...body.crosses.map((cross) => this.line(cross)));
  }

  line({ name, formula, since_ms }) {
    const line = document.createElement("li");
    const text = document.createElement("span");
    text.append(Object.assign(document.createElement("b"), { textContent: name }), ` = ${formula}${since_ms ? `, since ${instant(since_ms)}` : ""}`);
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "drop" });
    button.setAttribute("aria-label", `drop ${name}`);
    button.addEventListener("click", () => {
      if (button.dataset.sure) {
        this.drop(name);
        return;
      }
      button.dataset.sure = "true";
      button.textContent = "really drop";
      button.setAttribute("aria-label", `really drop ${name}`);
    });
    button.addEventListener("blur", () => {
      delete button.dataset.sure;
      button.textContent = "drop";
      button.setAttribute("aria-label", `drop ${name}`);
    });
    line.append(text, button);
    return line;
  }

  async add() {
    const [name, formula] = [this.name, this.formula].map((input) => input.value.trim());
    this.tell("asked …");
    const { status, body } = await this.send("PUT", `/v1/crosses/${encodeURIComponent(name)}`, { formula });
    if (status !== 200) {
      this.refused(status, body);
      return;
    }
    this.formula.value = "";
    this.name.value = "";
    this.tell(this.outcome(`${name} is a cross`, body));
    await Promise.all([this.load(), this.changed(name)]);
  }

  async drop(name) {
    const { status, body } = await this.send("DELETE", `/v1/crosses/${encodeURIComponent(name)}`);
    if (status !== 200) {
      this.refused(status, body);
      return;
    }
    this.tell(this.outcome(`${name} is dropped`, body));
    await Promise.all([this.load(), this.changed(null)]);
  }

  outcome(what, { changes, kept }) {
    const from = changes.map((change) => change.from_ms).find((ms) => ms !== undefined && ms !== null);
    const since = changes.length === 0 ? " already" : from ? ` from ${instant(from)} on` : "";
    return `${what}${since}${kept ? "" : "; this job has no checkpoint, so the change ends with it"}.`;
  }

  /** What the server says, with what it says to do. */
  refused(status, body) {
    const hint = body?.hint ? ` (${body.hint})` : "";
    this.tell(status === 0 ? "The server does not answer." : `${body?.detail ?? `The server answered ${status}`}${hint}`, true);
    element("define-token").hidden = status !== 403 && status !== 401;
  }

  tell(text, isWrong = false) {
    this.said.textContent = text;
    this.said.classList.toggle("wrong", isWrong);
    if (!isWrong) element("define-token").hidden = true;
  }

  complete() {
    const { word } = wordAt(this.formula.value, this.formula.selectionStart ?? this.formula.value.length);
    this.offer(completions(this.page.names().symbols, word));
  }

  offer(found) {
    [this.found, this.choice] = [found, -1];
    this.list.replaceChildren(...found.map((symbol, place) => {
      const option = Object.assign(document.createElement("li"), { textContent: symbol, id: `define-option-${place}` });
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      return option;
    }));
    this.list.hidden = found.length === 0;
    this.formula.setAttribute("aria-expanded", found.length > 0);
    this.formula.removeAttribute("aria-activedescendant");
    element("define-found").textContent = found.length > 0 ? `${counted(found.length, "symbol")}` : "";
  }

  pressed(event) {
    if (this.found.length === 0) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.choice = (this.choice + step + this.found.length + (this.choice < 0 && step < 0 ? 1 : 0)) % this.found.length;
      [...this.list.children].forEach((option, place) => option.setAttribute("aria-selected", place === this.choice));
      this.formula.setAttribute("aria-activedescendant", `define-option-${this.choice}`);
    } else if ((event.key === "Enter" || event.key === "Tab") && this.choice >= 0) this.take(this.found[this.choice]);
    else if (event.key === "Escape") this.offer([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Puts a symbol in the place of what is written. */
  take(symbol) {
    const { formula } = this;
    const { from, until } = wordAt(formula.value, formula.selectionStart ?? formula.value.length);
    formula.value = formula.value.slice(0, from) + symbol + formula.value.slice(until);
    formula.focus();
    formula.setSelectionRange(from + symbol.length, from + symbol.length);
    this.offer([]);
  }
}
