// The network drawn as the tree it is: root and recursive nodes, top-level nodes, secondary nodes
// and their enterprises. Drawn once for a width; every second only what has changed is changed.

import { STATES, svg } from "/console/parts.js";
import { milliseconds, rate, word } from "/console/words.js";

const BOX = { root: [118, 46], recursive: [150, 62], "top-level": [150, 62], secondary: [190, 36] };
const DOT = 12;
const ROW = 48;

export class Tree {
  constructor(place, onPick) {
    this.place = place;
    this.onPick = onPick;
    this.nodes = new Map();
    this.edges = new Map();
    this.picked = null;
    this.last = null;
    place.addEventListener("keydown", (event) => this.key(event));
    place.addEventListener("click", (event) => {
      const node = event.target.closest("[data-name]");
      if (node) this.pick(node.dataset.name);
    });
  }

  draw(topology, width) {
    this.topology = topology;
    this.specs = new Map(topology.nodes.map((node) => [node.name, node]));
    this.nodes.clear();
    this.edges.clear();
    const places = this.layOut(Math.max(width, 700));
    this.svg = svg("svg", {
      viewBox: `0 0 ${places.width} ${places.height}`, width: places.width, height: places.height,
      role: "tree", "aria-label": word("topology"),
    });
    this.lines = svg("g", { class: "edges" });
    this.arcs = svg("g", { class: "arcs" });
    const nodes = svg("g", {});
    this.labels = svg("g", {});
    this.svg.append(this.lines, this.labels, this.arcs, nodes);
    for (const edge of places.edges) this.drawEdge(edge);
    for (const [name, at] of places.nodes) nodes.append(this.drawNode(name, at));
    this.place.replaceChildren(this.svg);
    const first = this.picked ?? topology.nodes[0]?.name;
    this.nodes.get(first)?.element.setAttribute("tabindex", "0");
    if (this.picked) this.nodes.get(this.picked)?.element.classList.add("picked");
    if (this.last) this.update(this.last);
  }

  layOut(width) {
    const of = (role) => this.topology.nodes.filter((node) => node.role === role);
    const tops = of("top-level");
    const secondaries = of("secondary");
    const places = { nodes: new Map(), edges: [], width };
    const xTop = 16 + 118 + 40;
    const xSecondary = xTop + 150 + 56;
    const xDots = xSecondary + 190 + 30;
    // As much room for each enterprise as there is, so that the longest row fills the width.
    const counts = new Map();
    for (const node of of("enterprise")) counts.set(node.parent, (counts.get(node.parent) ?? 0) + 1);
    const room = width - xDots - DOT;
    const STEP = Math.min(46, Math.max(30, room / Math.max(1, ...counts.values())));
    const perLine = Math.max(1, Math.floor(room / STEP));
    // Enterprises whose parent is no secondary node get a row of their own below the others.
    const others = [...new Set(of("enterprise").map((node) => node.parent))]
      .filter((name) => this.specs.get(name)?.role !== "secondary");
    let y = 10;
    const rows = [...secondaries.map((node) => node.name), ...others];
    for (const name of rows) {
      const below = of("enterprise").filter((node) => node.parent === name);
      const lines = Math.max(1, Math.ceil(below.length / perLine));
      const height = Math.max(ROW, lines * STEP + 14);
      const middle = y + height / 2;
      const isSecondary = this.specs.get(name)?.role === "secondary";
      if (isSecondary) places.nodes.set(name, { x: xSecondary, y: middle });
      for (let line = 0; line < lines; line += 1) {
        const part = below.slice(line * perLine, (line + 1) * perLine);
        const lineY = middle + (line - (lines - 1) / 2) * STEP;
        part.forEach((node, number) => places.nodes.set(node.name, { x: xDots + DOT + number * STEP, y: lineY }));
        if (!part.length) continue;
        const start = isSecondary ? xSecondary + 190 : xSecondary;
        const end = xDots + DOT + (part.length - 1) * STEP;
        places.edges.push({
          name, below: part.map((node) => node.name), parent: name,
          path: `M${start} ${middle} C${start + 16} ${middle} ${start + 10} ${lineY} ${xDots - 4} ${lineY} H${end}`,
        });
      }
      y += height;
    }
    places.height = Math.max(y + 10, 330);
    const spread = (names, x, from, to) => names.forEach((node, number) => {
      places.nodes.set(node.name, { x, y: from + ((to - from) * (number + 0.5)) / names.length });
    });
    spread(tops, xTop, places.height * 0.5 - 46 * tops.length, places.height * 0.5 + 46 * tops.length);
    spread(of("root"), 8, 20, Math.min(places.height * 0.34, 20 + 80 * of("root").length));
    spread(of("recursive"), 8, places.height * 0.62, places.height - 20);
    for (const [name, at] of places.nodes) {
      const spec = this.specs.get(name);
      const parent = spec.parent && places.nodes.get(spec.parent);
      if (!parent || spec.role === "enterprise") continue;
      const [parentWidth] = BOX[this.specs.get(spec.parent).role];
      places.edges.push({
        name, below: this.below(name), label: [at.x - 7, at.y - 6],
        path: bend(parent.x + parentWidth, parent.y, at.x, at.y),
      });
    }
    for (const name of others) {
      const parent = places.nodes.get(name);
      const first = places.edges.find((edge) => edge.parent === name);
      if (parent && first) {
        const start = first.path.match(/^M(\S+) (\S+)/);
        first.path = bend(parent.x + 150, parent.y, Number(start[1]), Number(start[2])) + first.path.replace(/^M\S+ \S+/, "");
      }
    }
    for (const front of of("recursive")) {
      const at = places.nodes.get(front.name);
      for (const top of tops) {
        const to = places.nodes.get(top.name);
        places.edges.push({
          name: `${front.name}>${top.name}`, below: [top.name], asks: true,
          path: bend(at.x + 75, at.y - 31, to.x + 40, to.y + 31, true),
        });
      }
    }
    return places;
  }

