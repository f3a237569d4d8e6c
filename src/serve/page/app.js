// The page: what is asked of the server, what is shown of it, and what keys and pointers do.

import { Charts } from "./charts.js";
import { Facts } from "./facts.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { decoded } from "./text.js";
import { Shape } from "./window.js";

const element = (id) => document.getElementById(id);
const SPANS = [["5m", 300_000], ["15m", 900_000], ["1h", 3_600_000], ["all", Infinity]];
const WINDOWS = 1_000;

const page = {
  name: null,
  /** The definition of the windows that are shown. */
  window: null,
  span: "15m",
  /** The end of the window that is kept under the crosshair. */
  at: null,
  token: sessionStorage.getItem("token"),
  catalogue: null,
  store: new Store(),
  stream: null,
};

// The address: #XVGUSDT?window=10s&span=15m&at=1525022030000
const readAddress = () => {
  const [name, query] = location.hash.slice(1).split("?");
  const wishes = new URLSearchParams(query ?? "");
  page.name = decoded(name) || page.name;
  page.window = wishes.get("window") ?? page.window;
  page.span = SPANS.some(([span]) => span === wishes.get("span")) ? wishes.get("span") : page.span;
  page.at = Number(wishes.get("at")) || null;
};

const writeAddress = () => {
  const at = page.at ? `&at=${page.at}` : "";
  history.replaceState(null, "", `#${encodeURIComponent(page.name ?? "")}?window=${encodeURIComponent(page.window ?? "")}&span=${page.span}${at}`);
};

const ask = async (path) => {
  const headers = page.token ? { Authorization: `Bearer ${page.token}` } : {};
  const answer = await fetch(path, { headers, cache: "no-store" });
  if (answer.status === 401) await askForToken();
  return answer.ok ? answer.json() : null;
};

const askForToken = () => {
  const dialog = element("token-dialog");
  if (dialog.open) return;
  dialog.showModal();
  dialog.addEventListener("close", () => {
    page.token = element("token").value;
    sessionStorage.setItem("token", page.token);
    element("token").value = "";
    start();
  }, { once: true });
};

const facts = new Facts(page);
const charts = new Charts(page, {
  chosen: (end) => {
    page.at = end;
    writeAddress();
  },
  span: (step) => {
    const place = SPANS.findIndex(([span]) => span === page.span) + step;
    if (SPANS[place]) choose({ span: SPANS[place][0] });
  },
});

/** The crosses first, then symbols; those of the definition before any row of theirs is there. */
const names = () => {
  const { definition, names: known } = page.catalogue;
  const of = (kind) => known.filter((entry) => entry.kind === kind).map((entry) => entry.name);
  const crosses = [...new Set([...(definition?.crosses ?? []).map((cross) => cross.name), ...of("cross")])].sort();
  const symbols = [...new Set([...(definition?.symbols ?? []), ...of("symbol")])].filter((name) => !crosses.includes(name)).sort();
  return { crosses, symbols };
};

const fillNames = () => {
  const select = element("name");
  const { crosses, symbols } = names();
  const group = (label, list) => {
    const of = document.createElement("optgroup");
    of.label = label;
    list.forEach((name) => of.append(new Option(name, name)));
    return of;
  };
  const groups = [["Crosses", crosses], ["Symbols", symbols]].filter(([, list]) => list.length > 0);
  if (groups.length === 0) return false;
  const wanted = groups.flatMap(([, list]) => list).join(" ");
  if (select.dataset.names !== wanted) {
    select.replaceChildren(...groups.map(([label, list]) => group(label, list)));
    select.dataset.names = wanted;
  }
  select.disabled = false;
  const all = [...crosses, ...symbols];
  if (!all.includes(page.name)) page.name = crosses.includes("XVGUSDT") ? "XVGUSDT" : all[0];
  select.value = page.name;
  return true;
};

/** The definitions of windows: the job's in their order, and what else there are rows of. */
const fillWindows = () => {
  const { definition, names: known } = page.catalogue;
  const there = known.filter((entry) => entry.name === page.name).map((entry) => entry.window);
  const windows = [...new Set([...(definition?.windows ?? []), ...there])];
  if (!windows.includes(page.window)) page.window = windows[0] ?? "";
  const select = element("window");
  const wanted = windows.join(" ");
  if (select.dataset.windows !== wanted) {
    select.replaceChildren(...windows.map((window) => new Option(window || "not named", window)));
    select.dataset.windows = wanted;
  }
  select.value = page.window;
  element("windows-pick").hidden = windows.length < 2;
};

