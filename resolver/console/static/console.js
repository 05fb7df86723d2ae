// The page as a whole: what comes in live, the figures of the tiers, tabs, keys, language, theme.

import { explain, nameFaults, setUpExplain, setUpFaults, setUpRegister, showFaults, showNode } from "/console/forms.js";
import { byId, isSick, make, recall, remember, STATES, svg } from "/console/parts.js";
import { showRecent } from "/console/recent.js";
import { Tree } from "/console/tree.js";
import { duration, milliseconds, number, percent, rate, setLanguage, word } from "/console/words.js";

const TIERS = ["recursive", "top-level", "secondary", "enterprise"];
const HISTORY = 90;

const now = { topology: null, tick: null, kept: null, recent: [], picked: null, history: {}, events: null };
let language = recall("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

const tree = new Tree(byId("tree"), (name) => {
  now.picked = now.topology.nodes.find((node) => node.name === name);
  byId("fault-node").value = name;
  openTab("node");
  showNode(now.picked, now.tick, tree, openTab);
});

// ----------------------------------------------------------------------------------- what comes

function listen() {
  now.events?.close();
  const events = now.events = new EventSource("/console/events");
  events.addEventListener("topology", (event) => takeTopology(JSON.parse(event.data)));
  events.addEventListener("tick", (event) => takeTick(JSON.parse(event.data)));
  events.addEventListener("kept", (event) => { now.kept = JSON.parse(event.data); showKept(); });
  events.addEventListener("recent", (event) => { now.recent = JSON.parse(event.data); tellRecent(); });
  events.onopen = () => liveness("live");
  events.onerror = () => liveness("lost");
}

function liveness(state) {
  byId("live").className = `dim ${state}`;
  const text = byId("live").querySelector("span");
  text.dataset.word = state;
  text.textContent = word(state);
}

function takeTopology(topology) {
  const isNew = JSON.stringify(topology) !== JSON.stringify(now.topology);
  now.topology = topology;
  if (!isNew) return;
  byId("network").textContent = topology.network === "wuhan" ? "" : topology.network;
  document.title = `${topology.network} · console`;
  const fronts = topology.nodes.filter((node) => node.role === "recursive");
  const others = topology.nodes.filter((node) => node.role !== "recursive");
  byId("front").replaceChildren(...[...fronts, ...others].map((node) => make("option", { value: node.name }, node.name)));
  byId("nodes").replaceChildren(...topology.nodes.map((node) => make("option", { value: node.name }, node.title)));
  const first = topology.nodes.find((node) => node.role === "enterprise");
  if (first) byId("identifier").placeholder = `${first.prefix}/000001`;
  if (first) byId("new-handle").placeholder = `${first.prefix}/pump-7`;
  tree.draw(topology, byId("tree").clientWidth);
}

function takeTick(tick) {
  now.tick = tick;
  for (const role of TIERS) {
    const history = now.history[role] ??= [];
    history.push(tick.tiers[role]?.[0] ?? 0);
    if (history.length > HISTORY) history.shift();
  }
  showTick();
}

function showTick() {
  const { tick } = now;
  if (!tick) return;
  const states = Object.values(tick.nodes).map(([state]) => state);
  const sick = states.filter(isSick).length;
  const faulty = states.filter((state) => state === 1).length;
  const health = byId("health");
  const text = sick ? word("someSick", { sick, n: states.length })
    : faulty ? word("someFaulty", { faulty, n: states.length }) : word("allAnswer", { n: states.length });
  if (health.textContent !== text) health.textContent = text;
  health.className = `pill ${sick ? "sick" : faulty ? "faulty" : "up"}`;
  tree.update(tick);
  for (const role of TIERS) showCard(role, tick.tiers[role]);
  if (now.picked && !byId("node").hidden) showNode(now.picked, tick, tree, openTab);
  if (!byId("faults").hidden) showFaults(tick);
}

// ---------------------------------------------------------------------------------------- cards

function setUpCards() {
  byId("cards").replaceChildren(
    ...TIERS.map((role) => make("article", { class: "panel card", "data-role": role },
      make("h2", {}, word(role)),
      make("p", { class: "big" }, make("b", {}, "–"), make("span", { class: "dim" }, word("perSecond"))),
      make("p", { class: "facts dim" }),
      svg("svg", { viewBox: `0 0 ${HISTORY} 30`, preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("path", { class: "area" }), svg("path", { class: "curve" })))),
    make("article", { class: "panel card", id: "target" },
      make("h2", {}, word("target")),
      make("p", { class: "big" }, make("b", {}, "–"), make("span", { class: "dim" })),
      make("p", { class: "facts dim" }),
      make("progress", { max: 1, value: 0, "aria-label": word("target") })),
  );
}

function showCard(role, figures) {
  const card = byId("cards").querySelector(`[data-role="${role}"]`);
  if (!figures) {
    card.hidden = true;
    return;
  }
  const [answers, failures, p99, hits] = figures;
  card.querySelector("b").textContent = rate(answers);
  const facts = [`${word("p99")} ${milliseconds(p99)}`];
  for (const name of ["leaf", "route"]) {
    if (role === "recursive" && hits[name] != null) facts.push(`${word(name)} ${percent(hits[name])}`);
  }
  const trouble = failures ? make("b", {}, ` · ${rate(failures)} ${word("errors")}`) : "";
  card.querySelector(".facts").replaceChildren(facts.join(" · "), trouble);
  const history = now.history[role];
  const most = Math.max(...history, 1);
  const start = HISTORY - history.length;
  const points = history.map((value, at) => `${start + at} ${(28 - (value / most) * 26).toFixed(1)}`);
  card.querySelector(".curve").setAttribute("d", `M${points.join("L")}`);
  card.querySelector(".area").setAttribute("d", `M${start} 30L${points.join("L")}L${HISTORY - 1} 30Z`);
}

function showKept() {
  if (!now.kept || !now.topology) return;
  const { requests, successes, ranking, remaining_s: left } = now.kept;
  const { target } = now.topology;
  const card = byId("target");
  card.querySelector("b").textContent = number(requests);
  card.querySelector("span").textContent = word("of", { n: number(target) });
  card.querySelector(".facts").textContent =
    left == null ? word("noRate") : word("left", { time: duration(left) });
  card.querySelector("progress").value = Math.min(1, requests / target);
  card.title = `${number(requests)} → ${number(successes)}`;
  showRanking(ranking);
}

function tellRecent() {
  if (byId("recent").hidden) return;
  showRecent(now.recent, (row) => {
    openTab("explain");
    byId("front").value = row.node;
    explain(tree, row.handle, row.node);
  });
}

function showRanking(ranking) {
  const head = ["rank", "node", "title", "prefix", "enterprises", "identifiers", "resolutions", "success", ""];
  const numbers = new Set(["rank", "enterprises", "identifiers", "resolutions", "success"]);
  byId("ranking").tHead.replaceChildren(make("tr", {}, ...head.map((key) => make("th", { scope: "col", class: numbers.has(key) ? "num" : "" }, key && word(key)))));
  const most = Math.max(1, ...ranking.map((row) => row.requests));
  byId("ranking").tBodies[0].replaceChildren(...ranking.map((row, at) => {
    const spec = now.topology.nodes.find((node) => node.name === row.node);
    const bar = make("i", { class: "share" });
    bar.style.width = `${(row.requests / most) * 100}%`;
    return make("tr", {},
      make("td", { class: "num dim" }, String(at + 1)),
      make("td", {}, make("button", { class: "link", type: "button", onclick: () => tree.pick(row.node) }, row.node)),
      make("td", {}, spec.title.replace(/\s*\(fictional\)/, "")), make("td", { class: "mono" }, spec.prefix),
      make("td", { class: "num" }, number(row.enterprises)), make("td", { class: "num" }, number(row.records)),
      make("td", { class: "num" }, number(row.requests)),
      make("td", { class: "num" }, row.requests ? percent(row.successes / row.requests) : "–"),
      make("td", { class: "wide" }, bar));
  }));
}

// ----------------------------------------------------------------------------------------- tabs

function openTab(name) {
  for (const tab of byId("tabs").children) {
    const isOpen = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", isOpen);
    tab.tabIndex = isOpen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !isOpen;
  }
  if (name === "node") showNode(now.picked, now.tick, tree, openTab);
  if (name === "faults") showFaults(now.tick);
  if (name === "recent") tellRecent();
}

byId("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) openTab(tab.getAttribute("aria-controls"));
});
byId("tabs").addEventListener("keydown", (event) => {
  const tabs = [...byId("tabs").children];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = tabs.indexOf(document.activeElement);
  if (!step || at < 0) return;
  const next = tabs[(at + step + tabs.length) % tabs.length];
  openTab(next.getAttribute("aria-controls"));
  next.focus();
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    openTab("explain");
    byId("identifier").focus();
    byId("identifier").select();
  } else if (event.key === "Escape") {
    tree.forget();
    if (typing) event.target.blur();
  }
});

