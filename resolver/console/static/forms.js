// The tools beside the tree: explain an identifier, look at a node, register, rehearse faults.

import { act, byId, isSick, make, STATES, toast } from "/console/parts.js";
import { milliseconds, number, rate, word } from "/console/words.js";

const KINDS = {
  delay: ["kindDelay", "200ms"], error: ["kindError", "3"], drop: ["kindDrop", "20%"],
  garbage: ["kindGarbage", "100%"], hang: ["kindHang", "100%"], stop: ["kindStop", ""], disk: ["kindDisk", "200ms"],
};

// ------------------------------------------------------------------------------------- explain

export function setUpExplain(tree) {
  byId("explain-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new FormData(event.target);
    explain(tree, asked.get("id").trim() || byId("identifier").placeholder, asked.get("node"), asked.get("fresh") === "1");
  });
}

export async function explain(tree, identifier, front = "", fresh = false) {
  byId("identifier").value = identifier;
  const place = byId("explained");
  place.setAttribute("aria-busy", "true");
  const query = new URLSearchParams({ id: identifier, node: front, fresh: fresh ? "1" : "0" });
  let told;
  try {
    told = await (await fetch(`/console/explain?${query}`)).json();
  } catch (error) {
    told = { message: String(error.message) };
  }
  place.removeAttribute("aria-busy");
  if (!told.trace) {
    place.replaceChildren(make("p", { class: "outcome failed" }, told.message));
    return;
  }
  const { hops } = told.trace;
  place.replaceChildren(outcomeOf(told), hopsOf(told), ...valuesOf(told));
  const rows = [...place.querySelectorAll(".hop")];
  rows.forEach((row, at) => { row.style.animationDelay = `${at * 0.42}s`; });
  await tree.trace(told.node, hops.map((hop) => hop.node));
}

function outcomeOf(told) {
  const { trace } = told;
  const kind = told.code === 1 ? "found" : [100, 200].includes(told.code) ? "notFound" : "failed";
  const line = make("p", { class: `outcome ${kind}` },
    make("b", {}, word(kind)),
    make("span", { class: "chip" }, word(trace.cache || "miss")),
    make("span", {}, word("in", { time: milliseconds(trace.seconds * 1000) })),
  );
  if (told.scheme && told.handle !== byId("identifier").value.trim()) line.append(make("span", { class: "dim" }, word("scheme", { scheme: told.scheme, handle: told.handle })));
  if (kind !== "found" && told.message) line.append(make("span", { class: "reason" }, told.message));
  return line;
}

function hopsOf(told) {
  const { hops, seconds } = told.trace;
  if (!hops.length) return make("p", { class: "dim" }, word("noHops"));
  const total = Math.max(seconds, hops.reduce((sum, hop) => sum + hop.seconds, 0)) || 1;
  let before = 0;
  const list = make("ol", { class: "hops", "aria-label": word("hops", { n: hops.length }) });
  for (const hop of hops) {
    const bar = make("i", { class: "bar" });
    bar.style.setProperty("--from", `${(before / total) * 100}%`);
    bar.style.setProperty("--long", `${Math.max(1.5, (hop.seconds / total) * 100)}%`);
    before += hop.seconds;
    const what = hop.kind === "referral" ? `${word("referral")} ${hop.target}` : word(hop.kind);
    list.append(make("li", { class: `hop ${hop.kind.replace(" ", "-")}` },
      make("div", { class: "line1" },
        make("b", {}, hop.node || hop.address),
        make("span", { class: "mono" }, hop.question),
        make("span", { class: "time" }, milliseconds(hop.seconds * 1000))),
      make("div", { class: "line2 dim" },
        make("span", {}, what),
        hop.authoritative ? make("span", {}, word("authoritative")) : null,
        hop.cached ? make("span", { class: "chip" }, word("cached")) : null,
        hop.ttl != null ? make("span", {}, `TTL ${number(hop.ttl)}`) : null,
        make("span", {}, `${hop.transport} ${hop.address}`)),
      bar));
  }
  return list;
}

function valuesOf(told) {
  if (!told.values?.length) return [];
  const rows = told.values.map((value) => make("tr", {},
    make("td", { class: "num dim" }, String(value.index)),
    make("td", {}, value.type),
    make("td", { class: "mono" }, shown(value.data))));
  return [make("table", { class: "values" }, make("tbody", {}, ...rows))];
}