  // A node and all below it.
  below(name) {
    const children = this.topology.nodes.filter((node) => node.parent === name);
    return [name, ...children.flatMap((node) => this.below(node.name))];
  }

  drawEdge(edge) {
    const line = svg("path", { d: edge.path, class: edge.asks ? "line asks" : "line" });
    const flow = svg("path", { d: edge.path, class: "flow" });
    this.lines.append(line, flow);
    const known = { ...edge, line, flow, speed: "", weight: "", told: "" };
    if (edge.label) {
      known.figure = svg("text", { x: edge.label[0], y: edge.label[1], class: "edge-figure" });
      this.labels.append(known.figure);
    }
    this.edges.set(`${edge.name}#${this.edges.size}`, known);
  }

  drawNode(name, { x, y }) {
    const spec = this.specs.get(name);
    const group = svg("g", {
      class: `node unknown ${spec.role}`, role: "treeitem", tabindex: "-1", "data-name": name,
      transform: `translate(${x} ${y})`,
    });
    const known = { element: group, x, y, state: -1, text: "", spec };
    group.append(svg("title", {}));
    if (spec.role === "enterprise") {
      const label = spec.prefix.split(".").at(-1);
      known.label = label.length < 4 ? label : "";
      known.mark = svg("text", { class: "mark", y: 3.5 }, known.label);
      group.append(svg("circle", { r: DOT, class: "shape" }), known.mark);
      known.out = [x, y];
    } else {
      const [width, height] = BOX[spec.role];
      const small = spec.role === "secondary" || spec.role === "root";
      group.append(
        svg("rect", { y: -height / 2, width, height, rx: 8, class: "shape" }),
        svg("circle", { cx: width - 13, cy: -height / 2 + 13, r: 4.5, class: "lamp" }),
        svg("text", { x: 11, y: small ? -3 : -10, class: "name" }, short(name, 12)),
        svg("text", { x: width - 24, y: small ? -3 : -10, class: "prefix" }, spec.prefix || ""),
      );
      known.figures = svg("text", { x: 11, y: small ? 12 : 8, class: "figures" });
      group.append(known.figures);
      if (!small) {
        known.more = svg("text", { x: 11, y: 23, class: "figures" });
        group.append(known.more);
      }
      known.out = [x + width / 2, y];
    }
    this.nodes.set(name, known);
    return group;
  }