// --------------------------------------------------------------------------- language and theme

function speak(name) {
  language = setLanguage(name);
  remember("language", language);
  byId("language").textContent = word("other");
  byId("legend").replaceChildren(
    ...["up", "faulty", "stopped"].map((state) => make("li", { class: state }, make("i", { class: "lamp" }), state === "stopped" ? `${word("stopped")} / ${word("silent")} / ${word("down")}` : word(state))),
    make("li", { class: "dim" }, word("widthNote")));
  setUpCards();
  nameFaults();
  if (now.topology) tree.draw(now.topology, byId("tree").clientWidth);
  showTick();
  showKept();
  tellRecent();
  showNode(now.picked, now.tick, tree, openTab);
  showFaults(now.tick);
}

byId("language").addEventListener("click", () => speak(language === "en" ? "zh" : "en"));

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  remember("theme", theme);
}

byId("theme").addEventListener("click", () => dress(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
dress(recall("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));

// Nobody watches a hidden page: then the network need not be looked at either.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    now.events?.close();
    liveness("paused");
  } else {
    listen();
  }
});

let width = 0;
new ResizeObserver(([entry]) => {
  if (!now.topology || Math.abs(entry.contentRect.width - width) < 8) return;
  width = entry.contentRect.width;
  tree.draw(now.topology, width);
}).observe(byId("tree"));

setUpExplain(tree);
setUpFaults();
setUpRegister(tree, openTab);
speak(language);
openTab("explain");
listen();

export { now, STATES };
