// The console: asks the API every two seconds and shows what it says. It keeps no state of its own beyond what is open
// and what is filtered. Everything from the API goes into the page as text, never as markup.

const EVERY = 2000;
const KEPT = 300;
const ACTIONS = ["permit", "log", "redact", "block"];
const MARKS = {
  permit: "M3 8h10M9 4l4 4-4 4",
  log: "M3 8.5l3.5 3.5L13 5",
  redact: "M3 5h10M3 8h4M3 11h10M9 8h4",
  block: "M4 4l8 8M12 4l-8 8",
};

const number = new Intl.NumberFormat("en");
const names = new Intl.DisplayNames(["en"], { type: "region" });
const at = (id) => document.getElementById(id);

const state = {
  token: sessionStorage.getItem("tidegate-token") ?? "",
  paused: false,
  known: new Map(), // id -> { decision, row, detail, toggle }
  order: [], // ids, newest first
  only: new Set(),
  find: "",
  ready: null,
  shown: new Map(), // what a list showed last, so that it is only drawn again when it changed
  first: true,
};

// --- Building blocks ---

/** An element. Strings become text; attributes are set by name; `class` and listeners too. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function mark(action) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", MARKS[action] ?? MARKS.permit);
  svg.append(path);
  return svg;
}

const pill = (tone, text) => el("span", { class: `pill ${tone}` }, text);

/** The action of a decision or rule; dashed when it does not bind. */
function actionPill(action, binds = true) {
  const tone = ACTIONS.includes(action) ? action : "permit";
  const text = binds ? action : action === "block" ? "would block" : action;
  return el("span", { class: `pill ${tone}${binds ? "" : " unbound"}` }, mark(tone), text);
}

function countryName(code) {
  if (code === "ZZ") return "unknown place";
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

function country(codes = []) {
  const list = codes.length ? codes : ["ZZ"];
  const parts = list.slice(0, 4).map((code) =>
    el("abbr", { class: `country${code === "ZZ" ? " unknown" : ""}`, title: countryName(code) }, code === "ZZ" ? "unknown" : code));
  if (list.length > 4) parts.push(el("span", { class: "soft", title: list.map(countryName).join(", ") }, `+${list.length - 4}`));
  return el("span", {}, ...parts.flatMap((part, index) => (index ? [" or ", part] : [part])));
}

const plural = (count, one, many = `${one}s`) => `${number.format(count)} ${count === 1 ? one : many}`;

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

/** A bar of what is counted and what a transfer adds, with a mark where a rule begins. Read out as text. */
function bar({ before, adding = 0, limit, label, used = "", added = "" }) {
  const top = Math.max(limit, before + adding, 1);
  const part = (kind, count, least) => {
    const node = el("i", { class: kind });
    node.style.width = `${count ? Math.max((100 * count) / top, least) : 0}%`;
    return node;
  };
  const parts = [part(used, before, 0.4)];
  if (adding > 0) parts.push(part(`add ${added}`, adding, 0.8));
  const mark = el("b", {});
  mark.style.left = `${(100 * limit) / top}%`;
  if (limit < top) parts.push(mark);
  return el("div", {
    class: "bar", role: "meter", "aria-label": label,
    "aria-valuemin": 0, "aria-valuemax": top, "aria-valuenow": before + adding,
    "aria-valuetext": `${number.format(before + adding)}; the bound is ${number.format(limit)}`,
  }, ...parts);
}

function pairs(rows) {
  const kept = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "pairs" }, ...kept.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** Draws a list again only if what it shows has changed, so that focus and open details stay. */
function draw(id, data, build) {
  const text = JSON.stringify(data);
  if (state.shown.get(id) === text) return;
  state.shown.set(id, text);
  at(id).replaceChildren(...build(data));
}

const empty = (title, ...rest) => el("div", { class: "empty" }, el("strong", {}, title), ...rest);
const command = (text) => el("code", { class: "command" }, text);

// --- The API ---

class Unauthorized extends Error {}

async function get(path) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  const reply = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(8000) });
  if (reply.status === 401) throw new Unauthorized();
  // Readiness answers 503 with the same detail as 200.
  if (!reply.ok && reply.status !== 503) throw new Error(`${path}: ${reply.status}`);
  return reply.json();
}

