"use strict";
// The example browser.
(() => {
  const { MINUS, NONE, wellFormed, shown, make, textBlock, grouped, score, difference, points } = page;
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // a link that names what is not here says so, and leads to the page all the same
  const faults = (said) => {
    byId("link-fault").hidden = !said.length;
    byId("link-fault").textContent = said.join(" ");
    if (said.length) byId("link-fault").scrollIntoView({ block: "center" });
  };
  const notHere = (what, name) => `The link asks for ${what} \u201c${shown(name)}\u201d, which is not on this page.`;
  function readAddress() {
    const found = {};
    for (const part of location.hash.slice(1).split("&")) {
      const at = part.indexOf("=");
      const value = at < 0 ? "" : part.slice(at + 1);
      try { found[at < 0 ? part : part.slice(0, at)] = decodeURIComponent(value); } catch {
        found[at < 0 ? part : part.slice(0, at)] = value;
      }
    }
    return found;
  }
  const KEYS = ["example", "criterion", "answers", "examples", "row", "show", "theme", "q", "this", "other", "order"];
  function strangers(asked) {
    const names = Object.keys(asked).filter((key) => key && !KEYS.includes(key) && !byId(key));
    return names.map((name) => notHere("the part", name));
  }

  const source = byId("index");
  if (!source) {
    const told = () => {
      const asked = readAddress();
      faults(asked.example === undefined ? strangers(asked) : ["This page was made without its examples."]);
    };
    addEventListener("hashchange", told);
    told();
    return;
  }
  const { models, baseline, examples, rows } = JSON.parse(source.textContent);

  const PAGE = 25; // rows added at a time
  const OUTCOMES = {
    1: "met", 0: "not met", l: "level", a: "not applicable", u: "unparseable", r: "refused", t: "truncated",
    o: "longer than the judge's context",
    n: "no reply", e: "judge error", s: "not asked",
  };
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
          example.texts = texts[example.at[1]];
          const { prompt, criteria, tags, answers } = example.texts;
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

  // ---------- criteria: what a row of their table stands for, and who passes it ----------
  const rowOf = (key) => rows.find((row) => row.key === key) ?? null;
  function placesOf(example, row) {
    const { criteria, tags } = example.texts;
    const belongs = ([text, , polarity, own]) =>
      row.tag === undefined
        ? text === row.text && (polarity === "desirable") === row.wanted
        : own.includes(row.tag) || tags.includes(row.tag);
    return [...criteria.keys()].filter((c) => belongs(criteria[c]));
  }
  // from 0 to 1, a level by its place between the worst and the best; null without a verdict
  function passed(texts, answer, c) {
    if (answer.differs) return null;
    const code = answer.verdicts[c];
    if (code === "l") {
      const values = texts.forms[c].levels.map(([, value]) => value);
      const [worst, best] = [Math.min(...values), Math.max(...values)];
      return best > worst ? (values[answer.levels[c]] - worst) / (best - worst) : null;
    }
    if (code !== "1" && code !== "0") return null;
    return (code === "1") === (texts.criteria[c][2] === "desirable") ? 1 : 0;
  }
  function passRate({ texts }, m, c) {
    const known = texts.answers[m].map((answer) => passed(texts, answer, c)).filter((p) => p !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
  }
  const passRates = (example, c) => [...models.keys()].map((m) => passRate(example, m, c));

  // ---------- state ----------
  const baseAt = baseline === null ? -1 : models.indexOf(baseline);
  const two = models.length > 1;
  const START = {
    query: "", theme: "", kind: "all", row: null,
    // against the baseline, else the first of the table against the second
    other: baseAt >= 0 ? baseAt : Math.min(1, models.length - 1),
    this: baseAt === 0 ? Math.min(1, models.length - 1) : 0,
    sort: two ? "spread" : "order", descending: two,
  };
  const state = { ...START, shown: PAGE, open: null, criterion: null, faults: [], isRaw: false };
  const visibleModels = new Set(models.length <= 3 ? models.keys() : [state.this, state.other]);

  const gapOf = (values) => {
    const [a, b] = [values[state.this], values[state.other]];
    return a === null || b === null ? null : a - b;
  };
  const gap = (example) => gapOf(example.scores);
  const spreadOf = (values) => {
    const known = values.filter((s) => s !== null);
    return known.length > 1 ? Math.max(...known) - Math.min(...known) : null;
  };
  const spread = (example) => spreadOf(example.scores);
  const nMissing = (example) => example.missing.reduce((a, b) => a + b, 0);
  const isMissing = ({ texts }, c) =>
    texts.answers.flat().some((a) => !a.differs && !["1", "0", "l", "a"].includes(a.verdicts[c]));
  // what is asked of an example's scores, and of one criterion where a row of the table is chosen
  const KINDS = {
    all: ["all examples", () => true, () => true],
    ...(two && {
      better: ["better", (e) => gap(e) > 0, (e, c) => gapOf(passRates(e, c)) > 0],
      worse: ["worse", (e) => gap(e) < 0, (e, c) => gapOf(passRates(e, c)) < 0],
      differ: ["any models differ", (e) => spread(e) > 0, (e, c) => spreadOf(passRates(e, c)) > 0],
    }),
    failed: ["a criterion not passed", null, (e, c) => {
      const rate = passRate(e, state.this, c);
      return rate !== null && rate < 1;
    }],
    missing: ["verdict missing", (e) => nMissing(e) > 0, isMissing],
    unscored: ["an answer not scored", (e) => e.scores.includes(null), (e) => e.scores.includes(null)],
  };
  const needsTexts = () => state.row !== null || state.query !== "" || !KINDS[state.kind][1];

  const columns = [
    ...(two ? [{ key: "spread", label: "largest difference", value: spread, first: true, hidden: true }] : []),
    { key: "order", title: "Example", label: "order in the data", value: (e) => e.order },
    { key: "theme", title: "Theme", label: "theme", value: (e) => e.tags.join(", "), words: true },
    ...models.map((name, at) => ({
      key: `score-${at}`, title: name, label: `score of ${name}`, value: (e) => e.scores[at], first: true,
    })),
    ...(two ? [{ key: "gap", title: "Difference", label: "difference of the two compared", value: gap, first: true }] : []),
    { key: "missing", title: "Missing", label: "missing verdicts", value: nMissing, first: true },
  ];

  let listed = [];
  function choose() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const [, keep, keepCriterion] = KINDS[state.kind];
    const row = rowOf(state.row);
    listed = examples.filter((e) => {
      e.criterion = null;
      if (state.theme && !e.tags.includes(state.theme)) return false;
      if (!words.every((word) => e.words.includes(word))) return false;
      if (!row && keep) return keep(e);
      // it opens at the first criterion that is meant
      const places = row ? placesOf(e, row) : [...e.texts.criteria.keys()];
      e.criterion = places.find((c) => keepCriterion(e, c)) ?? null;
      return e.criterion !== null;
    });
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
      ...columns.filter((column) => !column.hidden).map((column) => {
        const button = make("button", { class: "sort", type: "button", dir: "auto" }, shown(column.title));
        button.addEventListener("click", () => {
          // a first click on a number shows the highest, on words the first
          const turned = state.sort === column.key ? !state.descending : Boolean(column.first);
          sortBy(column, turned);
          byId("example-head").querySelector(`th[aria-sort] button`)?.focus();
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

  function sortBy(column, descending) {
    state.sort = column.key;
    state.descending = descending;
    byId("order").value = column.key;
    renderHead();
    changed();
  }

  // ---------- addresses: an example, a criterion of it, what the list shows ----------
  const written = (text) => encodeURIComponent(wellFormed(text));
  const here = location.href.split("#")[0];
  const link = (example, criterion = example.criterion, answers = meantAnswers(example, criterion)) =>
    `#example=${written(example.id)}${criterion === null ? "" : `&criterion=${criterion + 1}`}`
    + (answers.some(Boolean) ? `&answers=${answers.map((at) => at + 1).join()}` : "");
  // of repeated answers, those that show what the list was filtered by; else the first of each model
  function meantAnswers({ texts }, c) {
    const first = models.map(() => 0);
    if (c === null || !texts || state.kind === "all" || state.kind === "unscored") return first;
    return models.map((_, m) => {
      const given = texts.answers[m];
      const isLow = m === state.this ? state.kind !== "better" : state.kind === "better";
      const value = (answer) => (state.kind === "missing"
        ? Number(!"10la".includes(answer.verdicts[c]))
        : (passed(texts, answer, c) ?? (isLow ? 2 : -1)) * (isLow ? -1 : 1));
      const values = given.map(value);
      return Math.max(0, values.indexOf(Math.max(...values)));
    });
  }
  function listLink() {
    const parts = ["#examples"];
    const add = (name, value, start) => { if (value !== start) parts.push(`${name}=${written(value)}`); };
    add("row", state.row, START.row);
    add("show", state.kind, START.kind);
    add("theme", state.theme, START.theme);
    add("q", state.query, START.query);
    add("this", models[state.this], models[START.this]);
    add("other", models[state.other], models[START.other]);
    if (state.sort !== START.sort || state.descending !== START.descending) {
      parts.push(`order=${state.sort}${state.descending ? "" : ",up"}`);
    }
    return parts.join("&");
  }
  function takeFilters(asked) {
    const said = [];
    // what is asked for, where it is here; what the list starts with where it is not
    const taken = (what, name, found, start) => {
      if (found !== undefined) return found;
      if (name) said.push(notHere(what, name));
      return start;
    };
    const modelAt = (name, start) => {
      const at = models.findIndex((model) => wellFormed(model) === name);
      return taken("the model", name, at < 0 ? undefined : at, start);
    };
    state.row = taken("the row", asked.row, rowOf(asked.row)?.key, null);
    const isKind = Object.hasOwn(KINDS, asked.show ?? "");
    state.kind = taken("the filter", asked.show, isKind ? asked.show : undefined, START.kind);
    state.theme = taken("the theme", asked.theme, themes.find((t) => wellFormed(t) === asked.theme), "");
    state.query = asked.q ?? "";
    state.this = modelAt(asked.this, START.this);
    state.other = modelAt(asked.other, START.other);
    const [key, up] = (asked.order ?? "").split(",");
    const column = columns.find((one) => one.key === key);
    state.sort = taken("the order", asked.order, column?.key, START.sort);
    state.descending = column ? up !== "up" : START.descending;
    byId("search").value = state.query;
    byId("filter-theme").value = state.theme;
    byId("filter-kind").value = state.kind;
    byId("pick-this").value = String(state.this);
    byId("pick-other").value = String(state.other);
    byId("order").value = state.sort;
    showCompared();
    renderHead();
    return said;
  }

  function rowNode(example) {
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
    const row = rowOf(state.row);
    byId("row-filter").hidden = row === null;
    byId("row-name").textContent = row ? shown(row.text ?? row.tag) : "";
    choose();
    body.replaceChildren(...listed.slice(0, state.shown).map(rowNode));
    byId("status").textContent = `${grouped(listed.length)} of ${grouped(examples.length)} examples`;
    byId("more").hidden = listed.length <= state.shown;
  }
  // filters that look into the texts wait until those are unpacked
  let wanted = 0;
  async function show() {
    wanted += 1;
    const mine = wanted;
    state.shown = PAGE;
    if (needsTexts()) await unpackAll();
    if (mine === wanted) render();
  }
  function changed() {
    history.replaceState(null, "", listLink());
    return show();
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
      changed();
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
  listen("search", "input", (value) => { state.query = value; });
  fill(byId("order"), columns.map((column) => [column.key, column.label]), state.sort);
  byId("order").addEventListener("change", (e) => {
    const column = columns.find((one) => one.key === e.target.value);
    sortBy(column, Boolean(column.first));
  });
  byId("clear-row").addEventListener("click", () => {
    state.row = null;
    state.kind = START.kind;
    byId("filter-kind").value = state.kind;
    changed();
    byId("search").focus();
  });
  // the whole row opens; its link is what the keyboard reaches
  body.addEventListener("click", (event) => {
    if (event.target.closest("a") || String(getSelection())) return;
    event.target.closest("tr")?.querySelector("a").click();
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
  const richText = (text, name = null) => textBlock(text, { name, isRich: !state.isRaw });

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
        richText(answer.judged || "(empty)", `Judged part of the answer of ${shown(name)}`),
        make("details", {}, make("summary", {}, "Whole answer"),
          richText(answer.text, `Whole answer of ${shown(name)}`)),
      );
    } else {
      box.append(richText(answer.text || "(empty answer)", `Answer of ${shown(name)}`));
    }
    return box;
  }

  function criteriaTable(example, texts, at, chosen) {
    const head = make("tr", {}, make("th", { scope: "col" }, "Criterion"),
      ...at.map((m) => make("th", { scope: "col" }, make("bdi", {}, shown(models[m])))));
    const rows = texts.criteria.map((criterion, c) => {
      const [text, value, polarity, tags] = criterion;
      const form = texts.forms?.[c] ?? { terms: [] };
      const name = make("th", { scope: "row" },
        make("a", { class: "self", href: here + link(example, c, chosen), "aria-label": `Link to criterion ${c + 1}` }, `#${c + 1}`),
        " ", make("span", { class: "points" }, points(value)),
        textBlock(text),
        make("div", { class: "id", dir: "auto" }, shown([
          polarity === "undesirable" && !form.levels ? "a fault: met is bad" : "",
          form.id ? `id ${form.id}` : "", ...form.terms, ...tags].filter(Boolean).join(" · "))),
        form.levels ? make("ol", { class: "levels", start: 0 }, ...form.levels.map(([words, worth]) =>
          make("li", {}, make("span", { class: "points" }, `${worth ? points(worth) : 0} `), textBlock(words)))) : null,
        form.reference ? make("details", {}, make("summary", {}, "Reference for the judge"),
          textBlock(form.reference)) : null);
      const meant = c === state.criterion ? { class: "meant", "aria-current": "true" } : {};
      return make("tr", meant, name, ...at.map((m) => {
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
          answer.reasons[c] ? textBlock(answer.reasons[c], { style: "text reason" }) : null);
      }));
    });
    return make("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Verdicts by criterion" },
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
      ...state.faults.map((said) => make("p", { class: "box note", role: "status" }, said)),
      make("p", { class: "quiet", dir: "auto" }, shown(texts.tags.join(" · "))),
      make("h3", {}, "Conversation"),
      ...texts.prompt.map(([role, text]) =>
        make("div", { class: role === "user" ? "turn user" : "turn" },
          make("p", { class: "who" }, shown(role)), richText(text))),
      make("h3", {}, models.length < 2 ? "Answer" : "Answers"),
      chips ?? "",
      make("div", { class: "columns" }, ...at.map((m) =>
        answerBox(models[m], texts.answers[m], chosenAnswers[m], (n) => {
          chosenAnswers[m] = n;
          history.replaceState(null, "", link(example, state.criterion, chosenAnswers));
          again();
        }))),
      ...(texts.references.length
        ? [make("details", {}, make("summary", {}, `Reference answers (${texts.references.length})`),
            ...texts.references.map((text) => make("div", { class: "turn" }, richText(text))))]
        : []),
      ...(texts.reference
        ? [make("details", {}, make("summary", {}, "Reference for the judge"),
            make("div", { class: "turn" }, richText(texts.reference)))]
        : []),
      make("h3", {}, "Criteria"),
      criteriaTable(example, texts, at, chosenAnswers),
    );
    detail.scrollTop = place;
    if (!keepPlace) detail.querySelector("tr.meant")?.scrollIntoView({ block: "center", behavior: "instant" });
    const order = listed.indexOf(example);
    byId("previous").disabled = order <= 0;
    byId("next").disabled = order < 0 || order >= listed.length - 1;
  }

  function open(example, criterion, answers, said) {
    chosenAnswers = answers;
    state.open = example;
    state.criterion = criterion;
    state.faults = said;
    byId("copy").textContent = "Copy link";
    if (!dialog.open) dialog.showModal();
    detail.focus();
    return renderDetail(example, false);
  }
  // a criterion is named by its number, from 1, or by its id
  function criterionAt({ criteria, forms }, named) {
    const byName = (forms ?? []).findIndex((form) => form.id !== undefined && wellFormed(form.id) === named);
    const at = byName >= 0 ? byName : /^[0-9]+$/.test(named) ? Number(named) - 1 : -1;
    return at >= 0 && at < criteria.length ? at : null;
  }
  // answers are named by their numbers, from 1, a model each; the first where none is named
  function answersAt({ answers }, named) {
    const numbers = named === undefined ? models.map(() => "1") : named.split(",");
    const isHere = (n, m) => n === "1" || (/^[0-9]+$/.test(n) && answers[m]?.[n - 1] !== undefined);
    return numbers.length === models.length && numbers.every(isHere) ? numbers.map((n) => n - 1) : null;
  }
  async function follow() {
    const hash = location.hash;
    const asked = readAddress();
    const example = asked.example === undefined ? null : examples.find((e) => wellFormed(e.id) === asked.example);
    if (example) {
      const texts = await textsOf(example);
      if (location.hash !== hash) return;
      const said = strangers(asked);
      const criterion = asked.criterion === undefined ? null : criterionAt(texts, asked.criterion);
      if (asked.criterion !== undefined && criterion === null) {
        said.push(`${notHere("criterion", asked.criterion)} This example has ${texts.criteria.length}.`);
      }
      const answers = answersAt(texts, asked.answers);
      if (!answers) said.push(notHere("the answers", asked.answers));
      faults([]);
      await open(example, criterion, answers ?? models.map(() => 0), said);
      return;
    }
    if (dialog.open) dialog.close();
    const said = strangers(asked);
    if (asked.example !== undefined) said.push(notHere("example", asked.example));
    else if (asked.examples !== undefined && Object.keys(asked).length > 1) {
      said.push(...takeFilters(asked));
      await show();
      byId("examples").scrollIntoView();
    }
    else if (["criterion", "answers", "row", "show", "q", "this", "other", "order"].some((key) => key in asked)
      && asked.examples === undefined) said.push("The link names no example.");
    faults(said);
  }
  function step(by) {
    const next = listed[listed.indexOf(state.open) + by];
    if (next) location.replace(link(next));
  }
  dialog.addEventListener("close", () => {
    const left = state.open;
    state.open = null;
    if (location.hash.startsWith("#example=")) history.replaceState(null, "", listLink());
    const at = listed.indexOf(left);
    body.children[at]?.querySelector("a").focus({ preventScroll: false });
  });
  byId("raw").addEventListener("click", () => {
    state.isRaw = !state.isRaw;
    byId("raw").setAttribute("aria-pressed", String(state.isRaw));
    if (state.open) renderDetail(state.open, true);
  });
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      byId("copy").textContent = "Link copied";
    } catch {
      byId("copy").textContent = "Copy it from the address bar";
    }
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
  show();
  follow();
  // texts are unpacked while the reader reads the head, so that the first search finds all
  (window.requestIdleCallback ?? setTimeout)(() => unpackAll());
  root.dataset.ready = "true";
})();