/** The symbols whose candles stand below the rate. */
const legs = () => {
  const defined = page.catalogue.definition?.crosses.find((cross) => cross.name === page.name);
  if (defined) return defined.legs;
  return page.store.rows("cross", page.name).at(-1)?.legs ?? [];
};

const choose = (wish) => {
  const before = [page.name, page.window];
  Object.assign(page, wish);
  fillWindows();
  const other = page.name !== before[0] || page.window !== before[1];
  if (other) page.at = null;
  writeAddress();
  show();
  if (other) listen();
};

/** Sets up what is seen for the name that is chosen. */
const show = () => {
  page.cross = names().crosses.includes(page.name);
  page.legs = page.cross ? [...new Map(legs().map((leg) => [leg.symbol, leg])).values()] : [{ symbol: page.name, inverse: false }];
  page.shape = new Shape(page.window);
  page.length = SPANS.find(([span]) => span === page.span)[1];
  document.body.classList.toggle("is-cross", page.cross);
  element("name").value = page.name;
  for (const button of element("spans").children) {
    const checked = button.dataset.span === page.span;
    button.setAttribute("aria-checked", checked);
    button.tabIndex = checked ? 0 : -1;
  }
  charts.set();
  facts.set();
};

const listen = () => {
  page.stream?.close();
  page.store = new Store();
  const wanted = new Set([page.name, ...page.legs.map((leg) => leg.symbol)]);
  const query = [...wanted].map((name) => `name=${encodeURIComponent(name)}`).join("&");
  let known = page.legs.length;
  page.stream = new Stream(`/v1/stream?${query}&window=${encodeURIComponent(page.window)}&windows=${WINDOWS}&progress=250`, page.token, (message) => {
    const news = page.store.take(message);
    if (news.anew && news.reason) facts.note("again", `everything anew: ${news.reason}`);
    // Where no definition tells, the first row of a cross tells its legs.
    if (page.cross && known === 0 && legs().length > 0) {
      known = legs().length;
      show();
      listen();
      return;
    }
    facts.take(news);
    charts.take(news);
  }, (state, wait) => {
    if (state === "token") askForToken();
    else facts.stands(state, wait);
    // A server that was away may be another one now.
    if (state === "live" && page.wasAway) refresh();
    page.wasAway = state === "away";
  });
};

const refresh = async () => {
  const catalogue = await ask("/v1/catalog").catch(() => null);
  if (!catalogue) return false;
  const before = [page.name, page.window, JSON.stringify(page.catalogue?.definition)];
  page.catalogue = catalogue;
  if (!fillNames()) return false;
  fillWindows();
  // Of results that are followed, the definition may come after the first rows, and become another one.
  const now = [page.name, page.window, JSON.stringify(catalogue.definition)];
  if (!page.stream || now.some((value, at) => value !== before[at])) {
    show();
    listen();
  }
  return true;
};

const start = async () => {
  page.stream?.close();
  page.stream = null;
  facts.stands("connecting");
  // Names come with the first rows, or with a definition at once.
  while (!(await refresh())) {
    if (element("token-dialog").open) return;
    facts.stands(page.catalogue ? "connecting" : "away", 1_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
};

const controls = () => {
  element("name").addEventListener("change", (event) => choose({ name: event.target.value }));
  element("window").addEventListener("change", (event) => choose({ window: event.target.value }));
  const spans = element("spans");
  for (const [span] of SPANS) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: span });
    button.dataset.span = span;
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => choose({ span }));
    spans.append(button);
  }
  spans.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const place = (SPANS.findIndex(([span]) => span === page.span) + step + SPANS.length) % SPANS.length;
    choose({ span: SPANS[place][0] });
    spans.children[place].focus();
  });
  // The address names what is shown, so that the link must not go there.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    element("windows").focus();
  });
  addEventListener("hashchange", () => {
    const before = [page.name, page.window];
    readAddress();
    if (!page.catalogue) return;
    fillNames();
    fillWindows();
    show();
    if (page.name !== before[0] || page.window !== before[1]) listen();
  });
  // New names appear while a job runs.
  setInterval(() => page.stream && !page.wasAway && document.visibilityState === "visible" && refresh(), 15_000);
};

readAddress();
controls();
start();