async function poll() {
  const [ready, decisions, ledger, packs, mechanisms] = await Promise.all([
    get("/-/ready"),
    get(`/api/v1/decisions?limit=${KEPT}`),
    get("/api/v1/ledger"),
    get("/api/v1/packs"),
    get("/api/v1/mechanisms"),
  ]);
  state.ready = ready;
  showStatus(ready);
  showDecisions(decisions.decisions);
  draw("counters", ledger.counters, showCounters);
  draw("mechanisms", mechanisms.mechanisms, showMechanisms);
  draw("packs", packs.packs, showPacks);
  if (state.first) openFromAddress();
  state.first = false;
}

function linkState(kind, text) {
  at("link-dot").className = `dot ${kind}`;
  // A status region is read out when its text changes; the same text again would be noise.
  if (at("link-text").textContent !== text) at("link-text").textContent = text;
}

async function tick() {
  try {
    if (!state.paused && !document.hidden) {
      await poll();
      at("token-form").hidden = true;
      at("main").hidden = false;
      linkState("live", "Live");
    }
  } catch (error) {
    if (error instanceof Unauthorized) askForToken();
    else linkState("lost", "No answer from the gateway");
  }
  setTimeout(tick, EVERY);
}

function askForToken() {
  linkState("lost", "Token needed");
  if (!at("token-form").hidden) return;
  at("token-error").textContent = state.token ? "The gateway does not accept this token." : "";
  at("token-form").hidden = false;
  at("main").hidden = true;
  at("token").focus();
}

// --- Status ---

function showStatus(ready) {
  const enforcing = ready.enforcing;
  draw("status-mode", [ready.mode, enforcing], () => [
    ready.mode !== "enforce" ? pill("warn", "observing, nothing is stopped")
      : enforcing ? pill("good", "enforcing") : pill("warn", "enforcing, but no law pack is on"),
  ]);
  const exporter = ready.exporter ?? {};
  draw("status-exporter", exporter, () => [
    exporter.name ? `${exporter.name}, ` : "",
    exporter.country ? countryName(exporter.country) : "country not named",
  ]);
  const law = ready.packs ?? {};
  draw("status-law", law, () => {
    const on = law.law_enabled ?? [];
    const observed = law.law_observed ?? [];
    if (!on.length && !observed.length) return [el("span", { class: "bad" }, "off")];
    const parts = on.join(", ");
    const watched = observed.length ? `${parts ? "; " : ""}observed: ${observed.join(", ")}` : "";
    return [parts + watched];
  });
  const notices = [
    ...(ready.problems ?? []).map((text) => ({ grave: true, text })),
    ...(ready.warnings ?? []).map((text) => ({ grave: false, text })),
  ];
  at("notices").hidden = notices.length === 0;
  draw("notices", notices, () => notices.map(({ grave, text }) =>
    el("div", { class: `notice${grave ? " grave" : ""}` }, el("strong", {}, grave ? "Not ready" : "Warning"), el("span", {}, text))));
  draw("build", [ready.version, ready.rules], () => [`Tidegate ${ready.version}, rules `, el("code", {}, short(ready.rules))]);
}

const short = (hash) => (hash ? (hash.length > 24 ? `${hash.slice(0, 19)}…` : hash) : "none");

// --- Decisions ---

function showDecisions(latest) {
  const fresh = latest.filter((decision) => !state.known.has(decision.id));
  for (const decision of fresh) state.known.set(decision.id, { decision });
  const ids = latest.map((decision) => decision.id);
  // A decision that was opened by its id stays until the page is left, though it is older than the list.
  const pinned = state.order.filter((id) => state.known.get(id)?.pinned && !ids.includes(id));
  state.order = [...pinned, ...ids];
  const kept = new Set(state.order);
  for (const [id, entry] of state.known) {
    if (kept.has(id)) continue;
    entry.row?.remove();
    entry.detail?.remove();
    state.known.delete(id);
  }
  const body = at("rows");
  let before = body.firstElementChild;
  for (const id of state.order) {
    const entry = state.known.get(id);
    if (!entry.row) {
      entry.row = decisionRow(entry);
      if (!state.first) entry.row.classList.add("fresh");
      body.insertBefore(entry.row, before);
    } else if (entry.row === before) {
      before = before.nextElementSibling;
      if (before && before === entry.detail) before = before.nextElementSibling;
    }
  }
  filter();
}

