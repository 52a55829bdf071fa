"use strict";
// Labels from a person. Each is saved under a key of its own as it is given, so that a closed page, a
// second tab or a full store loses nothing that was saved. Without storage the page works all the same.
(() => {
  const { make, shown, textBlock, wellFormed } = page;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { items, answers, prompts } = data;

  const CANNOT_TELL = null; // an answer of the rater, and no label
  const NOT_APPLICABLE = "na";
  const ANSWER = "answer";
  const given = new Array(items.length).fill(null); // {label, note, at}; label is undefined while open
  let rater = null;
  let at = 0;
  let drawn = -1; // answer on the screen
  let isSaved = true; // whether closing the page loses nothing

  // ---------- storage ----------
  const store = (() => {
    try {
      const found = window.localStorage;
      found.setItem("rubricbeat.label", "");
      return found;
    } catch {
      return null; // refused, or full
    }
  })();
  const keyOf = (n) => `rubricbeat.label.${data.id}/${encodeURIComponent(rater)}/${n}`;
  const warn = () => {
    byId("unsaved").hidden = false;
  };
  function read(n, text) {
    try {
      const { label, note, at: when } = JSON.parse(text);
      given[n] = { label: isAllowed(items[n], label) ? label : undefined, note: String(note ?? ""), at: Number(when) || 0 };
    } catch {
      given[n] = null; // another program wrote there
    }
  }
  function load() {
    given.fill(null);
    if (!store) return;
    for (let n = 0; n < items.length; n += 1) {
      const text = store.getItem(keyOf(n));
      if (text) read(n, text);
    }
  }
  function save(n, entry) {
    given[n] = entry;
    try {
      store.setItem(keyOf(n), JSON.stringify(entry));
    } catch {
      isSaved = false;
      warn();
    }
  }
  if (!store) warn();
  window.addEventListener("storage", (event) => { // the same page in another tab
    const n = rater === null ? -1 : items.findIndex((_, place) => keyOf(place) === event.key);
    if (n < 0) return;
    if (event.newValue === null) given[n] = null;
    else read(n, event.newValue);
    draw();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!isSaved) event.preventDefault();
  });

  // ---------- one question ----------
  const answerOf = (item) => answers[item.answer];
  const isLabelled = (n) => given[n] !== null && given[n].label !== undefined;
  function isAllowed(item, label) {
    const { levels, may_be_na: na } = item.row;
    if (label === CANNOT_TELL) return true;
    if (label === NOT_APPLICABLE) return Boolean(na);
    return levels ? Number.isInteger(label) && label >= 0 && label < levels.length : typeof label === "boolean";
  }
  function choicesOf({ row }) {
    const own = row.levels
      ? row.levels.map((level, n) => [n, `${n} ${shown(level.text)}`, n < 10 ? String(n) : ""])
      : [[true, "Met", "y"], [false, "Not met", "n"]];
    if (row.may_be_na) own.push([NOT_APPLICABLE, "Does not apply", "a"]);
    return [...own, [CANNOT_TELL, "Cannot tell", "u"]];
  }
  function aboutOf({ row }) {
    if (row.turn === undefined) return null;
    return make("p", {}, row.turn === "all"
      ? "About the whole conversation, not the answer alone."
      : `About another turn of the assistant, not the answer: number ${row.turn} (from 0; below 0, from the end).`);
  }
  function turn(role, text, name) {
    return make("div", { class: `turn ${role === "user" ? "user" : ""}` },
      name === ANSWER ? null : make("p", { class: "who" }, name),
      text.trim() ? textBlock(text, { name, isRich: true }) : make("p", { class: "quiet" }, "(empty)"));
  }
  function drawAnswer(item) {
    if (drawn === item.answer) return;
    drawn = item.answer;
    const { prompt, text } = answerOf(item);
    const turns = prompts[prompt].turns.map(({ role, content }) => turn(role, content, shown(role)));
    byId("talk").replaceChildren(
      make("h2", {}, "Conversation"), ...turns, make("h2", {}, "Answer"), turn("assistant", text, ANSWER),
    );
    window.scrollTo(0, 0);
  }
  function drawCriterion(item) {
    const { row } = item;
    byId("criterion").replaceChildren(...[
      textBlock(row.criterion, { style: "text statement" }),
      aboutOf(item),
      row.reference ? make("p", { class: "quiet" }, "Reference for this criterion:") : null,
      row.reference ? textBlock(row.reference, { isRich: true, name: "reference" }) : null,
    ].filter(Boolean));
  }
  function drawChoices(item) {
    const said = isLabelled(at) ? given[at].label : undefined;
    byId("choices").replaceChildren(...choicesOf(item).map(([label, words, key]) => {
      const button = make("button", { type: "button", dir: "auto", "aria-pressed": String(said === label) }, words);
      if (key) {
        button.append(" ", make("kbd", {}, key));
        button.setAttribute("aria-keyshortcuts", key);
      }
      button.addEventListener("click", () => say(label));
      return button;
    }));
  }
  function draw() {
    if (rater === null) return;
    const item = items[at];
    const focused = document.activeElement;
    drawAnswer(item);
    drawCriterion(item);
    drawChoices(item);
    if (focused !== byId("note")) byId("note").value = given[at]?.note ?? "";
    byId("place").textContent = `Criterion ${at + 1} of ${items.length}`;
    const n = items.filter((_, place) => isLabelled(place)).length;
    const unsure = items.filter((_, place) => given[place]?.label === CANNOT_TELL).length;
    byId("progress").max = items.length;
    byId("progress").value = n;
    byId("count").textContent = `${n} done, ${items.length - n} open${unsure ? `, ${unsure} of those done: cannot tell` : ""}`;
    byId("back").disabled = at === 0;
    byId("next").disabled = at === items.length - 1;
    byId("open").disabled = n === items.length;
    byId("clear").disabled = !isLabelled(at);
    // a button that is gone or switched off must not take the keyboard's place with it
    if (focused && (!focused.isConnected || focused.disabled)) byId("place").focus({ preventScroll: true });
  }
  const tell = (words) => {
    byId("told").textContent = words;
  };
  function go(n) {
    const to = Math.min(items.length - 1, Math.max(0, n));
    if (document.activeElement === byId("note")) byId("note").blur();
    at = to;
    tell("");
    draw();
  }
  function say(label) {
    save(at, { label, note: given[at]?.note ?? "", at: Date.now() });
    const isLast = at === items.length - 1;
    go(at + 1);
    if (firstOpen() < 0) tell("Every criterion is labelled. Export the file to hand it in.");
    else if (isLast) tell("This is the last criterion; some before it are open.");
  }
  const firstOpen = () => items.findIndex((_, n) => !isLabelled(n));
  const commands = {
    back: () => go(at - 1),
    next: () => go(at + 1),
    open: () => {
      if (firstOpen() >= 0) go(firstOpen());
    },
    clear: () => {
      save(at, { note: given[at]?.note ?? "", at: Date.now() });
      draw();
    },
    export: exportFile,
  };
  for (const [id, command] of Object.entries(commands)) byId(id).addEventListener("click", command);
  byId("note").addEventListener("input", (event) => {
    save(at, { ...given[at], note: event.target.value, at: Date.now() });
  });

  // ---------- keys ----------
  const KEYS = {
    j: "next", arrowright: "next", k: "back", arrowleft: "back", o: "open", x: "clear", e: "export",
  };
  function keyOfEvent(event) {
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code); // a French keyboard has digits on shift
    if (digit) return digit[1];
    // where letters are not Latin, the key in the place of the letter counts
    const isOther = event.key.length === 1 && !/^[ -~]$/.test(event.key);
    return (isOther ? event.code.replace(/^Key/, "") : event.key).toLowerCase();
  }
  document.addEventListener("keydown", (event) => {
    if (event.target === byId("note") && event.key === "Escape") byId("note").blur();
    const typed = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (rater === null || typed || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!byId("keys").checked) return;
    const key = keyOfEvent(event);
    if (key === "t") {
      event.preventDefault();
      byId("note").focus();
    } else if (KEYS[key]) {
      event.preventDefault();
      if (!event.repeat || key !== "e") commands[KEYS[key]]();
    } else {
      const choice = choicesOf(items[at]).find((one) => one[2] === key);
      // a key that is held down must not label what follows unseen
      if (!choice || event.repeat) return;
      event.preventDefault();
      say(choice[0]);
    }
  });

  // ---------- files ----------
  function rowOf(n) {
    const { label, note, at: when } = given[n] ?? { at: Date.now() };
    const { prompt, text } = answerOf(items[n]);
    const row = {
      id: `${data.id}-${n}`,
      prompt_id: prompts[prompt].id,
      prompt: prompts[prompt].turns,
      answer: text,
      ...items[n].row,
      ...(data.draw ? { draw: data.draw } : {}),
      label: label === undefined ? null : label,
      cannot_tell: label === CANNOT_TELL,
      rater,
      labelled_at: new Date(when).toISOString(),
    };
    return note ? { ...row, note } : row;
  }
  function exportFile() {
    const isKept = (n) => given[n] && (isLabelled(n) || given[n].note);
    const places = items.map((_, n) => n);
    // an answer that was drawn as a whole leaves as a whole
    const begun = new Set(places.filter(isKept).map((n) => items[n].answer));
    const isWhole = data.draw?.unit === "answers";
    const kept = places.filter((n) => (isWhole ? begun.has(items[n].answer) : isKept(n)));
    if (!kept.length) {
      tell("There is nothing to export yet.");
      return;
    }
    const text = kept.map((n) => `${JSON.stringify(rowOf(n))}\n`).join("");
    const address = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
    const name = rater.replace(/[^\p{L}\p{N}_-]+/gu, "_");
    const link = make("a", { href: address, download: `labels-${name}-${data.id.slice(0, 8)}.jsonl` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    isSaved = true;
    tell(`Exported ${kept.filter(isLabelled).length} of ${items.length}.`);
  }
  const keyOfText = (...parts) => JSON.stringify(parts);
  function placesByText() {
    return new Map(items.map((item, n) => {
      const { prompt, text } = answerOf(item);
      return [keyOfText(prompts[prompt].id, text, item.row.criterion, item.row.points), n];
    }));
  }
  function importText(text) {
    const places = placesByText();
    const counts = { taken: 0, older: 0, elsewhere: 0, broken: 0 };
    const rows = text.replace(/^\ufeff/, "").split("\n").filter((line) => line.trim()).map((line) => {
      try {
        const row = JSON.parse(line);
        return row && typeof row === "object" && "criterion" in row ? row : null;
      } catch {
        return null;
      }
    });
    const names = [...new Set(rows.filter(Boolean).map((row) => row.rater).filter((name) => typeof name === "string"))];
    if (names.length !== 1) {
      tell(names.length ? "Nothing imported: the file has labels of several people." : "Nothing imported: this is no file exported by this page.");
      return;
    }
    if (rater !== null && names[0] !== rater) {
      tell(`Nothing imported: the labels are of ${shown(names[0])}, and you are ${shown(rater)}.`);
      return;
    }
    if (rater === null && !begin(names[0])) return;
    for (const row of rows) {
      if (!row) {
        counts.broken += 1;
        continue;
      }
      const n = places.get(keyOfText(row.prompt_id, row.answer, row.criterion, row.points)) ?? -1;
      const label = row.cannot_tell ? CANNOT_TELL : row.label ?? undefined;
      if (n < 0) counts.elsewhere += 1;
      else if (label !== undefined && !isAllowed(items[n], label)) counts.broken += 1;
      else {
        const when = Date.parse(row.labelled_at) || 0;
        if (given[n] && given[n].at > when) counts.older += 1;
        else {
          save(n, { label, note: String(row.note ?? ""), at: when });
          counts.taken += 1;
        }
      }
    }
    drawn = -1;
    go(Math.max(0, firstOpen()));
    tell([
      `Imported ${counts.taken}.`,
      counts.older ? `Older than what is here: ${counts.older}.` : "",
      counts.elsewhere ? `About other criteria: ${counts.elsewhere}.` : "",
      counts.broken ? `Not readable: ${counts.broken}.` : "",
    ].filter(Boolean).join(" "));
  }
  byId("import").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try {
      importText(await file.text());
    } catch (error) {
      tell(`Nothing imported: ${error.message}`);
    }
    event.target.value = "";
  });

  // ---------- begin ----------
  function begin(name) {
    const known = wellFormed(name).trim();
    if (!known || (data.raters.length && !data.raters.includes(known))) {
      tell(known ? `Nothing imported: ${shown(known)} is not one of the raters of this page.` : "Enter your name or initials.");
      return false;
    }
    rater = known;
    load();
    byId("who").textContent = ` \u00b7 ${shown(rater)}`;
    byId("start").hidden = true;
    byId("work").hidden = false;
    go(Math.max(0, firstOpen()));
    byId("place").focus({ preventScroll: true });
    return true;
  }
  byId("names").addEventListener("submit", (event) => {
    event.preventDefault();
    const { value } = byId("rater");
    begin(data.raters.length ? data.raters[Number(value)] : value);
    try {
      store?.setItem(`rubricbeat.label.${data.id}`, rater ?? "");
    } catch { /* said already */ }
  });
  const last = store?.getItem(`rubricbeat.label.${data.id}`);
  if (last) {
    const n = data.raters.indexOf(last);
    byId("rater").value = data.raters.length ? String(Math.max(0, n)) : last;
  }
  if (!data.raters.length) byId("rater").focus();
})();