function shown(data) {
  const value = data?.value ?? data;
  if (typeof value === "string" && /^https?:\/\//.test(value)) {
    return make("a", { href: value, rel: "noreferrer noopener", target: "_blank" }, value);
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

// ---------------------------------------------------------------------------------------- node

export function showNode(spec, tick, tree, onTab) {
  const place = byId("node");
  if (!spec) {
    place.replaceChildren(make("p", { class: "dim" }, word("pickNode")));
    return;
  }
  const [state, answers, , p99, records] = tick?.nodes[spec.name] ?? [5, 0, 0, null, 0];
  const faults = tick?.faults[spec.name] ?? [];
  const facts = [
    ["state", word(STATES[state])], ["title", spec.title], ["role", word(spec.role)], ["prefix", spec.prefix || "–"],
    ["parent", spec.parent ?? "–"], ["doors", `${spec.host}:${spec.port}`], ["http", `${spec.host}:${spec.httpPort}`],
    ["process", spec.process], ["records", number(records)], ["rate", rate(answers)], ["p99", milliseconds(p99)],
  ];
  const key = JSON.stringify([spec.name, state, faults.map((f) => f[0]), document.documentElement.lang]);
  if (place.dataset.key === key) {
    // Buttons stay as they are, so that nobody loses the focus: only figures change.
    for (const [name, text] of facts) place.querySelector(`[data-fact=${name}]`).textContent = text;
    return;
  }
  place.dataset.key = key;
  const stop = faults.find(([, text]) => text === "stop");
  const button = (name, click, kind = "") => make("button", { type: "button", class: kind, "data-do": name, onclick: click }, word(name));
  const fault = (text) => act("fault", { node: spec.name, fault: text, seconds: 0, match: "" });
  const had = document.activeElement?.closest("#node")?.querySelector(":focus")?.dataset.do;
  place.replaceChildren(
    make("h3", { class: `node-name ${STATES[state]}` }, make("i", { class: "lamp" }), spec.name),
    make("dl", {}, ...facts.flatMap(([name, text]) => [make("dt", {}, word(name)), make("dd", { "data-fact": name }, text)])),
    make("div", { class: "buttons" },
      stop ? button("restore", () => act("clear", { node: spec.name, number: stop[0] }), "main") : button("stop", () => fault("stop"), "danger"),
      button("slow", () => fault("delay=200ms")),
      button("errorNode", () => fault("error=3")),
      spec.role === "enterprise" ? button("sample", () => { onTab("explain"); explain(tree, `${spec.prefix}/000001`); }) : null,
      make("a", { class: "button", href: `http://${spec.host}:${spec.httpPort}/`, target: "_blank", rel: "noreferrer noopener" }, word("openHttp"))),
    faultList([[spec.name, faults]]),
  );
  if (had) place.querySelector(`[data-do=${had}], .buttons button`)?.focus();
}

// -------------------------------------------------------------------------------------- faults

export function setUpFaults() {
  const kind = byId("fault-kind");
  kind.addEventListener("change", () => { byId("fault-value").value = KINDS[kind.value][1]; });
  byId("fault-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = new FormData(event.target);
    const value = asked.get("value").trim();
    const word_ = asked.get("kind") === "stop" || !value ? asked.get("kind") : `${asked.get("kind")}=${value}`;
    const done = await act("fault", {
      node: asked.get("node").trim(), fault: word_, match: asked.get("match"), seconds: Number(asked.get("seconds")) || 0,
    });
    if (done) toast(`${done.node}: ${done.text}`);
  });
  byId("clear-all").addEventListener("click", () => {
    for (const item of byId("fault-list").querySelectorAll("[data-node]")) act("clear", { node: item.dataset.node, number: null });
  });
}

export function nameFaults() {
  const kind = byId("fault-kind");
  const chosen = kind.value || "delay";
  kind.replaceChildren(...Object.entries(KINDS).map(([name, [key]]) => make("option", { value: name, selected: name === chosen }, word(key))));
  if (!byId("fault-value").value && chosen !== "stop") byId("fault-value").value = KINDS[chosen][1];
}

export function showFaults(tick) {
  const place = byId("fault-list");
  const found = Object.entries(tick?.faults ?? {});
  const key = JSON.stringify([found, document.documentElement.lang]);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const list = faultList(found);
  place.replaceChildren(...(list ? list.children : [make("li", { class: "dim" }, word("noFaults"))]));
  byId("clear-all").disabled = !found.length;
}

function faultList(nodes) {
  const items = nodes.flatMap(([name, faults]) => faults.map(([id, text, match, asked, met]) => make("li", { "data-node": name },
    make("b", {}, name), make("code", {}, text), match ? make("span", { class: "mono" }, match) : null,
    make("span", { class: "dim" }, word("affected", { asked: number(asked), met: number(met) })),
    make("button", { type: "button", onclick: () => act("clear", { node: name, number: id }) }, word("end")))));
  return items.length ? make("ul", { class: "fault-list" }, ...items) : null;
}

// ------------------------------------------------------------------------------------ register

export function setUpRegister(tree, onTab) {
  byId("more-values").addEventListener("click", () => addValue("DESC", ""));
  addValue("URL", "https://example.com/");
  byId("register-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const values = [...byId("new-values").children].map((row) => [...row.querySelectorAll("input")].map((input) => input.value));
    const done = await act("register", { handle: form.handle.value, values, overwrite: form.overwrite.checked });
    if (!done) return;
    toast(word("registered", done));
    onTab("explain");
    explain(tree, done.handle, "", true);
  });
}

function addValue(type, text) {
  const row = make("div", { class: "row" },
    make("input", { value: type, "aria-label": word("type"), class: "type", required: true }),
    make("input", { value: text, "aria-label": word("value") }),
    make("button", { type: "button", "aria-label": word("end"), onclick: () => { if (byId("new-values").children.length > 1) row.remove(); } }, "✕"));
  byId("new-values").append(row);
}

export { isSick };
