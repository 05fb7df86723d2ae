// Small things all parts of the page use. Text from outside only ever becomes text nodes.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

let hiding = 0;

export function toast(text, isTrouble = false) {
  const place = byId("toast");
  place.textContent = text;
  place.classList.toggle("trouble", isTrouble);
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, isTrouble ? 8000 : 4000);
}

const TOKEN = document.querySelector('meta[name="console-token"]').content;

// The answer of an action; null if it was refused, which is said.
export async function act(name, body) {
  try {
    const answer = await fetch(`/console/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Console-Token": TOKEN },
      body: JSON.stringify(body),
    });
    const document = await answer.json();
    if (answer.ok) return document;
    toast(document.message, true);
  } catch (error) {
    toast(String(error.message), true);
  }
  return null;
}

export const STATES = ["up", "faulty", "stopped", "silent", "down", "unknown"];

export function isSick(state) {
  return state >= 2 && state <= 4;
}

export function remember(key, value) {
  try { localStorage.setItem(`wuhan.${key}`, value); } catch { /* a browser without memory */ }
}

export function recall(key) {
  try { return localStorage.getItem(`wuhan.${key}`); } catch { return null; }
}
