// The mailbox column: what arrived, what was written and its fate.
"use strict";

const seen = new Set(); // IDs of mails that were opened

const mailbox = {
  as: "", open: "", answers: "",
  start() {
    const files = byId("mail-files");
    files.addEventListener("change", () => files.parentElement.classList.toggle("full", files.files.length > 0));
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
      el("span", { className: "meta", text: " " + (open ? "" : (m.written ? words.to + words.colon + (m.to || []).join(", ") : words.from + words.colon + unquoted(m.from)) + " · ") + time(m.at) })));
    if (!open) return item;
    const detail = el("div", { className: "mail-detail" });
    for (const [label, value] of [[words.from, unquoted(m.from)], [words.to, (m.to || []).join(", ")], [words.cc, (m.cc || []).join(", ")]]) {
      if (value) detail.append(el("div", { className: "meta", text: label + words.colon + value }));
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
      byId("mail-files").parentElement.classList.remove("full");
    }
  },
};

// unquoted leaves out the quotation marks that headers need around some names.
const unquoted = (address) => address.replace(/^"([^"\\]*)" </, "$1 <");

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
