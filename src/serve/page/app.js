// The page: what is asked of the server, what is shown of it, and how its parts hang together.

import { LENGTH, SPANS, read, referred, spanName, write } from "./address.js";
import { Charts } from "./charts.js";
import { Comparing } from "./compare.js";
import { Defining } from "./define.js";
import { saveCsv, savePng } from "./export.js";
import { Facts } from "./facts.js";
import { History, WINDOWS } from "./history.js";
import { Names } from "./names.js";
import { Navigation } from "./navigate.js";
import { Overview } from "./overview.js";
import { Server } from "./server.js";
import { Store, placeOf } from "./store.js";
import { Stream } from "./stream.js";
import { Strip } from "./strip.js";
import { setLocal, zone } from "./text.js";
import { Timeline } from "./timeline.js";
import { Shape } from "./window.js";
import { Wishes } from "./wishes.js";

const element = (id) => document.getElementById(id);

const page = {
  name: null,
  /** Which kind of that name is meant; null where the name alone says it. */
  kind: null,
  /** The definition of the windows that are shown. */
  window: null,
  /** How much time is shown, and its end; null for the newest, as it moves on. */
  length: LENGTH,
  until: null,
  /** The end of the window that is kept under the crosshair. */
  at: null,
  /** Names beside the first one, in one chart. */
  others: [],
  percent: false,
  since: null,
  /** Whether all names are shown as a table, what is searched in it, its order, and since when it tells changes. */
  all: false,
  query: "",
  sort: null,
  over: 3_600_000,
  catalogue: null,
  store: new Store(),
  stream: null,
  shape: new Shape(""),
  legs: [],
  series: [],
  cross: false,
};

const names = new Names(page);
page.names = () => names.all();
page.isKnown = (ref) => names.isKnown(ref);
page.refOf = (kind, name) => names.ref(kind, name);
page.meant = (text) => names.meant(text);
page.told = (ref) => names.told(ref);
page.entry = (kind, name) => names.entry(kind, name);
/** Whether the server has rows of that: as the stream tells, which begins anew with each server. */
page.isThere = (kind, name) => !page.wasAway && page.store.rows(kind, name).length > 0;
page.addressOf = ({ kind, name }) => write({ ...page, all: false, kind, name, at: null, others: [], percent: false });
const timeline = new Timeline(page, () => {
  writeAddress();
  spans();
  facts.soon();
  charts.soon();
});
page.wishes = new Wishes(page, timeline);

const server = new Server(() => start());
const ask = (path) => server.ask(path);

const readAddress = () => {
  const wish = read(location.hash);
  page.all = wish.all;
  if (wish.all) Object.assign(page, { query: wish.query, sort: wish.sort, over: wish.over ?? 3_600_000 });
  if (wish.name) Object.assign(page, { name: wish.name, kind: wish.kind });
  page.window = wish.window || page.window;
  page.wishes.take(wish);
  Object.assign(page, { until: wish.until, length: wish.length ?? LENGTH, at: wish.at });
  Object.assign(page, { others: wish.others, percent: wish.percent, since: wish.since });
};

const writeAddress = () => history.replaceState(null, "", write(page));

const past = new History(page, ask, () => charts.soon());
const charts = new Charts(page, past, timeline);
const facts = new Facts(page);
const strip = new Strip(page, timeline, ask);
charts.drawn = () => {
  strip.draw();
  page.wishes.say();
  if (page.until !== null) facts.soon();
};
/** The rows of a name up to where the charts end. */
page.seen = (kind, name) => {
  if (page.until === null || !charts.stretch) return page.store.rows(kind, name);
  const rows = charts.stretch.rows(kind, name);
  return rows.slice(0, placeOf(rows, page.until + 1));
};
new Navigation(page, charts, timeline, (end) => {
  page.at = end;
  comparing.set();
  writeAddress();
});

/** What rows are asked for by. */
const chosen = () => {
  const { all, kind, name, window, others } = page;
  return { all, name: `${kind ?? ""}:${name}`, window, others: JSON.stringify(others) };
};

const choose = (wish) => {
  const before = chosen();
  if ("name" in wish) page.kind = null;
  Object.assign(page, wish);
  page.wishes.take(wish);
  names.fill();
  const now = chosen();
  const other = now.name !== before.name || now.window !== before.window;
  if (other) page.at = null;
  if (now.name !== before.name && !("others" in wish)) Object.assign(page, { others: [], percent: false, since: null });
  writeAddress();
  show();
  if (other || now.others !== before.others || now.all !== before.all) listen();
};

