// Shows what is wrong with the services, where this script stands in the page.
// data-lang: fr or en. data-always: show it when all is well, too.
(function () {
	"use strict";
	var me = document.currentScript, say = me.dataset.lang || document.documentElement.lang || "";
	var base = me.src.replace(/\/embed\.js.*$/, ""), lang = /^en/i.test(say) ? "/en" : /^fr/i.test(say) ? "/fr" : "";
	function make(parent, name, text, href) {
		var e = document.createElement(name);
		if (text) e.textContent = text;
		if (/^https?:/.test(href)) { e.href = href; e.style.color = "inherit"; }
		return parent.appendChild(e);
	}
	fetch(base + lang + "/embed.json").then(function (r) {
		if (!r.ok) throw new Error(r.status);
		return r.json();
	}).then(function (s) {
		if (s.state === "ok" && !("always" in me.dataset)) return;
		var signs = { ok: "✓", minor: "▲", major: "◆", critical: "✖", maintenance: "■" };
		var box = document.createElement("aside");
		box.className = "permanence-status permanence-" + s.state;
		box.setAttribute("aria-label", s.label);
		box.style.cssText = "padding:.75rem 1rem;margin:1rem 0;border:1px solid;border-radius:.6rem;line-height:1.5";
		make(make(box, "div"), "strong", (signs[s.state] || "●") + " " + s.label);
		s.items.forEach(function (i) {
			var line = make(box, "div");
			make(line, "a", i.title, i.url);
			line.appendChild(document.createTextNode(" · " + i.state));
		});
		make(make(box, "div"), "a", s.more, s.url);
		me.parentNode.insertBefore(box, me.nextSibling);
	}).catch(function () { /* The host page loses nothing. */ });
})();