function decisionRow(entry) {
  const { decision } = entry;
  const time = new Date(decision.time);
  entry.toggle = el("button", { type: "button", class: "toggle", "aria-expanded": "false", "aria-controls": `d-${decision.id}`, title: "Show or hide why" },
    el("time", { datetime: decision.time, title: time.toLocaleString() }, time.toLocaleTimeString("en-GB")));
  const row = el("tr", { class: "row", onclick: (event) => { if (!event.target.closest("a")) openClose(entry); } },
    el("td", { class: "col-time" }, entry.toggle),
    el("td", { class: "col-action" }, actionPill(decision.action, binds(decision))),
    el("td", { class: "col-application" }, decision.application ?? el("span", { class: "soft" }, "unknown"),
      el("div", { class: "under" }, decision.method)),
    el("td", { class: "col-way" }, way(decision), el("div", { class: "under" }, upstream(decision))),
    el("td", { class: "col-data" }, chips(decision.content)),
    el("td", { class: "col-rule" }, ...firstRule(decision)));
  return row;
}

const binds = (decision) => decision.mode === "enforce";

const way = (decision) => el("div", { class: "way" }, country(decision.exporter.country),
  el("span", { class: "arrow", "aria-hidden": "true" }, "→"), el("span", { class: "quiet" }, "to"), country(decision.importer.country));

/** A category as text that may break after its dots. */
const breakable = (text) => text.split(/(?<=\.)/).flatMap((part, index) => (index ? [el("wbr"), part] : [part]));

/** The side that is not our client: who receives a request, who sends an answer. */
function upstream(decision) {
  const answers = decision.direction === "response";
  const party = answers ? decision.exporter : decision.importer;
  return `${answers ? "answer of " : ""}${party.host ?? party.address ?? "an unnamed host"}`;
}

const tone = (path) => (path.startsWith("opaque") ? " opaque" : path.startsWith("secret") || path.startsWith("state-secret") ? " secret" : "");

function chips(content) {
  const kinds = Object.entries(content.categories ?? {}).map(([path, tally]) => ({ path, ...tally }));
  for (const [path, size] of Object.entries(content.opaque_reasons ?? {})) kinds.push({ path, size });
  kinds.sort((a, b) => tone(b.path).localeCompare(tone(a.path)) || (b.people ?? 0) - (a.people ?? 0) || (b.count ?? 0) - (a.count ?? 0));
  if (!kinds.length) {
    const text = content.skipped ? "not read: no rule asks" : content.bytes ? "nothing found" : "no content";
    return el("span", { class: "soft" }, text);
  }
  const shown = kinds.slice(0, 3).map(({ path, people, count, size }) => el("span", { class: `chip${tone(path)}` },
    el("span", {}, ...breakable(path)), el("span", { class: "soft" }, size !== undefined ? bytes(size) : people ? plural(people, "person", "people") : `×${number.format(count)}`)));
  if (kinds.length > 3) shown.push(el("span", { class: "chip soft" }, `+${kinds.length - 3}`));
  return el("div", { class: "chips" }, ...shown);
}

function firstRule(decision) {
  const reason = decision.reasons?.[0];
  if (!reason) return [el("span", { class: "soft" }, decision.action === "log" ? "no rule asks for anything" : "no law speaks")];
  const more = decision.reasons.length > 1 ? el("span", { class: "under", title: `${plural(decision.reasons.length - 1, "more rule")}` }, ` +${decision.reasons.length - 1}`) : null;
  return [el("div", {}, el("code", {}, `${reason.pack}/${reason.rule}`), more), el("div", { class: "under" }, reason.cite)];
}

function openClose(entry, open = !entry.detail) {
  if (open === Boolean(entry.detail)) return;
  if (open) {
    entry.detail = el("tr", { class: "detail", id: `d-${entry.decision.id}` }, el("td", { colspan: 6 }, detail(entry.decision)));
    entry.row.after(entry.detail);
  } else {
    entry.detail.remove();
    entry.detail = null;
  }
  entry.row.classList.toggle("open", open);
  entry.toggle.setAttribute("aria-expanded", String(open));
  // The address names the decision that was opened last, so that it can be sent to somebody.
  history.replaceState(null, "", open ? `#${entry.decision.id}` : location.pathname);
}

