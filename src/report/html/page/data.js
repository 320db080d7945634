// What the page holds: the index at once, attempts and differences when they are looked at.
// The order of fields is that of rows.rs, detail.rs and step.rs. All text was made harmless for terminals
// before it came here; for the page it is only ever put into text nodes.

const part = id => document.getElementById(id);
const json = id => { const element = part(id); return element && JSON.parse(element.textContent); };

const [RUN, OUTCOMES, TASKS, SUBJECTS, RULES, rawRows, PAIRS, STARTS] = json('index');
const TIMING = json('timing');

const ROWS = rawRows.map((fields, at) => {
  const [seq, task, subject, n, outcome, label, reason, format, reward, turns, calls, usage, hits, value, chunks] = fields;
  const [prompt, cached, completion, cost] = usage;
  const skipped = OUTCOMES[outcome] === 'skipped';
  const tokens = prompt === null || completion === null ? null : prompt + completion;
  const rules = new Map();
  for (let i = 0; i < hits.length; i += 2) rules.set(hits[i], hits[i + 1]);
  const ms = TIMING && !skipped ? TIMING[0][at] : null;
  return { at, seq, task: TASKS[task], subject: SUBJECTS[subject], n, outcome: OUTCOMES[outcome], label, reason, format,
    reward, turns, calls, skipped, tokens, usage: { prompt, cached, completion, cost }, cost, rules, ms,
    findings: [...rules.values()].reduce((sum, count) => sum + count, 0), value, chunks,
    words: [TASKS[task], SUBJECTS[subject], label, reason, ...[...rules.keys()].map(rule => RULES[rule].slice(0, 2).join(' '))]
      .join('\n').toLowerCase() };
});

// Deflated JSON in base 64.
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return JSON.parse(await new Response(stream).text());
}

const parsed = new Promise(done => {
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', done); else done();
});
const chunks = new Map();

function chunk(number) {
  if (!chunks.has(number)) {
    // A few are enough to go back and forth; all of them would hold a big run in memory.
    if (chunks.size >= 24) chunks.delete(chunks.keys().next().value);
    chunks.set(number, parsed.then(() => unpack(json('c' + number))));
  }
  return chunks.get(number);
}

// A value, and a function that gives the text behind a number.
async function load(value, list) {
  const loaded = new Map();
  for (const number of list) loaded.set(number, await chunk(number));
  const at = number => {
    let low = 0, high = STARTS.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (STARTS[middle] <= number) low = middle; else high = middle;
    }
    return loaded.get(low)[number - STARTS[low]];
  };
  return [at(value), text => (typeof text === 'number' ? at(text) : text)];
}

async function attempt(row) {
  if (row.value === null) return null;
  const [fields, text] = await load(row.value, row.chunks);
  const [facts, reason, scores, evidence, findings, drift, steps, total, cap, failure, drifts] = fields;
  const usage = list => list && { prompt: list[0], cached: list[1], completion: list[2], cost: list[3] };
  return { facts, reason: text(reason), total, cap, failure, drifts,
    scores: scores.map(([scorer, value, weight, passed, why]) => ({ scorer, value, weight, passed, why: text(why) })),
    evidence: evidence.map(([name, sha256, content, cut]) => ({ name, sha256, content: text(content), cut })),
    findings: findings.map(([rule, name, severity, sentence, step, marked, readings], at) =>
      ({ at, rule, name, severity, sentence: text(sentence), step, marked, readings })),
    drift: drift.map(([turn, diff]) => ({ turn, diff: text(diff) })),
    steps: steps.map(([id, source, frame, finish, model, used, reasoning, pieces, cut, calls, results]) => ({
      id, source, frame, finish, model, usage: usage(used), cut,
      reasoning: reasoning && { text: text(reasoning[0]), cut: reasoning[1] },
      pieces: pieces.map(([piece, ...hits]) => ({ text: text(piece), hits })),
      said: pieces.map(([piece]) => text(piece)).join(''),
      calls: calls.map(([name, above, args, raw, rawCut]) => ({ name, above, raw: text(raw), rawCut,
        args: args && args.map(([key, value, more]) => ({ key, text: text(value), cut: more })) })),
      results: results.map(([name, content, more]) => ({ name, text: text(content), cut: more })) })) };
}

let stepTimes = null;
async function times(row) {
  if (!TIMING) return [];
  stepTimes = stepTimes || unpack(TIMING[2]);
  return (await stepTimes)[row.at];
}

const pairKey = (a, b) => Math.min(a, b) + ' ' + Math.max(a, b);
const pairs = new Map(PAIRS.map(pair => [pairKey(pair[0], pair[1]), pair]));

// For each two steps the runs of what was said and of what came back; null where nothing was compared.
async function difference(left, right) {
  const pair = pairs.get(pairKey(left.at, right.at));
  if (!pair) return null;
  const [runs] = await load(pair[2], pair[3]);
  const turned = run => run && run.map((_, i) => run[i % 3 === 0 ? i : i % 3 === 1 ? i + 1 : i - 1]);
  return pair[0] === left.at ? runs : runs.map(turned);
}
