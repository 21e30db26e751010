// The page of the playground: one state, filled once and then by the event
// stream, and functions that draw what changed. No framework.
"use strict";

const config = JSON.parse(document.getElementById("config").textContent);
const words = config.words;
const quick = ["✉️", "👀", "✅"];
const palette = ["✉️", "👀", "✅", "🎫", "⏳", "👍", "🙏", "❤️", "🎉", "❌"];

const state = {
  network: "", seq: 0, dress: "full",
  accounts: new Map(), rooms: new Map(), messages: new Map(), mails: new Map(),
};
const seen = new Set(); // IDs of mails that were opened
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
const time = (at) => new Date(at).toLocaleTimeString(words.lang, { hour: "2-digit", minute: "2-digit" });
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
    toast(words.failed + " : " + words.unreachable);
    return null;
  }
  if (reply.error) {
    toast(words.failed + " : " + reply.error[words.lang]);
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

// --- chat ----------------------------------------------------------------

class Panel {
  constructor(kind) {
    this.kind = kind;
    this.root = byId("panel-" + kind);
    this.who = byId(kind + "-who");
    this.select = byId(kind + "-room");
    this.list = byId(kind + "-messages");
    this.aside = byId(kind + "-thread");
    this.threadList = byId(kind + "-thread-messages");
    this.private = byId(kind + "-private");
    this.room = "";
    this.as = "";
    this.thread = ""; // ID of the open thread's root
    this.who.addEventListener("change", () => this.chooseWho());
    this.select.addEventListener("change", () => this.chooseRoom());
    this.aside.querySelector(".close").addEventListener("click", () => this.openThread(""));
    this.compose(byId(kind + "-composer"), () => "");
    this.compose(byId(kind + "-thread-composer"), () => this.thread);
  }

  // rooms that this panel may show to whom it plays.
  rooms() {
    return [...state.rooms.values()].filter((r) =>
      r.kind === this.kind || r.kind === "direct" && r.members?.includes(this.as));
  }

  people() {
    const team = new Set([...state.rooms.values()].filter((r) => r.kind === "team").flatMap((r) => r.members || []));
    const people = [...state.accounts.values()].filter((a) => !a.bot && (this.kind !== "team" || team.has(a.id)));
    // Customers first where customers ask, the team first elsewhere.
    const order = (a) => (a.role === "customer" || a.role === "visitor" ? 0 : 1) * (this.kind === "public" ? 1 : -1);
    return people.sort((a, b) => order(a) - order(b));
  }

  refill() {
    const people = this.people();
    if (!people.some((a) => a.id === this.as)) {
      const kept = remembered(this.kind + ".as");
      this.as = people.some((a) => a.id === kept) ? kept : people[0]?.id || "";
    }
    this.who.replaceChildren(...people.map((a) => el("option", { value: a.id, text: a.name })));
    if (this.kind === "public") this.who.append(el("option", { value: "+", text: words.visitor }));
    this.who.value = this.as;
    const rooms = this.rooms();
    if (!rooms.some((r) => r.name === this.room)) {
      this.room = rooms[0]?.name || "";
      this.openThread("");
    }
    this.select.replaceChildren(...rooms.map((r) => el("option", { value: r.name, text: this.roomLabel(r) })),
      el("option", { value: "+", text: words.direct }));
    this.select.value = this.room;
    this.drawTopic();
  }

  roomLabel(room) {
    if (room.kind !== "direct") return "#" + room.name;
    return "@" + room.members.filter((m) => m !== this.as).map(name).join(", ");
  }

  drawTopic() {
    const topic = this.root.querySelector(".topic");
    const room = state.rooms.get(this.room);
    topic.textContent = room?.gone ? words.roomGone : room?.topic || "";
    topic.hidden = topic.textContent === "";
    for (const t of this.root.querySelectorAll(".composer textarea")) {
      const label = t.closest("aside") ? words.inThread : words.message + " " + (room ? this.roomLabel(room) : "");
      t.setAttribute("aria-label", label);
      t.placeholder = t.closest("aside") ? words.thread + "…" : room ? this.roomLabel(room) + "…" : "";
    }
  }

  async chooseWho() {
    if (this.who.value === "+") {
      const got = await ask({ title: words.visitorName, submit: words.save, fields: [{ name: "name", label: words.visitorName }] });
      const reply = got && await act("account", { name: got.name });
      if (reply) {
        state.accounts.set(reply.account.id, reply.account);
        this.as = reply.account.id;
      }
    } else {
      this.as = this.who.value;
    }
    remember(this.kind + ".as", this.as);
    this.refill();
    this.draw();
  }

  async chooseRoom() {
    if (this.select.value === "+") {
      const others = [...state.accounts.values()].filter((a) => a.id !== this.as);
      const got = await ask({ title: words.directTo, submit: words.openThread && "OK",
        fields: [{ name: "with", label: words.directTo, options: others.map((a) => ({ value: a.id, label: a.name })) }] });
      const reply = got && await act("direct", { as: this.as, with: got.with });
      if (reply) {
        if (!state.rooms.has(reply.room)) {
          state.rooms.set(reply.room, { name: reply.room, kind: "direct", members: [this.as, got.with] });
        }
        this.room = reply.room;
      }
    } else {
      this.room = this.select.value;
    }
    this.openThread("");
    this.refill();
    this.draw();
  }

  // tell shows a text for the invoker alone.
  tell(text) {
    this.private.replaceChildren(el("strong", { text: words.onlyYou }), text + " ",
      el("button", { type: "button", className: "dismiss", text: words.close, on: { click: () => { this.private.hidden = true; } } }));
    this.private.hidden = false;
  }

  compose(form, thread) {
    const area = el("textarea", { rows: 1, name: "text" });
    const file = el("input", { type: "file", multiple: true, "aria-label": words.attach, title: words.attach });
    const attach = el("label", { className: "attach" }, file, el("span", { text: "📎", "aria-hidden": "true" }));
    const button = el("button", { type: "submit", className: "primary", text: words.send });
    file.addEventListener("change", () => attach.classList.toggle("full", file.files.length > 0));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.append(attach, area, button);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = area.value.trim();
      if (text === "" && file.files.length === 0) return;
      button.disabled = true;
      const done = await this.send(text, thread(), [...file.files]);
      button.disabled = false;
      if (done) {
        area.value = "";
        file.value = "";
        attach.classList.remove("full");
      }
      area.focus();
    });
  }

  async send(text, thread, files) {
    if (text.startsWith("/") && files.length === 0) {
      const reply = await act("slash", { as: this.as, room: this.room, thread, text });
      showAnswer(this, thread, reply);
      return reply !== null;
    }
    const ids = [];
    for (const f of files) {
      const id = await upload(this.as, f);
      if (!id) return false;
      ids.push(id);
    }
    return await act("post", { as: this.as, room: this.room, thread, text, files: ids }) !== null;
  }

  openThread(id) {
    this.thread = id;
    this.aside.hidden = id === "";
    if (id === "") return;
    this.drawThread();
    this.aside.querySelector("textarea").focus();
  }

  draw() {
    const roots = messagesOf(this.room).filter((m) => !m.thread && (!m.deleted || repliesTo(m).length > 0));
    this.list.replaceChildren(...roots.map((m) => this.message(m, false)));
    if (roots.length === 0) this.list.append(el("li", { className: "empty", text: words.empty }));
    this.list.scrollTop = this.list.scrollHeight;
    if (this.thread) this.drawThread();
  }

  drawThread() {
    const root = state.messages.get(this.thread);
    if (!root) return;
    this.threadList.replaceChildren(...[root, ...repliesTo(root)].map((m) => this.message(m, true)));
    this.threadList.scrollTop = this.threadList.scrollHeight;
  }

  // update draws a message that is new or has changed.
  update(m, fresh) {
    if (m.room !== this.room) return;
    const root = m.thread || m.id;
    if (!m.thread) this.place(this.list, m, false, fresh);
    else if (state.messages.has(m.thread)) this.place(this.list, state.messages.get(m.thread), false, false);
    if (this.thread === root) this.place(this.threadList, m, true, fresh);
  }

  place(list, m, inThread, fresh) {
    const near = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    const old = list.querySelector(`:scope > [data-id="${CSS.escape(m.id)}"]`);
    if (m.deleted && (inThread ? m.thread : repliesTo(m).length === 0)) {
      old?.remove();
      return;
    }
    const focus = old?.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const item = this.message(m, inThread);
    if (fresh) item.classList.add("fresh");
    if (old) old.replaceWith(item);
    else {
      list.querySelector(":scope > .empty")?.remove();
      list.append(item);
    }
    if (focus) item.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
    if (near) list.scrollTop = list.scrollHeight;
  }

  message(m, inThread) {
    const item = el("li", {
      className: ["message", m.card && "card", m.notice && "notice"].filter(Boolean).join(" "),
      data: { id: m.id, by: m.by, thread: m.thread || "" },
    });
    const account = state.accounts.get(m.by);
    item.append(el("div", { className: "meta" }, el("span", { className: "who", text: name(m.by) }),
      account?.bot ? el("span", { className: "badge", text: words.bot }) : null, " ",
      el("time", { datetime: m.at, text: time(m.at) }),
      m.revision ? el("span", { className: "badge", text: words.edited }) : null,
      m.pinned ? el("span", { className: "badge", text: "📌 " + words.pinned }) : null));
    if (m.deleted) {
      item.append(el("div", { className: "body meta", text: words.deleted }), this.tools(m, inThread));
      return item;
    }
    if (m.reply_to && state.messages.has(m.reply_to)) {
      const to = state.messages.get(m.reply_to);
      item.append(el("div", { className: "meta", text: "↪ " + name(to.by) + " : " + to.text.slice(0, 80) }));
    }
    const body = el("div", { className: m.html ? "body" : "body plain", dir: "auto" });
    if (m.html) body.innerHTML = m.html; // cleaned by the server
    else body.textContent = m.text;
    for (const a of body.querySelectorAll("a")) { a.target = "_blank"; a.rel = "noopener noreferrer"; }
    item.append(body);
    if (m.files?.length) item.append(el("div", { className: "files" }, ...m.files.map(fileLink)));
    if (m.buttons?.length) item.append(el("div", { className: "buttons" }, ...m.buttons.map((b) => this.button(m, b))));
    if (m.reactions?.length) item.append(this.reactions(m));
    item.append(this.tools(m, inThread));
    return item;
  }

  button(m, b) {
    return el("button", {
      type: "button", className: b.style || "", text: b.label,
      data: { action: b.action, value: b.value || "", focus: "b" + b.action + (b.value || "") },
      on: { click: async (event) => {
        const pressed = event.currentTarget;
        pressed.disabled = true;
        const reply = await act("press", { as: this.as, room: m.room, id: m.id, action: b.action, value: b.value || "" });
        pressed.disabled = false;
        showAnswer(this, m.thread || "", reply);
      } },
    });
  }

  reactions(m) {
    return el("div", { className: "reactions" }, ...m.reactions.map((r) => el("button", {
      type: "button", data: { emoji: emojiKey(r.emoji), focus: "r" + r.emoji }, "aria-pressed": String(r.by.includes(this.as)),
      title: r.by.map(name).join(", "), "aria-label": `${r.emoji} ${r.by.length} : ${r.by.map(name).join(", ")}`,
      text: r.emoji + " " + r.by.length,
      on: { click: () => act(r.by.includes(this.as) ? "unreact" : "react", { as: this.as, room: m.room, id: m.id, emoji: r.emoji }) },
    })));
  }

  tools(m, inThread) {
    const tools = el("div", { className: "tools" });
    if (state.dress === "poor") return tools;
    const tool = (key, label, text, fn, extra = "quiet") => el("button", {
      type: "button", className: extra, title: label, "aria-label": label, text, data: { tool: key, focus: "t" + key }, on: { click: fn },
    });
    if (!inThread) {
      const n = repliesTo(m).length;
      const label = n === 0 ? words.openThread : n === 1 ? words.reply1 : n + " " + words.replyN;
      tools.append(el("button", { type: "button", className: "open-thread" + (n || m.card ? "" : " quiet"), text: "💬 " + label,
        data: { tool: "thread", focus: "tthread" }, on: { click: () => this.openThread(m.id) } }));
    }
    if (m.deleted) return tools;
    const gestures = el("span", { className: "gestures" });
    tools.append(gestures);
    const shortcuts = this.kind === "team" ? quick : [];
    const react = (emoji) => act("react", { as: this.as, room: m.room, id: m.id, emoji });
    const emojiTool = (emoji) => {
      const b = tool("react", words.react + " " + emoji, emoji, () => react(emoji), "react");
      b.dataset.emoji = emojiKey(emoji);
      b.dataset.focus = "q" + emoji;
      return b;
    };
    gestures.append(...shortcuts.map(emojiTool), tool("more", words.moreEmoji, "😀", () => {
      const old = tools.querySelector(".palette");
      if (old) { old.remove(); return; }
      tools.append(el("span", { className: "palette" }, ...palette.filter((e) => !shortcuts.includes(e)).map(emojiTool)));
      tools.querySelector(".palette button").focus();
    }));
    if (m.by === this.as) {
      gestures.append(tool("edit", words.edit, "✏️", async () => {
        const got = await ask({ title: words.edit, submit: words.save, fields: [{ name: "text", label: words.edit, long: true, text: m.text }] });
        if (got) act("edit", { as: this.as, room: m.room, id: m.id, text: got.text });
      }), tool("delete", words.delete, "🗑️", async () => {
        if (await ask({ title: words.deleteSure, submit: words.delete, fields: [] })) act("delete", { as: this.as, room: m.room, id: m.id });
      }));
    }
    return tools;
  }
}