function detail(decision) {
  const reasons = decision.reasons ?? [];
  const left = el("div", {},
    decision.passes_if?.length ? el("div", { class: "passes" }, el("h3", {}, "It would pass if"),
      el("ul", {}, ...decision.passes_if.map((text) => el("li", {}, text)))) : null,
    el("h3", {}, reasons.length ? "Why" : "Why it passed"),
    ...(reasons.length ? reasons.map(reasonCard) : [el("p", {}, decision.action === "log"
      ? "A law pack covers this transfer, and none of its rules asks for anything."
      : "No pack that is on speaks about this transfer.")]),
    ...questions(decision.unanswered ?? []));
  const right = el("div", {},
    el("h3", {}, "Transfer"), transferPairs(decision),
    el("h3", {}, "Content"), contentView(decision.content ?? {}));
  const raw = el("details", { class: "raw" }, el("summary", {}, "The record as JSON"), el("pre", { tabindex: "0" }, JSON.stringify(decision, null, 2)));
  return el("div", { class: "detail" }, el("div", { class: "detail-grid" }, left, right), raw);
}

/** Questions nobody has answered whose default decided. */
function questions(open) {
  if (!open.length) return [];
  return [el("h3", {}, "Nobody has answered"), el("ul", {}, ...open.map((question) => {
    const ends = question.otherwise.map((other) => `${other.value}: ${other.action}`).join(", ");
    return el("li", {}, el("code", {}, question.fact), ` ${question.ask} `,
      el("span", { class: "soft" }, `Taken to be ${question.default}; with ${ends}`));
  }))];
}

/** What meets a rule, until when, and what is still to be filed. */
function metBy(met) {
  if (!met) return null;
  const parts = [`met by ${met.mechanism ?? met.need}`];
  if (met.until) parts.push(`valid until ${met.until}`);
  if (met.filed) parts.push(`filed ${met.filed}`);
  else if (met.file_by) parts.push(`to be filed by ${met.file_by}`);
  return el("p", { class: "under" }, parts.join(", "));
}

const SETTLED = { medium: "most read it so", low: "reading not settled" };

function reasonCard(reason) {
  const counter = reason.counter;
  const guard = reason.pack === "gateway";
  const name = `${reason.pack}/${reason.rule}`;
  return el("article", { class: "reason" },
    el("div", { class: "reason-head" }, actionPill(reason.action, reason.enforced !== false),
      guard ? el("code", {}, name) : el("a", { href: `/packs/${encodeURIComponent(reason.pack)}#rule-${encodeURIComponent(reason.rule)}` }, el("code", {}, name)),
      el("span", { class: "under" }, reason.cite),
      reason.enforced === false ? el("span", { class: "under" }, reason.binds_from ? `binds from ${reason.binds_from}` : "recorded, not enforced") : null,
      reason.confidence ? el("span", { class: "under" }, SETTLED[reason.confidence] ?? reason.confidence) : null),
    metBy(reason.met),
    el("p", {}, reason.why),
    reason.needs?.length ? el("div", { class: "needs" }, el("span", { class: "soft" }, `${reason.action === "block" ? "Needs" : "Met by"}${reason.needs.length > 1 ? " one of" : ""}`),
      ...reason.needs.map((need) => el("span", { class: "chip" }, need))) : null,
    counter ? el("div", {},
      bar({ ...counter, label: `People counted for ${name}`, added: reason.action === "block" ? "over" : "" }),
      el("div", { class: "numbers" },
        el("span", {}, el("strong", {}, number.format(counter.before)), " counted, this transfer adds ", el("strong", {}, number.format(counter.adding))),
        el("span", {}, `the rule's bound is ${number.format(counter.limit)}`))) : null);
}

const BASES = {
  declared: "declared in the configuration", application: "declared for the application", listener: "declared for the listener",
  exporter: "the exporter's own country", "host-pattern": "region in the host name", "host-table": "table of services",
  "provider-range": "range the provider publishes", "address-database": "address database",
  registration: "where the address is registered", unknown: "nothing is known",
};