const comparing = new Comparing(page, choose, timeline);

const overview = new Overview(page, ask, {
  open: (ref) => {
    location.hash = page.addressOf(ref);
  },
  wished: (wish) => {
    Object.assign(page, wish);
    writeAddress();
  },
});

new Defining(page, {
  send: (method, path, body) => server.send(method, path, body),
  changed: async (name) => {
    await refresh();
    if (name) choose({ name, all: false });
  },
  otherToken: (then) => server.askForToken(then),
});

/** The buttons of stretches, and which of them is shown. */
const spans = () => {
  const chosen = page.until === null ? spanName(page.length) : null;
  const buttons = [...element("spans").children];
  for (const button of buttons) {
    const checked = button.dataset.span === chosen;
    button.setAttribute("aria-checked", checked);
    button.tabIndex = checked || (button === buttons[0] && !SPANS.some(([span]) => span === chosen)) ? 0 : -1;
  }
  element("newest").hidden = page.until === null;
};

/** Whether there are rows of how far the cross is from its direct pair. */
const hasBasis = () => page.cross && Boolean(names.entry("basis", page.name) || page.store.rows("basis", page.name).length > 0);

/** What is drawn: kinds and names, the first of them first. */
const series = () => {
  if (page.others.length > 0) return [page, ...page.others].map((ref) => [names.kindOf(ref), ref.name]);
  const own = page.cross ? [["cross", page.name], ["stats", page.name]] : [];
  if (hasBasis()) own.push(["basis", page.name]);
  return [...own, ...page.legs.map((leg) => ["symbol", leg.symbol])];
};

/** Sets up what is seen for the name that is chosen. */
const show = () => {
  document.body.classList.toggle("shows-all", page.all);
  page.cross = names.kindOf(page) === "cross";
  page.legs = page.cross ? names.legs() : [{ symbol: page.name, inverse: false }];
  page.shape = new Shape(page.window ?? "");
  page.series = series();
  document.body.classList.toggle("is-cross", page.cross);
  document.body.classList.toggle("compares", page.others.length > 0);
  names.absent();
  page.wishes.say();
  spans();
  element("all-link").setAttribute("aria-current", page.all ? "page" : "false");
  if (page.all) overview.show();
  charts.set();
  comparing.set();
  facts.set();
};

/** Of one name and those beside it: their rows, as many as a chart begins with. */
const listenToNames = () => {
  const wanted = new Set([page.name, ...page.others.map((ref) => ref.name), ...page.legs.map((leg) => leg.symbol)]);
  const query = [...wanted].map((name) => `name=${encodeURIComponent(name)}`).join("&");
  let known = JSON.stringify(page.legs);
  openStream(`${query}&windows=${WINDOWS}`, (message) => {
    const news = page.store.take(message);
    if (news.anew && news.reason) {
      past.clear();
      facts.note("again", `everything anew: ${news.reason}`);
    }
    // The path of a cross is what its rows say; it may be another one from window to window.
    const isTold = page.cross && page.others.length === 0 && page.store.whole && page.store.rows("cross", page.name).length > 0;
    const now = isTold ? JSON.stringify(names.legs()) : known;
    if (now !== known) {
      known = now;
      show();
      listen();
      return;
    }
    if (!page.series.some(([kind]) => kind === "basis") && page.others.length === 0 && hasBasis()) show();
    facts.take(news);
    charts.take(news);
  });
};

/** Of all names: the newest row of each. */
const listenToAll = () => {
  overview.begin();
  openStream("kind=cross,symbol&windows=1", (message) => {
    if (message.type === "progress") facts.take(page.store.take(message));
    overview.take(message);
  });
};

/** Opens the stream of what is seen, the only one that a page has. */
const openStream = (query, told) => {
  const address = `/v1/stream?${query}&window=${encodeURIComponent(page.window)}&progress=250`;
  page.stream = new Stream(address, server.token, told, (state, wait) => {
    if (state === "token") server.askForToken();
    else facts.stands(state, wait);
    // A server that was away may be another one now.
    if (state === "live" && page.wasAway) {
      refresh();
      refusals();
    }
    page.wasAway = state === "away";
  });
};