  update(tick) {
    this.last = tick;
    for (const [name, [state, answers, failures, p99]] of Object.entries(tick.nodes)) {
      const node = this.nodes.get(name);
      if (!node) continue;
      if (node.state !== state) {
        node.element.classList.remove(...STATES);
        node.element.classList.add(STATES[state]);
        node.state = state;
        const text = [name, node.spec.title, word(node.spec.role), word(STATES[state])].filter(Boolean).join(", ");
        node.element.setAttribute("aria-label", text);
        node.element.querySelector("title").textContent = text;
        if (node.mark) node.mark.textContent = state >= 2 && state <= 4 ? "✕" : node.label;
      }
      const heat = answers ? Math.min(1, 0.35 + Math.log10(1 + answers) / 5).toFixed(2) : "0.16";
      if (node.heat !== heat) {
        node.element.style.setProperty("--heat", heat);
        node.heat = heat;
      }
      if (!node.figures) continue;
      const sick = state >= 2 && state <= 4;
      let text = sick ? word(STATES[state]) : `${rate(answers)} /s`;
      let more = sick || p99 == null ? "" : `p99 ${milliseconds(p99)}`;
      if (!sick && failures) more += `  ${rate(failures)} ${word("errors")}`;
      if (!node.more && more) text += `   ${more}`;
      if (node.text !== text) node.figures.textContent = node.text = text;
      if (node.more && node.more.textContent !== more) node.more.textContent = more;
    }
    for (const edge of this.edges.values()) {
      const sum = edge.below.reduce((total, name) => total + (tick.nodes[name]?.[1] ?? 0), 0);
      const weight = sum ? (1 + Math.min(5, Math.log10(1 + sum) * 1.2)).toFixed(1) : "1";
      const speed = sum ? `${Math.max(0.4, 2.2 - Math.log10(1 + sum) * 0.45).toFixed(1)}s` : "";
      const told = sum ? `${rate(sum)}/s` : "";
      if (edge.figure && edge.told !== told) edge.figure.textContent = edge.told = told;
      if (edge.weight !== weight) edge.line.style.strokeWidth = edge.flow.style.strokeWidth = edge.weight = weight;
      if (edge.speed !== speed) {
        edge.flow.classList.toggle("moving", sum > 0);
        edge.flow.style.animationDuration = edge.speed = speed;
      }
    }
  }

  pick(name, { quietly = false } = {}) {
    const node = this.nodes.get(name);
    if (!node) return;
    for (const other of this.nodes.values()) {
      other.element.setAttribute("tabindex", "-1");
      other.element.classList.remove("picked");
    }
    node.element.setAttribute("tabindex", "0");
    node.element.classList.add("picked");
    this.picked = name;
    if (!quietly) this.onPick(name);
  }

  key(event) {
    const name = event.target.closest?.("[data-name]")?.dataset.name;
    if (!name) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick(name);
      return;
    }
    const to = this.neighbour(name, event.key);
    if (!to) return;
    event.preventDefault();
    this.nodes.get(name).element.setAttribute("tabindex", "-1");
    this.nodes.get(to).element.setAttribute("tabindex", "0");
    this.nodes.get(to).element.focus();
  }

  // The node an arrow leads to: the nearest in that direction.
  neighbour(name, key) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[key];
    if (!way) return null;
    const [fromX, fromY] = this.nodes.get(name).out;
    let best = null;
    let least = Infinity;
    for (const [other, node] of this.nodes) {
      const [x, y] = [node.out[0] - fromX, node.out[1] - fromY];
      const along = x * way[0] + y * way[1];
      const beside = Math.abs(x * way[1]) + Math.abs(y * way[0]);
      const cost = along + beside * 2.5;
      if (other !== name && along > 1 && cost < least) [best, least] = [other, cost];
    }
    return best;
  }

  // Shows who asked whom, one after the other; resolves when the last has been shown.
  async trace(front, names, step = 420) {
    this.arcs.replaceChildren();
    const from = this.nodes.get(front);
    for (const node of this.nodes.values()) node.element.classList.remove("asked");
    from?.element.classList.add("asked");
    for (const name of names) {
      const node = this.nodes.get(name);
      if (!node) continue;
      if (from) {
        const [x1, y1] = [from.x + BOX.recursive[0], from.y];
        const [x2, y2] = [node.spec.role === "enterprise" ? node.x - DOT : node.x, node.y];
        const reach = Math.max(60, (x2 - x1) * 0.55);
        const arc = svg("path", { class: "arc", pathLength: 100, d: `M${x1} ${y1} C${x1 + reach} ${y1} ${x2 - reach} ${y2} ${x2} ${y2}` });
        this.arcs.append(arc);
      }
      await new Promise((done) => setTimeout(done, step));
      node.element.classList.add("asked");
    }
    clearTimeout(this.fading);
    this.fading = setTimeout(() => this.forget(), 9000);
  }

  forget() {
    this.arcs?.replaceChildren();
    for (const node of this.nodes.values()) node.element.classList.remove("asked");
  }
}

function bend(x1, y1, x2, y2, upwards = false) {
  if (upwards) return `M${x1} ${y1} C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`;
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

function short(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