const placeText = (party) => `${(party.country ?? []).map(countryName).join(" or ")} (${BASES[party.basis] ?? party.basis})`;

function transferPairs(decision) {
  const { importer, exporter } = decision;
  return pairs([
    ["From", placeText(exporter)],
    ["To", placeText(importer)],
    ["Host", importer.host],
    ["Address", importer.address],
    ["Operator", importer.operator && `${importer.operator}${importer.operator_country ? `, under the law of ${countryName(importer.operator_country)}` : ""}`],
    ["Message", `${decision.method} ${decision.path} (${decision.direction})`],
    ["Listener", decision.listener],
    ["Mechanisms", decision.mechanisms?.join(", ")],
    ["Warnings", decision.warnings?.join(", ")],
    ["Stopped by", decision.cause],
    ["Decision", el("code", {}, decision.id)],
    ["Rules", el("code", { title: decision.rules }, short(decision.rules))],
  ]);
}

function contentView(content) {
  const opaque = Object.entries(content.opaque_reasons ?? {}).map(([path, size]) => `${bytes(size)} ${path}`).join(", ");
  const size = pairs([
    ["Size", `${bytes(content.bytes ?? 0)}, inspected ${bytes(content.inspected ?? 0)}`],
    ["Not readable", opaque || (content.opaque ? bytes(content.opaque) : "")],
    ["Not read", content.skipped ? `${bytes(content.skipped)}, because no rule asks` : ""],
    ["Formats", content.formats?.join(", ")],
    ["People", content.people ? number.format(content.people) : ""],
  ]);
  const kinds = Object.entries(content.categories ?? {});
  if (!kinds.length) return size;
  return el("div", {}, size, el("table", { class: "kinds" },
    el("caption", { class: "quiet" }, "Kinds of data found"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Kind"), el("th", { scope: "col", class: "number" }, "Found"), el("th", { scope: "col", class: "number" }, "People"))),
    el("tbody", {}, ...kinds.map(([path, tally]) => el("tr", {}, el("td", {}, el("code", {}, path)),
      el("td", { class: "number" }, number.format(tally.count)), el("td", { class: "number" }, number.format(tally.people)))))));
}

// --- Filters ---

function haystack(decision) {
  return [decision.id, decision.application, decision.listener, decision.method, decision.path,
    decision.importer.host, decision.importer.address, decision.importer.operator, decision.exporter.host,
    ...(decision.importer.country ?? []), ...(decision.importer.country ?? []).map(countryName),
    ...(decision.exporter.country ?? []), ...Object.keys(decision.content?.categories ?? {}), ...Object.keys(decision.content?.opaque_reasons ?? {}),
    ...(decision.reasons ?? []).flatMap((reason) => [`${reason.pack}/${reason.rule}`, reason.cite]),
    ...(decision.mechanisms ?? [])].filter(Boolean).join("\n").toLowerCase();
}

function filter() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = Object.fromEntries(ACTIONS.map((action) => [action, 0]));
  let shown = 0;
  for (const id of state.order) {
    const entry = state.known.get(id);
    entry.haystack ??= haystack(entry.decision);
    const found = words.every((word) => entry.haystack.includes(word));
    if (found) counts[entry.decision.action] += 1;
    const visible = found && (!state.only.size || state.only.has(entry.decision.action));
    entry.row.hidden = !visible;
    if (entry.detail) entry.detail.hidden = !visible;
    if (visible) shown += 1;
  }
  for (const action of ACTIONS) at(`count-${action}`).textContent = number.format(counts[action]);
  const total = state.order.length;
  at("decisions-foot").textContent = total ? `${number.format(shown)} of the latest ${plural(total, "decision")} shown. The audit log holds all of them.` : "";
  at("rows").parentElement.hidden = shown === 0;
  const blank = at("decisions-empty");
  blank.hidden = shown > 0;
  if (!blank.hidden) draw("decisions-empty", [total, state.find, state.ready?.listeners, state.ready?.ca_certificate], total ? nothingFound : howToStart);
}

function nothingFound() {
  return [el("strong", {}, "No decision matches"),
    el("p", {}, "Remove words or actions from the filter. A full decision id also finds older decisions.")];
}

