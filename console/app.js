// Makes pages faster and live; every page is right without it.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const region = () => byId("live");
  const say = (text) => { byId("said").textContent = text; };

  // Puts the region of another address (or of this one as it is now) in place of the one shown.
  async function swap(address, push) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 2000);
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: controller.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      if (!next) throw new Error("no region");
      if (push) history.pushState(null, "", address);
      put(next, push);
      document.title = page.title;
      return true;
    } catch (error) {
      if (push) location.assign(address);
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  // Where somebody stands (focus, scrolling, opened details) stays; a change of state is said aloud.
  function put(next, moved) {
    const old = region(), pane = byId("pane"), active = document.activeElement;
    const top = pane ? pane.scrollTop : 0, state = byId("state");
    const open = [...old.querySelectorAll("details")].map((details) => details.open);
    const at = old.contains(active) ? place(old, active) : null;
    if (!moved) next.querySelectorAll("details").forEach((details, n) => { if (open[n]) details.open = true; });
    old.replaceWith(next);
    ready();
    if (moved) return;
    if (byId("pane")) byId("pane").scrollTop = top;
    if (at) find(next, at)?.focus({ preventScroll: true });
    const now = byId("state");
    if (state && now && state.textContent !== now.textContent) say(`Scan: ${now.textContent}`);
  }

  function place(within, element) {
    if (element.id) return { id: element.id };
    const selector = element.tagName === "A" ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : element.tagName;
    return { selector, nth: [...within.querySelectorAll(selector)].indexOf(element) };
  }
  const find = (within, at) => (at.id ? byId(at.id) : within.querySelectorAll(at.selector)[at.nth]);

  function times() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const minutes = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 60000));
      if (minutes >= 86400) continue;
      const text = minutes < 1 ? "just now" : minutes < 60 ? `${minutes} min ago`
        : minutes < 1440 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} d ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // What only a script can do appears with it.
  function ready() {
    times();
    if (navigator.clipboard) for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
    byId("keys-help")?.removeAttribute("hidden");
    if (document.querySelector("[data-again]")) setTimeout(again, 2000);
  }

  // Whether somebody has begun to fill something in: it must not be swapped away.
  function busy() {
    const touched = (field) => (/^(checkbox|radio)$/.test(field.type) ? field.checked !== field.defaultChecked
      : field.value !== (field.options ? ([...field.options].find((option) => option.defaultSelected) || field.options[0])?.value : field.defaultValue));
    return document.querySelector("dialog[open]") || [...region().querySelectorAll("input, textarea, select")].some(touched);
  }

  // What is under way is asked for again until it has ended.
  async function again() {
    if (document.hidden || busy() || !(await swap(location.href, false))) setTimeout(again, 2000);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) {
      const word = button.textContent;
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = "Copied";
        say("Copied");
      } catch (error) {
        button.textContent = "Not allowed";
      }
      setTimeout(() => { button.textContent = word; }, 1500);
      return;
    }
    if (event.target.closest("#keys-help")) return help();
    // A menu closes when something else is pressed.
    for (const menu of document.querySelectorAll("details.drop[open]")) if (!menu.contains(event.target)) menu.open = false;
    const link = event.target.closest("a[data-pane]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button) return;
    event.preventDefault();
    const shown = new URL(location.href).searchParams.get("finding");
    if (!(await swap(link.href, true))) return;
    const target = byId("pane") || byId(`f${shown}`) || region();
    target.focus({ preventScroll: target.id !== "pane" });
    byId("pane")?.scrollIntoView({ block: "nearest" });
  });
  addEventListener("popstate", async () => {
    if (!(await swap(location.href, false))) location.reload();
  });

  // What a rule would hide is asked for while it is typed.
  let typed = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-preview]");
    if (!form) return;
    clearTimeout(typed);
    typed = setTimeout(async () => {
      const body = new URLSearchParams(new FormData(form));
      body.delete("_key");
      body.set("do", "preview");
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } }).catch(() => null);
      const next = answer && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("preview");
      if (next) byId("preview").replaceWith(next);
    }, 300);
  });

  // Keys. Those of a single letter can be switched off, and do nothing while somebody types.
  const GO = { o: "/", r: "/recommendations", i: "/inventory", f: "/findings", v: "/vulnerabilities", u: "/rules", a: "/activity", s: "/settings" };
  const KEYS = [["/", "the filter of the list"], ["Ctrl K", "go to an image, CVE, package or repository"], ["j  k", "next, previous row"], ["Enter", "open the row"], ["x", "select the row"],
    ["[  ]", "previous, next finding in the pane"], ["Esc", "close the pane"], ["g then o r i f v u", "overview, recommendations, inventory, findings, vulnerabilities, rules"], ["?", "these keys"]];
  const off = () => { try { return localStorage.getItem("keys") === "off"; } catch (error) { return false; } };
  let went = 0;

  function help() {
    const dialog = document.createElement("dialog"), list = document.createElement("dl"), title = document.createElement("h2");
    dialog.className = "keys";
    title.textContent = "Keys";
    dialog.setAttribute("aria-label", "Keys");
    for (const [key, what] of KEYS) {
      const name = document.createElement("dt"), text = document.createElement("dd"), cap = document.createElement("kbd");
      cap.textContent = key;
      text.textContent = what;
      name.append(cap);
      list.append(name, text);
    }
    const toggle = document.createElement("button"), close = document.createElement("button"), acts = document.createElement("div");
    const word = () => { toggle.textContent = off() ? "Switch keys of one letter on" : "Switch keys of one letter off"; };
    toggle.addEventListener("click", () => { localStorage.setItem("keys", off() ? "on" : "off"); word(); });
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    word();
    acts.className = "acts";
    acts.append(toggle, close);
    dialog.append(title, list, acts);
    document.body.append(dialog);
    dialog.showModal();
  }

  function step(by) {
    const rows = [...region().querySelectorAll("tbody td.lead a")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement.closest("tr")?.querySelector("td.lead a"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("dialog[open]");
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      const field = document.querySelector(".jump input");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (event.key === "Escape") {
      const menu = document.querySelector("details.drop[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); } else document.querySelector(".pane .close")?.click();
      return;
    }
    if (off()) return;
    const then = Date.now() - went < 1000 ? GO[event.key] : undefined;
    went = event.key === "g" ? Date.now() : 0;
    if (then) {
      const link = document.querySelector(`#nav a[href^="${then}"]`);
      if (link) link.click(); else if (then !== GO.a && then !== GO.s) location.assign(then);
      return;
    }
    if (event.key === "/") {
      const field = document.querySelector("main input[type=search]") || document.querySelector("input[type=search]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x") document.activeElement.closest("tr")?.querySelector(".pick input")?.click();
    else if (event.key === "]") document.querySelector(".pane a[rel=next]")?.click();
    else if (event.key === "[") document.querySelector(".pane a[rel=prev]")?.click();
    else if (event.key === "?") help();
  });

  // The server says that something changed; the page asks again and so meets the same checks. A page that nobody looks at
  // holds no connection.
  let known = document.body.dataset.live, latest = known, source = null, timer = 0;
  async function renew() {
    timer = 0;
    if (latest === known || document.hidden) return;
    const wanted = latest;
    if (busy()) { timer = setTimeout(renew, 2000); return; }
    if (await swap(location.href, false)) known = wanted;
    if (latest !== known) timer = setTimeout(renew, 1000);
  }
  function listen() {
    if (document.hidden || source) return;
    source = new EventSource("/live");
    source.onmessage = (event) => {
      latest = event.data;
      timer ||= setTimeout(renew, 300);
    };
  }
  if (known !== undefined) {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { source?.close(); source = null; } else listen();
    });
    addEventListener("pagehide", () => { source?.close(); source = null; });
    addEventListener("pageshow", listen);
    listen();
  }
  setInterval(times, 30000);
  ready();
})();
