"use strict";
// Makes a page that is complete without it easier to study. All data is read from the page, and written as text.
(() => {
  const byId = (id) => document.getElementById(id);
  const number = (text) => {
    const value = parseFloat(text);
    return Number.isNaN(value) ? null : value;
  };
  // What is unknown comes last, whichever way the rest is sorted.
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  };

  function gallery(list) {
    const FIRST = 12;
    const cards = [...list.children];
    const tools = byId("gallery-tools");
    const dialog = byId("enlarged");
    const more = byId("gallery-all");
    const choices = [...tools.querySelectorAll("button")];
    const sorting = tools.querySelector("select");
    const falling = { similarity: true, contribution: true };
    let chosen = cards;
    let all = false;
    let open = 0;
    let fromTable = false;

    const shown = () => (all ? chosen : chosen.slice(0, FIRST));
    const button = (card) => card.querySelector(".enlarge");

    function key(card) {
      const text = card.dataset[sorting.value];
      return sorting.value === "name" ? text : number(text);
    }

    function arrange() {
      const wanted = choices.find((choice) => choice.getAttribute("aria-pressed") === "true").dataset.show;
      chosen = cards.filter((card) => card.classList.contains(wanted));
      if (sorting.value) {
        const sign = falling[sorting.value] ? -1 : 1;
        chosen.sort((a, b) => compare(key(a), key(b), sign));
      }
      for (const card of cards) card.hidden = true;
      for (const card of shown()) card.hidden = false;
      list.append(...chosen);
      for (const card of cards) button(card).tabIndex = -1;
      if (chosen.length) button(chosen[0]).tabIndex = 0;
      const count = shown().length;
      byId("gallery-count").textContent = chosen.length ? `${count} of ${chosen.length} shown` : "There are none.";
      more.hidden = count === chosen.length;
      more.textContent = `Show all ${chosen.length}`;
    }

    function focus(place) {
      const card = chosen[place];
      if (!card) return;
      if (card.hidden) {
        all = true;
        arrange();
      }
      for (const other of cards) button(other).tabIndex = -1;
      button(card).tabIndex = 0;
      button(card).focus();
    }

    function columns() {
      const visible = shown();
      const next = visible.findIndex((card) => card.offsetTop > visible[0].offsetTop);
      return next < 0 ? visible.length : next;
    }

    function enlarge(place) {
      const card = chosen[place];
      if (!card) return;
      open = place;
      byId("enlarged-name").textContent = card.dataset.name;
      byId("enlarged-place").textContent = `${place + 1} of ${chosen.length}`;
      const pictures = card.querySelector(".three").cloneNode(true);
      for (const image of pictures.querySelectorAll("img")) image.loading = "eager";
      dialog.querySelector(".three").replaceWith(pictures);
      const row = byId(card.dataset.row);
      const heads = row.closest("table").tHead.rows[0].cells;
      const facts = [...row.cells].slice(1).flatMap((cell, index) => {
        const pair = [document.createElement("dt"), document.createElement("dd")];
        pair[0].textContent = heads[index + 1].textContent;
        pair[1].textContent = cell.textContent;
        return pair;
      });
      dialog.querySelector("dl").replaceChildren(...facts);
      for (const step of dialog.querySelectorAll("[data-step]")) {
        const by = Number(step.dataset.step);
        step.disabled = by !== 0 && !chosen[place + by];
      }
      if (!dialog.open) dialog.showModal();
    }

    for (const choice of choices) {
      choice.addEventListener("click", () => {
        for (const other of choices) other.setAttribute("aria-pressed", String(other === choice));
        arrange();
      });
    }
    sorting.addEventListener("change", arrange);
    more.addEventListener("click", () => {
      all = true;
      arrange();
      focus(FIRST);
    });
    list.addEventListener("click", (event) => {
      const card = event.target.closest(".match");
      if (!card) return;
      fromTable = false;
      enlarge(chosen.indexOf(card));
    });
    list.addEventListener("keydown", (event) => {
      const place = chosen.indexOf(event.target.closest(".match"));
      const to = {
        ArrowRight: place + 1,
        ArrowLeft: place - 1,
        ArrowDown: place + columns(),
        ArrowUp: place - columns(),
        Home: 0,
        End: chosen.length - 1,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      focus(to);
    });
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) enlarge(open + step);
    });
    dialog.addEventListener("click", (event) => {
      const step = event.target.dataset.step;
      if (event.target === dialog || step === "0") dialog.close();
      else if (step) enlarge(open + Number(step));
    });
    // Back to where the reader is by now; to the table by itself.
    dialog.addEventListener("close", () => fromTable || focus(open));
    byId("members-table").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link) return;
      event.preventDefault();
      const card = byId(link.hash.slice(1));
      if (!chosen.includes(card)) choices[0].click();
      fromTable = true;
      enlarge(chosen.indexOf(card));
    });
    for (const card of cards) button(card).hidden = false;
    tools.hidden = false;
    arrange();
  }

  function members(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const search = byId("members-search");

    function find() {
      const wanted = search.value.toLowerCase().split(/\s+/);
      let count = 0;
      for (const row of rows) {
        row.hidden = !wanted.every((word) => words.get(row).includes(word));
        count += !row.hidden;
      }
      byId("members-count").textContent = `${count} of ${rows.length}`;
    }

    function sort(head, index) {
      const was = head.getAttribute("aria-sort");
      const numeric = head.classList.contains("n");
      const rising = was ? was === "descending" : !numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = (row) => {
        const text = row.cells[index].textContent;
        if (text === "—") return null;
        return numeric ? number(text) : text;
      };
      body.append(...[...rows].sort((a, b) => compare(key(a), key(b), rising ? 1 : -1)));
    }

    heads.forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(head, index));
    });
    search.addEventListener("input", find);
    byId("members-tools").hidden = false;
    find();
  }

  if (byId("gallery")) gallery(byId("gallery"));
  members(byId("members-table"));

  const folded = [...document.querySelectorAll("details:not([open])")];
  addEventListener("beforeprint", () => folded.forEach((one) => (one.open = true)));
  addEventListener("afterprint", () => folded.forEach((one) => (one.open = false)));
})();