function howToStart() {
  const listeners = state.ready?.listeners ?? [];
  const forward = listeners.find((listener) => listener.mode === "forward");
  const nodes = [el("strong", {}, "No transfer has been decided yet"),
    el("p", {}, "Each message that goes through the gateway appears here with the action, the rule and the reason.")];
  if (forward) {
    const trust = forward.intercept && state.ready?.ca_certificate ? ` --cacert ${state.ready.ca_certificate}` : "";
    nodes.push(el("p", {}, "Send one request through the proxy:"),
      command(`curl -x http://${forward.address}${trust} https://example.com/`),
      el("p", {}, "Point every program of a shell at it:"),
      command(`export http_proxy=http://${forward.address} https_proxy=http://${forward.address}`),
      el("p", {}, "Browsers and desktops take the address ", el("a", { href: "/proxy.pac" }, `${location.origin}/proxy.pac`),
        ". What each runtime needs to trust the interception CA is printed by ", el("code", {}, "tidegate trust"), "."));
  } else if (listeners.length) {
    nodes.push(el("p", {}, "Send a request to one of the listeners:"), ...listeners.map((listener) => command(`${listener.name}  ${listener.address}  (${listener.mode})`)));
  }
  return nodes;
}

const isId = (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** Opens the decision that the page's address names (`/#ID`). */
function openFromAddress() {
  const id = location.hash.slice(1).toLowerCase();
  if (isId(id)) findById(id).then(() => state.known.get(id)?.row.scrollIntoView({ block: "center" }));
}

async function findById(id) {
  if (state.known.has(id)) return openClose(state.known.get(id), true);
  try {
    const decision = await get(`/api/v1/decisions/${id}`);
    state.known.set(decision.id, { decision, pinned: true });
    state.order = [decision.id, ...state.order];
    const entry = state.known.get(decision.id);
    entry.row = decisionRow(entry);
    at("rows").prepend(entry.row);
    filter();
    openClose(entry, true);
  } catch {
    // Not known to the gateway either: the empty state already says so.
  }
}

// --- Counters, mechanisms, packs ---

function showCounters(counters) {
  if (!counters.length) return [empty("No person counted yet", "Counters start when a transfer falls under a pack that counts people.")];
  const sorted = [...counters].sort((a, b) => (b.next_share ?? 0) - (a.next_share ?? 0));
  return sorted.map((counter) => {
    const name = counter.counter.replaceAll("-", " ").replace(/^./, (letter) => letter.toUpperCase());
    const limit = counter.next_limit ?? counter.limit;
    const share = counter.next_share ?? 0;
    return el("div", { class: "item" },
      el("div", { class: "item-head" }, el("span", {}, name),
        limit ? pill(share >= 1 ? "grave" : share >= 0.8 ? "warn" : "permit", `${Math.floor(share * 1000) / 10} %`) : null),
      limit ? bar({ before: counter.people, limit, label: name, used: share >= 1 ? "over" : share >= 0.8 ? "near" : "" }) : null,
      el("div", { class: "numbers" },
        el("span", {}, el("strong", {}, number.format(counter.people)), limit ? ` of ${plural(limit, "person", "people")}` : counter.people === 1 ? " person" : " people"),
        el("span", {}, `since ${counter.since}`)),
      counter.forecast ? el("div", { class: "under" }, outlook(counter.forecast)) : null,
      el("div", { class: "under" }, el("code", {}, `${counter.pack}/${counter.counter}`), counter.party ? ` for ${counter.party}` : ""));
  });
}

/** When the next bound is reached, in words. */
function outlook({ per_day, days, early, likely, late }) {
  const rate = `${number.format(Math.round(per_day * 10) / 10)} new a day over ${plural(days, "day")}`;
  if (!likely) return early ? `${rate}; the bound is reached on ${early} at the earliest` : `${rate}; the bound is not reached within a year`;
  return `${rate}; the bound is reached about ${likely} (${early ?? "?"} to ${late ?? "beyond a year"})`;
}

function showMechanisms(mechanisms) {
  if (!mechanisms.length) {
    return [empty("No mechanism declared", "Contracts, certifications and assessments you hold go into ", el("code", {}, "[[mechanism]]"), " of the configuration.")];
  }
  const sorted = [...mechanisms].sort((a, b) => (a.days_left ?? Infinity) - (b.days_left ?? Infinity));
  return sorted.map((mechanism) => {
    const days = mechanism.days_left;
    const label = {
      expired: pill("grave", "expired"),
      future: pill("warn", `from ${mechanism.from}`),
    }[mechanism.state] ?? (days === null || days === undefined ? pill("good", "no end") : pill(days <= 60 ? "warn" : "good", `${plural(days, "day")} left`));
    const whom = [...(mechanism.importers ?? []), ...(mechanism.countries ?? []).map(countryName)].join(", ") || "every importer";
    const until = mechanism.until ? el("span", { class: "whole" }, ` until ${mechanism.until}`) : null;
    return el("div", { class: "item" },
      el("div", { class: "item-head" }, el("span", {}, mechanism.id), label),
      el("div", { class: "under" }, `${mechanism.kind} with ${whom}`, until),
      el("div", { class: "under" }, `covers ${mechanism.categories?.length ? mechanism.categories.join(", ") : "every category"}`));
  });
}

function showPacks(packs) {
  if (!packs.length) return [empty("No pack is loaded", "Name a directory of packs with ", el("code", {}, "rules"), " in the configuration, or leave it out to use the packs that come with the gateway.")];
  const rank = { enabled: 0, observed: 1, off: 2 };
  const sorted = [...packs].sort((a, b) => rank[a.state] - rank[b.state] || a.id.localeCompare(b.id));
  const on = sorted.filter((pack) => pack.state !== "off");
  const off = sorted.filter((pack) => pack.state === "off");
  const nodes = on.map((pack) => packItem(pack));
  if (!on.length) nodes.push(empty("Every pack is off", "Name the exporter's country with ", el("code", {}, "--from"), " or ", el("code", {}, "[exporter] country"), " to switch its law on."));
  if (off.length) {
    nodes.push(el("div", { class: "item" }, el("details", {}, el("summary", {}, `${plural(off.length, "pack")} off`),
      ...off.map((pack) => el("div", {}, el("a", { href: `/packs/${encodeURIComponent(pack.id)}` }, pack.id), el("span", { class: "under" }, ` ${pack.title}`))))));
  }
  return nodes;
}

function packItem(pack) {
  const open = (pack.facts ?? []).filter((fact) => !fact.answered);
  // Titles read "Whose law: what it is about".
  const [name, about] = pack.title.split(/: (.*)/s);
  return el("div", { class: "item" },
    el("div", { class: "item-head" }, el("a", { href: `/packs/${encodeURIComponent(pack.id)}` }, name),
      pill({ enabled: "good", observed: "warn" }[pack.state] ?? "permit", pack.state)),
    about ? el("div", { class: "under" }, about) : null,
    el("div", { class: "under" }, el("code", {}, pack.id), `, ${plural(pack.rules?.length ?? 0, "rule")}, version ${pack.version}`),
    open.length ? el("details", {}, el("summary", { class: "warn" }, `${plural(open.length, "question")} not answered, defaults used`),
      el("ul", { class: "questions" }, ...open.map((fact) => el("li", {}, fact.ask, " ", el("code", {}, `${fact.name} = ${fact.default}`))))) : null);
}

// --- Start ---

for (const action of ACTIONS) {
  at("actions").append(el("button", { type: "button", class: action, "aria-pressed": "false", onclick: (event) => {
    const on = !state.only.has(action);
    if (on) state.only.add(action);
    else state.only.delete(action);
    event.currentTarget.setAttribute("aria-pressed", String(on));
    filter();
  } }, mark(action), action, el("span", { id: `count-${action}` }, "0")));
}

at("find").addEventListener("input", (event) => {
  state.find = event.target.value.trim();
  filter();
  if (isId(state.find)) findById(state.find.toLowerCase());
});

at("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  at("pause").textContent = state.paused ? "Resume" : "Pause";
  if (state.paused) linkState("paused", "Paused");
});

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = at("token").value.trim();
  sessionStorage.setItem("tidegate-token", state.token);
  at("token").value = "";
  at("token-form").hidden = true;
  linkState("", "Connecting");
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    at("find").focus();
  }
});

tick();
