"use strict";
// Texts and numbers as the page shows them. Every text here was written by a model, a judge or a data
// set: it becomes text nodes of elements that we make, and never markup. Markdown too is built node by
// node: nothing is loaded, and no address becomes a live link.
const page = (() => {
  const FIRST_CHARS = 20000; // of one text, before "show more"
  const MORE_CHARS = 200000;
  const MAX_DEPTH = 8; // of quotes and lists inside each other; deeper ones stay text
  const MAX_COLUMNS = 40;
  const MAX_BLOCKS = 2000; // of one text; the rest of it stays text
  const MINUS = "\u2212";
  const NONE = "\u2013";

  // ---------- text ----------
  const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;
  const UNWRITABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g;
  const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const wellFormed = (text) => text.replace(LONE, "\ufffd");
  const shown = (text) =>
    wellFormed(
      text
        .replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n")
        .replace(REORDERING, (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase()}]`)
        .replace(UNWRITABLE, "\ufffd"),
    );

  function make(tag, properties = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "class") node.className = value;
      else if (name in node) node[name] = value;
      else node.setAttribute(name, value);
    }
    for (const child of children) {
      if (child !== null && child !== undefined) node.append(child);
    }
    return node;
  }

  // ---------- Markdown: inside a paragraph ----------
  const SPECIAL = /[\\`*_~!\[]/g;
  const ESCAPED = /[!-/:-@[-`{-~]/;
  // bounded, so that no text makes the search for an end long
  const LINK = /!?\[([^\[\]\n]{0,500})\]\(<?([^()\s<>]{1,1000}(?:\([^()\s<>]{0,200}\)[^()\s<>]{0,200})?)>?(?:[ \t]{1,5}"[^"\n]{0,200}")?\)/y;
  const MARKS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "s" };
  const isSpace = (c) => c === undefined || /\s/.test(c);
  const isWord = (c) => c !== undefined && /\w/.test(c);

  function codeEnds(text) {
    // of each run of backticks: where the next one of its length begins
    const runs = [...text.matchAll(/`+/g)].map((m) => [m.index, m[0].length]);
    const ends = new Map();
    const next = new Map();
    for (const [at, length] of runs.reverse()) {
      ends.set(at, { length, end: next.get(length) });
      next.set(length, at);
    }
    return ends;
  }

  function inline(text, into) {
    const ends = codeEnds(text);
    const open = [{ mark: null, node: into }];
    let plain = "";
    const top = () => open[open.length - 1].node;
    const flush = () => {
      if (plain) top().append(plain);
      plain = "";
    };
    const put = (node) => {
      flush();
      top().append(node);
    };
    const give = () => { // a mark that was never closed is text
      const { mark, node } = open.pop();
      top().append(mark);
      while (node.firstChild) top().append(node.firstChild);
    };
    const close = (mark) => {
      flush();
      while (open[open.length - 1].mark !== mark) give();
      const { node } = open.pop();
      top().append(node);
    };
    let at = 0;
    while (at < text.length) {
      SPECIAL.lastIndex = at;
      const found = SPECIAL.exec(text);
      const stop = found ? found.index : text.length;
      plain += text.slice(at, stop);
      at = stop;
      if (!found) break;
      const c = text[at];
      if (c === "\\" && ESCAPED.test(text[at + 1] ?? "")) {
        plain += text[at + 1];
        at += 2;
      } else if (c === "`") {
        const { length, end } = ends.get(at) ?? { length: 1 };
        if (end === undefined) plain += text.slice(at, at + length);
        else put(make("code", {}, text.slice(at + length, end)));
        at = (end ?? at) + length;
      } else if (c === "[" || (c === "!" && text[at + 1] === "[")) {
        LINK.lastIndex = at;
        const link = LINK.exec(text);
        if (link) {
          const label = c === "!" ? `[image: ${link[1] || "no description"}]` : link[1];
          put(make("span", { class: "linked" }, label, make("span", { class: "address" }, ` (${link[2]})`)));
          at += link[0].length;
        } else {
          plain += c;
          at += 1;
        }
      } else if (c === "*" || c === "_" || c === "~") {
        let length = 1;
        while (text[at + length] === c) length += 1;
        const [before, after] = [text[at - 1], text[at + length]];
        const marks = { 1: [c], 2: [c + c], 3: [c + c, c] }[length] ?? [];
        // inside a word marks are text: 5*3, x**2, snake_case; ** may stand between Chinese words
        const isLoose = length > 1 && c === "*" && !(isWord(before) && isWord(after));
        const isOpen = (mark) => open.some((one) => one.mark === mark);
        if (!marks.length || !marks.every((mark) => MARKS[mark])) {
          plain += c.repeat(length);
        } else if (marks.every(isOpen) && !isSpace(before) && (isLoose || !isWord(after))) {
          // the innermost first
          for (const one of [...open].reverse()) if (marks.includes(one.mark)) close(one.mark);
        } else if (!marks.some(isOpen) && !isSpace(after) && (isLoose || !isWord(before))) {
          flush();
          for (const mark of marks) open.push({ mark, node: make(MARKS[mark]) });
        } else {
          plain += c.repeat(length);
        }
        at += length;
      } else {
        plain += c;
        at += 1;
      }
    }
    flush();
    while (open.length > 1) give();
    return into;
  }

  // ---------- Markdown: lines ----------
  // no mark may be read in two ways: a long line of them must not take quadratic time
  const FENCE = /^ {0,3}(`{3,}(?!`)|~{3,}(?!~))([^`]*)$/;
  const HEADING = /^ {0,3}(#{1,6})[ \t]+/;
  const RULE = /^ {0,3}([-*_])(?:[ \t]{0,3}\1){2,}[ \t]*$/;
  const QUOTE = /^ {0,3}> ?/;
  const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:[ \t]{1,4}|$)/;
  const DELIMITER = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;
  const isBlank = (line) => line.trim() === "";
  const indent = (line) => line.length - line.trimStart().length;
  const begins = (line) =>
    FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);

  function cellsOf(line) {
    const cells = line.trim().replace(/^\|/, "").split(/(?<!\\)\|/);
    if (cells.length > 1 && isBlank(cells[cells.length - 1])) cells.pop();
    return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
  }
  const isTable = (lines, at) =>
    lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("-")
    && DELIMITER.test(lines[at + 1].trim())
    && cellsOf(lines[at]).length === cellsOf(lines[at + 1]).length
    && cellsOf(lines[at]).length <= MAX_COLUMNS;

  let nTables = 0;
  function table(lines, at, into) {
    const head = cellsOf(lines[at]);
    const row = (cells, tag) =>
      make("tr", {}, ...head.map((_, n) => inline(cells[n] ?? "", make(cells[n] ? tag : "td"))));
    const body = make("tbody");
    let end = at + 2;
    for (; end < lines.length && lines[end].includes("|") && !isBlank(lines[end]); end += 1) {
      body.append(row(cellsOf(lines[end]), "td"));
    }
    // a wide one scrolls by itself; regions may not share a name
    nTables += 1;
    into.append(
      make("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": `Table ${nTables}` },
        make("table", {}, make("thead", {}, row(head, "th")), body)));
    return end;
  }

  function fence(lines, at, into) {
    const [, mark, info] = FENCE.exec(lines[at]);
    let end = at + 1;
    const isEnd = (line) => {
      const bare = line.trim();
      return bare.length >= mark.length && bare === mark[0].repeat(bare.length);
    };
    while (end < lines.length && !isEnd(lines[end])) end += 1;
    if (!isBlank(info)) into.append(make("p", { class: "address" }, info.trim()));
    into.append(make("pre", {}, make("code", {}, lines.slice(at + 1, end).join("\n"))));
    return end + 1;
  }

  function list(lines, at, into, depth) {
    const first = ITEM.exec(lines[at])[2];
    const ordered = /\d/.test(first);
    const kind = first[first.length - 1];
    const made = ordered ? make("ol", { start: parseInt(first, 10) }) : make("ul");
    let end = at;
    while (end < lines.length) {
      const item = ITEM.exec(lines[end]);
      if (!item || item[2][item[2].length - 1] !== kind || RULE.test(lines[end])) break;
      const base = item[1].length;
      const inner = [lines[end].slice(item[0].length)];
      for (end += 1; end < lines.length; end += 1) {
        const line = lines[end];
        if (isBlank(line)) {
          if (end + 1 < lines.length && !isBlank(lines[end + 1]) && indent(lines[end + 1]) >= base + 2) {
            inner.push("");
            continue;
          }
          break;
        }
        if (indent(line) >= base + 2) inner.push(line.slice(Math.min(indent(line), item[0].length)));
        else if (!begins(line)) inner.push(line);
        else break;
      }
      const node = make("li");
      blocks(inner, node, depth + 1);
      made.append(node);
      let next = end; // blank lines between items
      while (next < lines.length && isBlank(lines[next])) next += 1;
      if (next < lines.length && ITEM.test(lines[next])) end = next;
    }
    into.append(made);
    return end;
  }

  let blocksLeft = 0;
  function blocks(lines, into, depth) {
    let at = 0;
    while (at < lines.length) {
      const line = lines[at];
      if (blocksLeft <= 0) {
        into.append(make("p", {}, lines.slice(at).join("\n")));
        return;
      }
      if (!isBlank(line)) blocksLeft -= 1;
      if (isBlank(line)) at += 1;
      else if (FENCE.test(line)) at = fence(lines, at, into);
      else if (HEADING.test(line)) {
        const [mark] = HEADING.exec(line);
        let words = line.slice(mark.length).trimEnd();
        const bare = words.replace(/#{1,6}$/, "");
        if (bare === "" || isSpace(bare[bare.length - 1])) words = bare;
        into.append(inline(words, make("p", { class: `heading level${mark.trim().length}` })));
        at += 1;
      } else if (RULE.test(line)) {
        into.append(make("hr"));
        at += 1;
      } else if (QUOTE.test(line) && depth < MAX_DEPTH) {
        const inner = [];
        for (; at < lines.length && QUOTE.test(lines[at]); at += 1) inner.push(lines[at].replace(QUOTE, ""));
        const quote = make("blockquote");
        blocks(inner, quote, depth + 1);
        into.append(quote);
      } else if (ITEM.test(line) && depth < MAX_DEPTH) at = list(lines, at, into, depth);
      else if (isTable(lines, at)) at = table(lines, at, into);
      else {
        let end = at + 1;
        while (end < lines.length && !isBlank(lines[end]) && (depth >= MAX_DEPTH || !begins(lines[end]))
          && !isTable(lines, end)) end += 1;
        into.append(inline(lines.slice(at, end).join("\n"), make("p")));
        at = end;
      }
    }
  }

  function markdown(text) {
    const into = document.createDocumentFragment();
    blocksLeft = MAX_BLOCKS;
    blocks(shown(text).split("\n"), into, 0);
    return into;
  }

  // a long text is shown in portions, so that two megabytes cannot stall the page
  function textBlock(text, { style = "text", name = null, isRich = false } = {}) {
    const block = make("div", { class: isRich ? `${style} rich` : style, dir: "auto" });
    if (name) {
      // it scrolls by itself, so the keyboard has to reach it
      block.tabIndex = 0;
      block.setAttribute("role", "region");
      block.setAttribute("aria-label", name);
    }
    let end = Math.min(text.length, FIRST_CHARS);
    const fill = () => {
      const part = text.slice(0, end);
      block.replaceChildren(isRich ? markdown(part) : shown(part));
    };
    fill();
    if (end === text.length) return block;
    const more = make("button", { type: "button" });
    const count = () => {
      more.textContent = `Show more (${grouped(end)} of ${grouped(text.length)} characters)`;
    };
    count();
    more.addEventListener("click", () => {
      end = Math.min(text.length, end + MORE_CHARS);
      fill();
      if (end === text.length) more.remove();
      else count();
    });
    return make("div", {}, block, more);
  }

  // ---------- numbers, as reports/numbers.py writes them ----------
  const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  function score(value) {
    if (value === null || value === undefined) return NONE;
    const size = Math.abs(value);
    if (size < 5e-7) return "0";
    const rounded = Number(size.toExponential(2));
    const decimals = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(rounded))));
    const text = size >= 999.5 ? grouped(Math.round(size)) : size.toFixed(decimals);
    return (value < 0 ? MINUS : "") + text;
  }
  const difference = (value) => (value > 0 && score(value) !== "0" ? "+" : "") + score(value);
  const points = (value) => (value < 0 ? MINUS : "+") + String(Math.abs(value));

  return { MINUS, NONE, wellFormed, shown, make, textBlock, grouped, score, difference, points };
})();
