// Two attempts on one task, step beside step, with the lines that differ.

// Must be what `compared` in step.rs makes, for the runs count these lines.
function compared(step) {
  const lines = [step.said];
  for (const call of step.calls.filter(call => !call.above)) {
    lines.push('→ ' + call.name);
    if (call.args) call.args.forEach(arg => lines.push(arg.key + ': ' + arg.text));
    else lines.push(call.raw || '');
  }
  return [lines.join('\n'), step.results.map(result => result.text).join('\n')];
}

async function compareView(left, right) {
  const [a, b, runs] = await Promise.all([attempt(left), attempt(right), difference(left, right)]);
  const side = row => el('div.side', el('p', badge(row), ' ', el('a', { href: here(row) }, row.subject + ' #' + row.n)),
    row.reason && el('p.why', row.reason),
    el('div.facts-line', [['score', row.reward === null ? '–' : row.reward.toFixed(2)],
      ['format', row.format === null ? '–' : row.format ? 'ok' : 'broken'], ['findings', count(row.findings)],
      ['turns', count(row.turns)], ['calls', count(row.calls)], ['tokens', count(row.tokens)], ['cost', usd(row.cost)]]
      .map(([name, value]) => el('span.fact', name + ' ' + value))));
  const swap = el('a', { href: writeState({ ...readState(location.hash), a: right.seq, vs: left.seq }) }, '⇄ swap sides');
  const out = el('article.compare', el('nav.crumbs', { 'aria-label': 'Attempts' },
    el('a.back', { href: here(left), title: 'key u' }, '← attempt'), el('span.turn', swap)),
  el('h2', 'Side by side: ', el('span.dim', left.task)), el('div.sides', side(left), side(right)));
  if (!a || !b) {
    out.append(el('p.notice', 'The steps of one side are left out to keep the page under 20 MB.'));
    return out;
  }
  if (!runs) out.append(el('p.notice', 'For this pair no differences were computed: they are for two subjects in the attempt of the same number, and for at most 400 pairs of a run. Texts that are equal on both sides are folded.'));
  // Each step has two runs.
  const done = runs ? runs.length / 2 : Infinity;
  const both = Math.min(a.steps.length, b.steps.length);
  for (let i = 0; i < Math.max(a.steps.length, b.steps.length); i++) {
    if (i === done && i < both) out.append(el('p.notice', 'Only the first ' + plural(done, 'step') + ' were compared; the ' + count(both - done) + ' from here on that both sides have stand side by side without marks.'));
    out.append(pairView(a, b, i, runs));
  }
  return out;
}

function pairView(a, b, i, runs) {
  const [left, right] = [a.steps[i], b.steps[i]];
  const name = step => (step ? step.id + ' ' + step.source + (step.calls.length ? ': ' + step.calls.map(call => call.name).join(', ') : '') : 'no such step');
  const hits = (data, step) => (step ? data.findings.filter(finding => finding.step === step.id) : []);
  const found = list => el('ul.findings', list.map(finding => el('li', sentence(finding))));
  const texts = [left ? compared(left) : ['', ''], right ? compared(right) : ['', '']];
  const out = el('section.pair', { 'aria-label': 'Step ' + (i + 1) }, el('div.heads', el('h4', name(left)), el('h4', name(right))));
  for (const which of [0, 1]) {
    const [old, now] = [texts[0][which], texts[1][which]];
    if (!old && !now) continue;
    if (which) out.append(el('p.label', 'observation'));
    const run = left && right && runs ? runs[2 * i + which] : undefined;
    out.append(lines(old, now, run));
    if (!which && (hits(a, left).length || hits(b, right).length)) out.append(el('div.sides', found(hits(a, left)), found(hits(b, right))));
  }
  return out;
}

// The lines of both sides: equal ones beside each other and folded if many, then those of one side only.
function lines(old, now, run) {
  const table = el('div.diff');
  const row = (a, b, kind) => {
    const cell = (text, mark) => el('div' + (text === null ? '.void' : mark), text || '');
    table.append(cell(a, kind === 'same' ? '.same' : kind ? '.del' : '.only'), cell(b, kind === 'same' ? '.same.twin' : kind ? '.ins' : '.only'));
  };
  if (old === now && old) {
    const first = old.split('\n', 1)[0].slice(0, 120);
    return el('details.equal', el('summary', 'the same on both sides, ' + plural(old.split('\n').length, 'line') + ': ', el('span.dim', first)), el('pre', { tabIndex: 0 }, old));
  }
  if (!run) {
    row(old || null, now || null, '');
    return run === null ? [el('p.note', 'too long to be compared line by line'), table] : table;
  }
  const [a, b] = [old.split('\n'), now.split('\n')];
  let [x, y] = [0, 0];
  for (let i = 0; i < run.length; i += 3) {
    const [same, gone, come] = run.slice(i, i + 3);
    const fold = same > 7;
    for (let n = 0; n < same; n++) {
      if (fold && n === 3) {
        const hidden = a.slice(x + 3, x + same - 3).join('\n');
        table.append(el('details.skip', el('summary', plural(same - 6, 'equal line')), el('pre', hidden)));
        n = same - 3;
      }
      row(a[x + n], b[y + n], 'same');
    }
    for (let n = 0; n < Math.max(gone, come); n++) row(n < gone ? a[x + same + n] : null, n < come ? b[y + same + n] : null, 'diff');
    x += same + gone;
    y += same + come;
  }
  return table;
}
