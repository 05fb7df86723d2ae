// The latest slow and failed resolutions, as the nodes' logs tell them; a click explains one.

import { byId, make } from "/console/parts.js";
import { clock, milliseconds, word } from "/console/words.js";

export function showRecent(rows, onExplain) {
  const place = byId("recent-list");
  if (!rows?.length) {
    place.replaceChildren(make("li", { class: "dim" }, word("noRecent")));
    return;
  }
  place.replaceChildren(...rows.map((row) => make("li", { class: row.kind },
    make("div", { class: "line1" },
      make("b", {}, word(row.kind === "slow" ? "tookLong" : "failed")),
      make("button", { class: "link mono", type: "button", title: word("explain"), onclick: () => onExplain(row) }, row.handle),
      make("span", { class: "time" }, milliseconds(row.seconds * 1000))),
    make("div", { class: "line2 dim" },
      make("span", {}, clock(row.at)),
      make("span", {}, row.node),
      make("span", {}, word("code", { code: row.code })),
      row.message ? make("span", {}, row.message) : null,
      row.trace ? make("span", { class: "mono" }, word("traceId", { id: row.trace })) : null),
    ...pathOf(row.path))));
}

function pathOf(path) {
  if (!path.length) return [];
  const hops = path.map((hop) => {
    const what = hop.kind === "referral" ? `${word("referral")} ${hop.target}` : word(hop.kind);
    return `${hop.node || hop.address} ${hop.question}: ${what} ${milliseconds(hop.seconds * 1000)}`;
  });
  return [make("ol", { class: "dim small" }, ...hops.map((text) => make("li", {}, text)))];
}
