// The page of the playground: one state, filled once and then by the event
// stream, and functions that draw what changed. chat.js and mail.js, loaded
// before, draw the two kinds of columns. No framework.
"use strict";

const config = JSON.parse(document.getElementById("config").textContent);
const words = config.words;
const state = {
  network: "", seq: 0, dress: "full",
  accounts: new Map(), rooms: new Map(), messages: new Map(), mails: new Map(),
};
const panels = new Map(); // "public", "team", "status" -> Panel

// --- small helpers -------------------------------------------------------

function el(tag, attrs = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k === "on") for (const [type, fn] of Object.entries(v)) e.addEventListener(type, fn);
    else if (k === "data") Object.assign(e.dataset, v);
    else if (k === "text") e.textContent = v;
    else e.setAttribute(k === "className" ? "class" : k, v === true ? "" : v);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

const byId = (id) => document.getElementById(id);
const name = (id) => state.accounts.get(id)?.name || id;
// In the zone in which the program tells times, on 24 hours.
const clock = new Intl.DateTimeFormat(words.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: config.zone || undefined });
const time = (at) => clock.format(new Date(at));
const emojiKey = (s) => s.replaceAll("\ufe0f", "");

function remember(key, value) {
  try { localStorage.setItem("playground." + key, value); } catch { /* private window */ }
}
function remembered(key) {
  try { return localStorage.getItem("playground." + key); } catch { return null; }
}

let toastTimer;
function toast(text) {
  const t = byId("toast");
  t.textContent = text;
  t.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { t.hidden = true; }, 6000);
}

