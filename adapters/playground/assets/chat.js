// The chat columns: rooms, messages, threads, reactions, buttons.
"use strict";

const quick = ["✉️", "👀", "✅"];
const quickOnCard = ["✋", "✅"]; // take, close
const palette = ["✉️", "👀", "✅", "✋", "🎫", "⏳", "👍", "🙏", "❤️", "🎉", "❌"];

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
    // The column is narrower now, and its lines have moved.
    this.list.querySelector(`:scope > [data-id="${CSS.escape(id)}"]`)?.scrollIntoView({ block: "nearest" });
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
      item.append(el("div", { className: "meta", text: "↪ " + name(to.by) + words.colon + to.text.slice(0, 80) }));
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
      title: r.by.map(name).join(", "), "aria-label": `${r.emoji} ${r.by.length}${words.colon}${r.by.map(name).join(", ")}`,
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
    const shortcuts = this.kind !== "team" ? [] : m.card ? quickOnCard : quick;
    const has = (emoji) => m.reactions?.some((r) => emojiKey(r.emoji) === emojiKey(emoji) && r.by.includes(this.as));
    // A second tap takes the reaction back, as people know it elsewhere.
    const react = (emoji) => act(has(emoji) ? "unreact" : "react", { as: this.as, room: m.room, id: m.id, emoji });
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
    toast(words.failed + words.colon + reply.error[words.lang]);
  } catch {
    toast(words.failed + words.colon + words.unreachable);
  }
  return null;
}
