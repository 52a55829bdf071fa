"use strict";
// The example browser. Every text here was written by a model, a judge or a data set: it reaches the
// page by textContent and by nothing else.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const byId = (id) => document.getElementById(id);

  // light and dark: the system's choice until the reader makes one
  const theme = byId("theme");
  const isDark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();

  const source = byId("index");
  if (!source) return;
  const { models, baseline, examples } = JSON.parse(source.textContent);

  const PAGE = 25; // rows added at a time
  const FIRST_CHARS = 20000; // of one text, before "show more"
  const MORE_CHARS = 200000;
  const OUTCOMES = {
    1: "met", 0: "not met", l: "level", a: "not applicable", u: "unparseable", r: "refused", t: "truncated",
    o: "longer than the judge's context",
    n: "no reply", s: "not asked",
  };
  const MINUS = "\u2212";
  const NONE = "\u2013";

  // ---------- text ----------
  const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;
  const UNWRITABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g;
  const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const shown = (text) =>
    text
      .replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n")
      .replace(REORDERING, (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase()}]`)
      .replace(UNWRITABLE, "\ufffd")
      .replace(LONE, "\ufffd");

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

  // a long text is shown in portions, so that two megabytes cannot stall the page
  function textBlock(text, className = "text", name = null) {
    const block = make("div", { class: className, dir: "auto" });
    if (name) {
      // it scrolls by itself, so the keyboard has to reach it
      block.tabIndex = 0;
      block.setAttribute("role", "region");
      block.setAttribute("aria-label", name);
    }
    let end = Math.min(text.length, FIRST_CHARS);
    block.append(shown(text.slice(0, end)));
    if (end === text.length) return block;
    const more = make("button", { type: "button" });
    const count = () => {
      more.textContent = `Show more (${grouped(end)} of ${grouped(text.length)} characters)`;
    };
    count();
    more.addEventListener("click", () => {
      const next = Math.min(text.length, end + MORE_CHARS);
      block.append(shown(text.slice(end, next)));
      end = next;
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

  // ---------- blocks ----------
  const blocks = new Map();
  function unpack(number) {
    if (!blocks.has(number)) {
      blocks.set(number, (async () => {
        const packed = atob(byId(`block-${number}`).textContent.trim());
        const bytes = new Uint8Array(packed.length);
        for (let i = 0; i < packed.length; i += 1) bytes[i] = packed.charCodeAt(i);
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        return JSON.parse(await new Response(stream).text());
      })());
    }
    return blocks.get(number);
  }
  const textsOf = async (example) => (await unpack(example.at[0]))[example.at[1]];

  // ---------- search: the index at once, all texts as soon as they are unpacked ----------
  examples.forEach((example, order) => {
    example.order = order;
    example.words = `${example.id} ${example.text} ${example.tags.join(" ")}`.toLowerCase();
  });
  let unpacking = null;
  function unpackAll() {
    unpacking ??= (async () => {
      const byBlock = new Map();
      for (const example of examples) {
        if (!byBlock.has(example.at[0])) byBlock.set(example.at[0], []);
        byBlock.get(example.at[0]).push(example);
      }
      for (const [number, members] of byBlock) {
        const texts = await unpack(number);
        for (const example of members) {
          const { prompt, criteria, tags, answers } = texts[example.at[1]];
          example.words = [
            example.id, ...tags, ...prompt.map((turn) => turn[1]), ...criteria.map((c) => c[0]),
            ...answers.flat().flatMap((a) => [a.text, ...a.reasons]),
          ].join("\n").toLowerCase();
        }
        await new Promise((resume) => setTimeout(resume));
      }
    })();
    return unpacking;
  }

  // ---------- state ----------
  const baseAt = baseline === null ? -1 : models.indexOf(baseline);
  const state = {
    query: "", theme: "", kind: "all", shown: PAGE,
    // against the baseline, else the first of the table against the second
    other: baseAt >= 0 ? baseAt : Math.min(1, models.length - 1),
    this: baseAt === 0 ? Math.min(1, models.length - 1) : 0,
    sort: "order", descending: false, open: null,
  };
  const visibleModels = new Set(models.length <= 3 ? models.keys() : [state.this, state.other]);
  const two = models.length > 1;

  const gap = (example) => {
    const a = example.scores[state.this];
    const b = example.scores[state.other];
    return a === null || b === null ? null : a - b;
  };
  const spread = (example) => {
    const known = example.scores.filter((s) => s !== null);
    return known.length > 1 ? Math.max(...known) - Math.min(...known) : null;
  };
  const nMissing = (example) => example.missing.reduce((a, b) => a + b, 0);
  const KINDS = {
    all: ["all examples", () => true],
    ...(two && {
      better: ["better", (e) => gap(e) > 0],
      worse: ["worse", (e) => gap(e) !== null && gap(e) < 0],
      differ: ["any models differ", (e) => spread(e) > 0],
    }),
    missing: ["verdict missing", (e) => nMissing(e) > 0],
    unscored: ["an answer not scored", (e) => e.scores.includes(null)],
  };

  const columns = [
    { key: "order", title: "Example", value: (e) => e.order },
    { key: "theme", title: "Theme", value: (e) => e.tags.join(", "), words: true },
    ...models.map((name, at) => ({
      key: `score-${at}`, title: name, value: (e) => e.scores[at], show: score, first: true,
    })),
    ...(two ? [{ key: "gap", title: "Difference", value: gap, show: difference, first: true }] : []),
    { key: "missing", title: "Missing", value: nMissing, show: grouped, first: true },
  ];

  let listed = [];
  function choose() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const [, keep] = KINDS[state.kind];
    listed = examples.filter(
      (e) =>
        (!state.theme || e.tags.includes(state.theme)) &&
        keep(e) &&
        words.every((word) => e.words.includes(word)),
    );
    const { value } = columns.find((column) => column.key === state.sort);
    const way = state.descending ? -1 : 1;
    listed.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.order - b.order;
      return (x < y ? -way : x > y ? way : 0) || a.order - b.order;
    });
  }

  // ---------- list ----------
  const body = byId("example-rows");
  function renderHead() {
    byId("example-head").replaceChildren(
      ...columns.map((column) => {
        const button = make("button", { class: "sort", type: "button", dir: "auto" }, shown(column.title));
        button.addEventListener("click", () => {
          // a first click on a number shows the highest, on words the first
          state.descending = state.sort === column.key ? !state.descending : Boolean(column.first);
          state.sort = column.key;
          state.shown = PAGE;
          renderHead();
          render();
          byId("example-head").children[columns.indexOf(column)].firstChild.focus();
        });
        const head = make("th", { scope: "col" }, button);
        if (column.words) head.className = "words";
        if (state.sort === column.key) {
          head.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
        }
        return head;
      }),
    );
  }

  const link = (example) => `#example=${encodeURIComponent(wellFormed(example.id))}`;
  const wellFormed = (text) => text.replace(LONE, "\ufffd");

  function row(example) {
    const change = two ? gap(example) : null;
    return make(
      "tr", {},
      make("td", {},
        make("a", { href: link(example) },
          make("span", { class: "excerpt", dir: "auto" }, shown(example.text) || "(no text)"),
          make("span", { class: "id" }, shown(example.id)))),
      make("td", { class: "words", dir: "auto" }, shown(example.tags.join(", "))),
      ...models.map((_, at) => make("td", {}, score(example.scores[at]))),
      two
        ? make("td", { class: change > 0 ? "better" : change < 0 ? "worse" : "" },
            change === null ? NONE : `${change > 0 ? "▲ " : change < 0 ? "▼ " : ""}${difference(change)}`)
        : null,
      make("td", {}, nMissing(example) ? `? ${grouped(nMissing(example))}` : "0"),
    );
  }

  function render() {
    choose();
    body.replaceChildren(...listed.slice(0, state.shown).map(row));
    byId("status").textContent = `${grouped(listed.length)} of ${grouped(examples.length)} examples`;
    byId("more").hidden = listed.length <= state.shown;
  }

  function fill(select, options, value) {
    select.replaceChildren(...options.map(([key, title]) => make("option", { value: key }, shown(title))));
    select.value = String(value);
  }

  const themes = [...new Set(examples.flatMap((e) => e.tags))].sort();
  fill(byId("filter-theme"), [["", "all themes"], ...themes.map((t) => [t, t])], "");
  fill(byId("filter-kind"), Object.entries(KINDS).map(([key, [title]]) => [key, title]), "all");
  fill(byId("pick-this"), models.map((m, at) => [at, m]), state.this);
  fill(byId("pick-other"), models.map((m, at) => [at, m]), state.other);
  byId("this-label").hidden = !two;
  byId("other-label").hidden = !two;

  const listen = (id, event, act) =>
    byId(id).addEventListener(event, (e) => {
      act(e.target.value);
      state.shown = PAGE;
      render();
    });
  listen("filter-theme", "change", (value) => { state.theme = value; });
  listen("filter-kind", "change", (value) => { state.kind = value; });
  // with many models, those compared are those an example opens with
  const showCompared = () => {
    if (models.length <= 3) return;
    visibleModels.clear();
    visibleModels.add(state.this).add(state.other);
  };
  listen("pick-this", "change", (value) => { state.this = Number(value); showCompared(); });
  listen("pick-other", "change", (value) => { state.other = Number(value); showCompared(); });
  listen("search", "input", (value) => {
    state.query = value;
    unpackAll().then(() => { if (state.query === value) render(); });
  });
  byId("more").addEventListener("click", () => {
    const first = state.shown;
    state.shown += PAGE;
    render();
    body.children[first]?.querySelector("a").focus();
  });

  // ---------- one example ----------
  const dialog = byId("detail");
  const detail = byId("detail-body");

  const plain = (value) => String(value).replace("-", MINUS);

  // a level: good where it is the best for the answer, bad where it is the worst
  function levelMark(level, form, worth) {
    const values = form.levels.map(([, value]) => value);
    const here = values[level];
    const side = here === Math.max(...values) ? "good" : here === Math.min(...values) ? "bad" : "part";
    return make("span", { class: `verdict level ${side}` },
      `level ${level} of 0 to ${values.length - 1}: ${plain(here)} of ${plain(worth)}`);
  }

  // what would count by its own verdict, and has share 0, waits for what it requires
  function isIdle(answer, c, criterion, form) {
    if (answer.shares?.[c] !== 0) return false;
    if (answer.verdicts[c] === "l") return form.levels[answer.levels[c]][1] !== 0;
    const [, value, polarity] = criterion;
    const agrees = value > 0 === (polarity === "desirable");
    return answer.verdicts[c] === (agrees ? "1" : "0");
  }

  function verdictMark(code, criterion) {
    const [, , polarity] = criterion;
    if (code === "a") return make("span", { class: "verdict none" }, "\u2013 not applicable");
    if (code !== "1" && code !== "0") {
      return make("span", { class: "verdict none" }, `? no verdict (${OUTCOMES[code] ?? "unknown"})`);
    }
    const isMet = code === "1";
    const isGood = isMet === (polarity === "desirable");
    return make("span", { class: `verdict ${isGood ? "good" : "bad"}` }, isMet ? "✓ met" : "✗ not met");
  }

  function answerBox(name, given, chosen, onChoose) {
    const answer = given[chosen];
    const head = make("h4", {}, make("bdi", {}, shown(name)));
    if (!answer) return make("div", { class: "answer" }, head, make("p", { class: "quiet" }, "No answer to this prompt."));
    head.append(make("span", { class: "score" }, `score ${score(answer.score)}`
      + (answer.cap === undefined ? "" : `, capped at ${plain(answer.cap)} by a gate`)));
    const box = make("div", { class: "answer" }, head);
    if (given.length > 1) {
      const select = make("select", { "aria-label": `Which answer of ${shown(name)}` });
      fill(select, given.map((a, at) => [at, `answer ${at + 1} of ${given.length}: ${a.run}`]), chosen);
      select.addEventListener("change", () => onChoose(Number(select.value)));
      box.append(select);
    }
    if (answer.judged !== undefined) {
      box.append(
        make("p", { class: "who" }, "The part that is judged"),
        textBlock(answer.judged || "(empty)", "text", `Judged part of the answer of ${shown(name)}`),
        make("details", {}, make("summary", {}, "Whole answer"),
          textBlock(answer.text, "text", `Whole answer of ${shown(name)}`)),
      );
    } else {
      box.append(textBlock(answer.text || "(empty answer)", "text", `Answer of ${shown(name)}`));
    }
    return box;
  }

  function criteriaTable(texts, at, chosen) {
    const head = make("tr", {}, make("th", { scope: "col" }, "Criterion"),
      ...at.map((m) => make("th", { scope: "col" }, make("bdi", {}, shown(models[m])))));
    const rows = texts.criteria.map((criterion, c) => {
      const [text, value, polarity, tags] = criterion;
      const form = texts.forms?.[c] ?? { terms: [] };
      const name = make("th", { scope: "row" },
        make("span", { class: "points" }, `${points(value)} `),
        textBlock(text),
        make("div", { class: "id", dir: "auto" }, shown([
          polarity === "undesirable" && !form.levels ? "a fault: met is bad" : "",
          form.id ? `id ${form.id}` : "", ...form.terms, ...tags].filter(Boolean).join(" · "))),
        form.levels ? make("ol", { class: "levels", start: 0 }, ...form.levels.map(([words, worth]) =>
          make("li", {}, make("span", { class: "points" }, `${worth ? points(worth) : 0} `), textBlock(words)))) : null,
        form.reference ? make("details", {}, make("summary", {}, "Reference for the judge"),
          textBlock(form.reference)) : null);
      return make("tr", {}, name, ...at.map((m) => {
        const answer = texts.answers[m][chosen[m]];
        if (!answer) return make("td", {}, NONE);
        if (answer.differs) return make("td", { class: "quiet" }, "graded by other criteria");
        const again = (answer.again ?? []).map((codes, r) =>
          codes[c] === "l" ? `level ${answer.levels_again[r][c]}` : OUTCOMES[codes[c]]);
        const mark = answer.verdicts[c] === "l"
          ? levelMark(answer.levels[c], form, value)
          : verdictMark(answer.verdicts[c], criterion);
        return make("td", {}, mark,
          isIdle(answer, c, criterion, form)
            ? make("div", { class: "id" }, "does not count: what it requires is not met") : null,
          again.length ? make("div", { class: "id" }, `judged again: ${again.join(", ")}`) : null,
          answer.reasons[c] ? textBlock(answer.reasons[c], "text reason") : null);
      }));
    });
    return make("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Criteria" },
      make("table", { class: "criteria" },
        make("caption", {}, "Every criterion with its points, and each model's verdict with the judge's words."),
        make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  let chosenAnswers = [];
  async function renderDetail(example, keepPlace) {
    const texts = await textsOf(example);
    if (state.open !== example) return; // the reader has moved on
    const place = keepPlace ? detail.scrollTop : 0;
    const at = [...models.keys()].filter((m) => visibleModels.has(m));
    byId("detail-title").textContent = `Example ${shown(example.id)}`;
    const again = () => renderDetail(example, true);
    const chips = models.length < 2 ? null : make("div", { class: "chips", role: "group", "aria-label": "Models shown" },
      make("span", { class: "quiet" }, "Show"),
      ...models.map((name, m) => {
        const box = make("input", { type: "checkbox", checked: visibleModels.has(m) });
        box.addEventListener("change", () => {
          if (box.checked) visibleModels.add(m);
          else visibleModels.delete(m);
          again().then(() => detail.querySelectorAll(".chips input")[m]?.focus());
        });
        return make("label", {}, box, make("bdi", {}, shown(name)));
      }));
    detail.replaceChildren(
      make("p", { class: "quiet", dir: "auto" }, shown(texts.tags.join(" · "))),
      make("h3", {}, "Conversation"),
      ...texts.prompt.map(([role, text]) =>
        make("div", { class: role === "user" ? "turn user" : "turn" },
          make("p", { class: "who" }, shown(role)), textBlock(text))),
      make("h3", {}, models.length < 2 ? "Answer" : "Answers"),
      chips ?? "",
      make("div", { class: "columns" }, ...at.map((m) =>
        answerBox(models[m], texts.answers[m], chosenAnswers[m], (n) => { chosenAnswers[m] = n; again(); }))),
      ...(texts.references.length
        ? [make("details", {}, make("summary", {}, `Reference answers (${texts.references.length})`),
            ...texts.references.map((text) => make("div", { class: "turn" }, textBlock(text))))]
        : []),
      ...(texts.reference
        ? [make("details", {}, make("summary", {}, "Reference for the judge"),
            make("div", { class: "turn" }, textBlock(texts.reference)))]
        : []),
      make("h3", {}, "Criteria"),
      criteriaTable(texts, at, chosenAnswers),
    );
    detail.scrollTop = place;
    const order = listed.indexOf(example);
    byId("previous").disabled = order <= 0;
    byId("next").disabled = order < 0 || order >= listed.length - 1;
  }

  function open(example) {
    state.open = example;
    chosenAnswers = models.map(() => 0);
    if (!dialog.open) dialog.showModal();
    detail.focus();
    return renderDetail(example, false);
  }
  function follow() {
    const match = /^#example=(.*)$/.exec(location.hash);
    let id = null;
    try { id = match && decodeURIComponent(match[1]); } catch { id = null; }
    const example = id === null ? null : examples.find((e) => wellFormed(e.id) === id);
    if (example) open(example);
    else if (dialog.open) dialog.close();
  }
  function step(by) {
    const next = listed[listed.indexOf(state.open) + by];
    if (next) location.replace(link(next));
  }
  dialog.addEventListener("close", () => {
    const left = state.open;
    state.open = null;
    if (location.hash.startsWith("#example=")) history.replaceState(null, "", "#examples");
    const at = listed.indexOf(left);
    body.children[at]?.querySelector("a").focus({ preventScroll: false });
  });
  byId("close").addEventListener("click", () => dialog.close());
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  addEventListener("hashchange", follow);

  // ---------- keys ----------
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inField = event.target.closest?.("input, select, textarea");
    if (inField && event.key !== "Escape") return;
    if (dialog.open) {
      if (event.key === "j" || event.key === "ArrowRight") step(1);
      else if (event.key === "k" || event.key === "ArrowLeft") step(-1);
      else return;
      event.preventDefault();
    } else if (event.key === "/") {
      event.preventDefault();
      byId("search").focus();
    } else if (event.key === "j" || event.key === "k") {
      const links = [...body.querySelectorAll("a")];
      const at = links.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
      links[Math.max(0, Math.min(at, links.length - 1))]?.focus();
      event.preventDefault();
    }
  });

  renderHead();
  render();
  follow();
  // texts are unpacked while the reader reads the head, so that the first search finds all
  (window.requestIdleCallback ?? setTimeout)(() => unpackAll());
  root.dataset.ready = "true";
})();