async function act(action, body) {
  let reply;
  try {
    const response = await fetch("api/" + action, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    reply = await response.json();
  } catch {
    toast(words.failed + words.colon + words.unreachable);
    return null;
  }
  if (reply.error) {
    toast(words.failed + words.colon + reply.error[words.lang]);
    return null;
  }
  return reply;
}

// --- dialogs -------------------------------------------------------------

// ask shows a form and gives the values, or null when it is left. check may
// send them and give errors by field; the form stays while there are any.
function ask(form, check = async () => null) {
  const dialog = byId("dialog"), body = byId("dialog-form");
  body.replaceChildren(el("h3", { id: "dialog-title", text: form.title }));
  const inputs = new Map(), errors = new Map();
  for (const f of form.fields) {
    let input;
    if (f.options) {
      input = el("select", { name: f.name }, ...f.options.map((o) => el("option", { value: o.value, text: o.label })));
      if (f.text) input.value = f.text;
    } else if (f.long) {
      input = el("textarea", { name: f.name, rows: 5 });
      input.value = f.text || "";
    } else {
      input = el("input", { name: f.name, type: "text", autocomplete: "off" });
      input.value = f.text || "";
    }
    if (!f.optional) input.required = true;
    const error = el("span", { className: "field-error", role: "alert" });
    inputs.set(f.name, input);
    errors.set(f.name, error);
    body.append(el("label", {}, f.label + (f.optional ? ` (${words.optional})` : ""), input, error));
  }
  const submit = el("button", { type: "submit", className: "primary dialog-submit", text: form.submit || words.send });
  body.append(el("p", { className: "row" }, submit,
    el("button", { type: "button", className: "dialog-cancel", text: words.cancel, on: { click: () => dialog.close() } })));
  return new Promise((resolve) => {
    let values = null;
    dialog.onclose = () => resolve(values);
    body.onsubmit = async (event) => {
      event.preventDefault();
      if (!body.reportValidity()) return;
      const got = {};
      for (const [k, input] of inputs) got[k] = input.value;
      submit.disabled = true;
      const wrong = await check(got);
      submit.disabled = false;
      for (const [k, error] of errors) error.textContent = wrong?.[k] || "";
      if (wrong && Object.keys(wrong).length > 0) {
        inputs.get(Object.keys(wrong)[0])?.focus();
        return;
      }
      values = got;
      dialog.close();
    };
    dialog.showModal();
    body.querySelector("input, textarea, select, button")?.focus();
  });
}

// showAnswer shows what a button, a form or a slash command was answered.
async function showAnswer(panel, thread, reply) {
  if (!reply) return;
  if (reply.text) panel.tell(reply.text);
  if (!reply.form) return;
  const form = reply.form;
  let next = null;
  await ask(form, async (fields) => {
    next = await act("submit", { as: panel.as, room: panel.room, thread, form: form.id, value: form.value, fields });
    return next ? next.errors : { [form.fields[0]?.name]: words.failed };
  });
  if (next && !next.errors) await showAnswer(panel, thread, next);
}

// --- tabs ----------------------------------------------------------------

function showTab(tab) {
  document.body.dataset.tab = tab;
  for (const b of document.querySelectorAll(".tabs button")) {
    b.setAttribute("aria-pressed", String(b.dataset.tab === tab));
    if (b.dataset.tab === tab) b.classList.remove("unread");
  }
  const panel = panels.get(tab);
  if (panel) panel.list.scrollTop = panel.list.scrollHeight;
}

function unread(tab) {
  if (document.body.dataset.tab !== tab) document.querySelector(`.tabs button[data-tab="${tab}"]`)?.classList.add("unread");
}

// --- the stream ----------------------------------------------------------

async function load() {
  const all = await (await fetch("api/state")).json();
  state.network = all.network;
  state.seq = all.seq;
  state.dress = all.dress;
  state.accounts = new Map(all.accounts.map((a) => [a.id, a]));
  state.rooms = new Map(all.rooms.map((r) => [r.name, r]));
  state.messages = new Map((all.messages || []).map((m) => [m.id, m]));
  state.mails = new Map((all.mails || []).map((m) => [m.id, m]));
  drawAll();
}

function drawAll() {
  for (const p of panels.values()) {
    p.refill();
    p.draw();
  }
  if (config.mail) {
    mailbox.refill();
    mailbox.draw();
  }
}

function apply(change) {
  state.seq = Math.max(state.seq, change.seq);
  if (change.account) {
    state.accounts.set(change.account.id, change.account);
    for (const p of panels.values()) p.refill();
  }
  if (change.room) {
    state.rooms.set(change.room.name, change.room);
    for (const p of panels.values()) p.refill();
  }
  if (change.message) {
    const m = change.message;
    const fresh = !state.messages.has(m.id);
    state.messages.set(m.id, m);
    for (const [tab, p] of panels) {
      p.update(m, fresh);
      if (fresh && m.room === p.room) unread(tab);
    }
  }
  if (change.mail) {
    const fresh = !state.mails.has(change.mail.id);
    state.mails.set(change.mail.id, change.mail);
    if (config.mail) mailbox.draw();
    if (fresh && !change.mail.written) unread("mail");
  }
}

function live(open) {
  const l = byId("live");
  l.dataset.state = open ? "open" : "lost";
  l.textContent = open ? words.live : words.lost;
}

function listen() {
  const source = new EventSource("events?since=" + state.seq);
  source.onopen = () => live(true);
  source.onmessage = async (event) => {
    const change = JSON.parse(event.data);
    if (change.network === undefined) {
      apply(change);
      return;
    }
    if (change.network !== state.network) { // another journal: begin again
      source.close();
      start();
    }
  };
  source.onerror = () => {
    live(false);
    if (source.readyState === EventSource.CLOSED) { // the browser gave up
      source.close();
      setTimeout(start, 1000);
    }
  };
}

async function start() {
  try {
    await load();
  } catch {
    live(false);
    setTimeout(start, 1000);
    return;
  }
  listen();
}

for (const kind of ["public", "team", "status"]) panels.set(kind, new Panel(kind));
if (config.mail) mailbox.start();
for (const b of document.querySelectorAll(".tabs button")) b.addEventListener("click", () => showTab(b.dataset.tab));
if (matchMedia("(max-width: 700px)").matches) byId("hints").open = remembered("hints") !== "closed";
byId("hints").addEventListener("toggle", () => remember("hints", byId("hints").open ? "open" : "closed"));
start();
