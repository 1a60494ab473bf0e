// Makes pages faster and live; every page is right without it.
(() => {
  "use strict";
  const region = () => document.getElementById("live");
  async function swap(address, push) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 2000);
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: controller.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      if (!next) throw new Error("no region");
      region().replaceWith(next);
      document.title = page.title;
      if (push) history.pushState(null, "", address);
      times();
      return true;
    } catch (error) {
      if (push) location.assign(address);
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
  function times() {
    const word = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
    for (const time of document.querySelectorAll("time[datetime]")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, s]) => Math.abs(seconds) >= s) || ["second", 1];
      time.title = time.dateTime;
      time.textContent = word.format(Math.round(seconds / size), unit);
    }
  }
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-pane]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const id = link.id;
    if (await swap(link.href, true)) (document.getElementById("pane") || document.getElementById(id) || region()).focus();
  });
  addEventListener("popstate", () => swap(location.href, false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.querySelector(".pane .close")?.click();
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
      const field = document.querySelector("input[type=search]");
      if (field) { event.preventDefault(); field.focus(); }
    }
  });
  if (document.body.dataset.live !== undefined) {
    let known = document.body.dataset.live, waiting = false;
    const source = new EventSource("/live");
    source.onmessage = (event) => {
      if (event.data === known || waiting) return;
      waiting = true;
      setTimeout(async () => {
        waiting = false;
        const typing = document.activeElement && document.activeElement.tagName === "INPUT";
        if (!typing && await swap(location.href, false)) known = event.data;
      }, 300);
    };
  }
  times();
})();