const listen = () => {
  page.stream?.close();
  page.stream = null;
  const { progress } = page.store;
  page.store = new Store();
  // How far the job is does not depend on what is seen of it.
  page.store.progress = progress;
  past.clear();
  if (page.all) listenToAll();
  else if (names.isKnown(page)) listenToNames();
  else facts.stands("live");
};

const refresh = async () => {
  const catalogue = await ask("/v1/catalog").catch(() => null);
  if (!catalogue) return false;
  const isThere = () => page.all || names.isKnown(page);
  const state = () => JSON.stringify([chosen(), page.catalogue?.definition, isThere()]);
  const before = state();
  page.catalogue = catalogue;
  if (!names.fill()) return false;
  if (page.wishes.isOtherWindow()) writeAddress();
  facts.held();
  // Of results that are followed, the definition may come after the first rows, and become another one.
  if (state() !== before || (!page.stream && isThere())) {
    show();
    listen();
  } else if (page.all) overview.known();
  page.wishes.say();
  charts.soon();
  return true;
};

/** Records that were refused before this page was opened. */
const refusals = async () => {
  const answer = await ask("/v1/refusals").catch(() => null);
  if (!answer) return;
  charts.refused(answer.refusals);
  facts.refused(answer);
};

const start = async () => {
  page.stream?.close();
  page.stream = null;
  facts.stands("connecting");
  // Names come with the first rows, or with a definition at once.
  while (!(await refresh())) {
    if (server.isAsking()) return;
    facts.stands(page.catalogue ? "connecting" : "away", 1_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  refusals();
};

const controls = () => {
  element("name").addEventListener("change", (event) => choose({ ...referred(event.target.value), all: false }));
  element("window").addEventListener("change", (event) => choose({ window: event.target.value }));
  const host = element("spans");
  const place = () => SPANS.findIndex(([span]) => span === spanName(page.length));
  for (const [span, length] of SPANS) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: span });
    button.dataset.span = span;
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => timeline.newest(length));
    host.append(button);
  }
  host.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = (Math.max(place(), 0) + step + SPANS.length) % SPANS.length;
    timeline.newest(SPANS[to][1]);
    host.children[to].focus();
  });
  element("newest").addEventListener("click", () => timeline.newest());
  element("save-csv").addEventListener("click", () => saveCsv(page, charts));
  element("save-png").addEventListener("click", () => savePng(page, charts));
  element("all-link").addEventListener("click", (event) => {
    event.preventDefault();
    location.hash = write({ ...page, all: true });
  });
  // The address names what is shown, so that the link must not go there.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    element(page.all ? "all-scroll" : "windows").focus();
  });
  addEventListener("hashchange", () => {
    const before = JSON.stringify(chosen());
    readAddress();
    if (!page.catalogue) return;
    names.fill();
    if (page.wishes.isOtherWindow()) writeAddress();
    show();
    charts.hover = page.at;
    if (JSON.stringify(chosen()) !== before) listen();
  });
  // New names appear while a job runs; one that is waited for is looked for more often.
  let turns = 0;
  setInterval(() => {
    turns += 1;
    const isDue = turns % 7 === 0 || !names.isKnown(page);
    if (isDue && page.catalogue && !page.wasAway && document.visibilityState === "visible") refresh();
  }, 2_000);
};

/** UTC, or the time of this place. */
const clocks = () => {
  const button = element("zone");
  const put = (isLocal) => {
    setLocal(isLocal);
    button.setAttribute("aria-pressed", isLocal);
    button.textContent = isLocal ? "local time" : "UTC";
    button.title = `Times are ${zone()}`;
    element("zone-said").textContent = isLocal ? `local time (${zone()})` : "UTC";
    facts.again();
    comparing.set();
    charts.soon();
  };
  let isLocal = false;
  try {
    isLocal = localStorage.getItem("crossrate-time") === "local";
  } catch {
    // Nothing is kept, then.
  }
  put(isLocal);
  button.addEventListener("click", () => {
    isLocal = !isLocal;
    try {
      localStorage.setItem("crossrate-time", isLocal ? "local" : "utc");
    } catch {
      // It holds until the page is left.
    }
    put(isLocal);
  });
};

readAddress();
controls();
clocks();
start();