function messagesOf(room) {
  return [...state.messages.values()].filter((m) => m.room === room);
}

function repliesTo(root) {
  return [...state.messages.values()].filter((m) => m.thread === root.id && !m.deleted);
}

function fileLink(f) {
  const url = "api/files/" + encodeURIComponent(f.id);
  const link = el("a", { href: url, download: f.name, text: "📎 " + f.name });
  if (!["image/png", "image/jpeg", "image/gif", "image/webp"].includes(f.type)) return link;
  return el("a", { href: url, target: "_blank", rel: "noopener" }, el("img", { src: url, alt: f.name, loading: "lazy" }));
}

async function upload(as, file) {
  try {
    const response = await fetch(`api/files?as=${encodeURIComponent(as)}&name=${encodeURIComponent(file.name)}`, {
      method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file,
    });
    const reply = await response.json();
    if (!reply.error) return reply.id;
    toast(words.failed + " : " + reply.error[words.lang]);
  } catch {
    toast(words.failed + " : " + words.unreachable);
  }
  return null;
}

// --- mail ----------------------------------------------------------------

const mailbox = {
  as: "", open: "", answers: "",
  start() {
    byId("mail-who").addEventListener("change", (event) => {
      this.as = event.currentTarget.value;
      remember("mail.as", this.as);
      this.open = "";
      this.refill();
      this.draw();
    });
    byId("mail-new").addEventListener("click", () => this.write(null));
    byId("mail-cancel").addEventListener("click", () => { byId("mail-form").hidden = true; });
    byId("mail-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  },
  refill() {
    const people = [...state.accounts.values()].filter((a) => a.address);
    if (!people.some((a) => a.id === this.as)) {
      const kept = remembered("mail.as");
      this.as = people.some((a) => a.id === kept) ? kept : people[0]?.id || "";
    }
    byId("mail-who").replaceChildren(...people.map((a) => el("option", { value: a.id, text: a.name })));
    byId("mail-who").value = this.as;
    byId("mail-address").textContent = state.accounts.get(this.as)?.address || "";
  },
  mine() {
    const address = state.accounts.get(this.as)?.address?.toLowerCase();
    return [...state.mails.values()].filter((m) => m.written ? m.sender.toLowerCase() === address : m.recipients.includes(address)).reverse();
  },
  draw() {
    const mails = this.mine();
    byId("mails").replaceChildren(...mails.map((m) => this.item(m)));
    if (mails.length === 0) byId("mails").append(el("li", { className: "empty", text: words.noMail }));
  },
  item(m) {
    const open = this.open === m.id;
    const item = el("li", { className: "mail" + (m.written ? " written" : seen.has(m.id) ? "" : " unread"),
      data: { id: m.id, code: m.written ? String(m.code || 0) : "", messageId: m.message_id || "" } });
    item.append(el("button", { type: "button", className: "open", "aria-expanded": String(open),
      on: { click: () => { this.open = open ? "" : m.id; seen.add(m.id); this.draw(); byId("mails").querySelector(`[data-id="${CSS.escape(m.id)}"] .open`)?.focus(); } } },
      el("span", { className: "subject", text: m.subject || "—" }), fate(m),
      m.automatic ? el("span", { className: "badge", text: words.automatic }) : null,
      !m.written && !seen.has(m.id) ? el("span", { className: "badge good", text: words.new }) : null,
      el("span", { className: "meta", text: " " + (m.written ? words.to + " : " + (m.to || []).join(", ") : words.from + " : " + m.from) + " · " + time(m.at) })));
    if (!open) return item;
    const detail = el("div", { className: "mail-detail" });
    for (const [label, value] of [[words.from, m.from], [words.to, (m.to || []).join(", ")], [words.cc, (m.cc || []).join(", ")]]) {
      if (value) detail.append(el("div", { className: "meta", text: label + " : " + value }));
    }
    detail.append(el("div", { className: "mail-text", dir: "auto", text: m.text }));
    if (m.files?.length) {
      detail.append(el("div", { className: "files" }, ...m.files.map((f, i) => el("a", {
        href: `api/mail/${encodeURIComponent(m.id)}/files/${i}`, download: f.name, text: "📎 " + f.name }))));
    }
    if (m.written && m.answer) detail.append(el("div", { className: "meta", text: (m.code || "") + " " + m.answer }));
    detail.append(el("p", { className: "row" },
      m.written ? null : el("button", { type: "button", className: "answer primary", text: words.answer, on: { click: () => this.write(m) } }),
      el("a", { href: `api/mail/${encodeURIComponent(m.id)}/source`, target: "_blank", rel: "noopener", text: words.source })));
    item.append(detail);
    return item;
  },
  // write opens the form, empty or as an answer to m.
  write(m) {
    this.answers = m ? m.id : "";
    byId("mail-to").value = m ? m.reply_to || m.from : config.support;
    byId("mail-subject").value = m ? (/^re\s*:/i.test(m.subject) ? m.subject : "Re: " + m.subject) : "";
    byId("mail-text").value = "";
    byId("mail-fate").textContent = "";
    byId("mail-form").hidden = false;
    byId(m ? "mail-text" : "mail-subject").focus();
    byId("mail-form").scrollIntoView({ block: "nearest" });
  },
  async send() {
    const files = [];
    for (const f of byId("mail-files").files) {
      files.push({ name: f.name, type: f.type || "application/octet-stream", data: await base64(f) });
    }
    byId("mail-send").disabled = true;
    const reply = await act("mail", { mail: {
      by: this.as, to: [byId("mail-to").value], subject: byId("mail-subject").value, text: byId("mail-text").value,
      answers: this.answers, files,
    } });
    byId("mail-send").disabled = false;
    if (!reply) return;
    byId("mail-fate").replaceChildren(fate({ written: true, code: reply.code }), " " + (reply.answer || ""));
    if (reply.code === 250) {
      byId("mail-form").hidden = true;
      byId("mail-form").reset();
    }
  },
};

function fate(m) {
  if (!m.written) return null;
  const code = m.code || 0;
  const [kind, word] = code === 250 ? ["good", words.accepted] : code === 0 ? ["bad", words.unreachable]
    : code < 500 ? ["warn", words.later] : ["bad", words.refused];
  return el("span", { className: "badge fate " + kind, text: (code ? code + " " : "") + word, data: { code: String(code) } });
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
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
