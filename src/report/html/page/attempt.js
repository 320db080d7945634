// One attempt: verdict, scores with evidence, findings, drift, and all its steps.

const stepId = step => 's' + step;
const here = (row, more) => writeState({ ...readState(location.hash), a: row.seq, vs: null, step: null, ...more });

async function attemptView(row) {
  const [data, made] = await Promise.all([attempt(row), times(row)]);
  const out = el('article.attempt', crumbs(row), title(row));
  if (!data) {
    out.append(el('p.notice', 'The steps of this attempt are left out to keep the page under 20 MB. They are in trajectories.jsonl of the run folder.'));
    return out;
  }
  const most = Math.max(0, ...data.steps.map(step => total(step.usage) || 0));
  out.append(el('div.columns', rail(row, data, most), el('div.body', {},
    data.reason && el('p.reason', data.reason),
    spent(row, data), scores(data), findings(row, data), drift(data), evidence(data), facts(row, data),
    data.failure && el('p.notice', data.failure),
    data.steps.length ? el('h3', 'Steps') : null,
    data.steps.map((step, i) => [gap(data, i), stepView(row, data, step, made[step.id - 1], most)]))));
  return out;
}

function crumbs(row) {
  const rows = select(readState(location.hash)).rows;
  const at = rows.indexOf(row);
  const near = (other, words, key) => (other ? el('a', { href: here(other), title: words + ' (key ' + key + ')' }, words) : el('span.dim', words));
  return el('nav.crumbs', { 'aria-label': 'Attempts' },
    el('a.back', { href: writeState({ ...readState(location.hash), a: null, vs: null, step: null }), title: 'key u' }, '← all attempts'),
    el('span.turn', near(rows[at - 1], 'previous', 'k'), el('span.dim', at < 0 ? '' : count(at + 1) + ' of ' + count(rows.length)), near(rows[at + 1], 'next', 'j')));
}

function title(row) {
  const all = ROWS.filter(other => other.task === row.task && other !== row);
  const others = all.slice(0, 200);
  const chip = (words, kind) => el('span.fact' + (kind || ''), words);
  return el('header.title', {},
    el('h2', badge(row), ' ', el('span.dim', row.task.split('/')[0] + '/'), row.task.slice(row.task.indexOf('/') + 1)),
    el('p.who', row.subject, el('span.dim', ' attempt ' + row.n)),
    el('div.facts-line', {},
      row.format === null ? null : row.format ? chip('format ok') : chip('format broken', '.bad'),
      row.reward !== null && chip('score ' + row.reward.toFixed(2)),
      !row.skipped && [chip(plural(row.turns, 'turn')), chip(plural(row.calls, 'call'))],
      row.findings > 0 && chip(plural(row.findings, 'finding')),
      TIMING && !row.skipped && chip(row.ms === null ? 'time unknown' : duration(row.ms)),
      TIMING && TIMING[1][row.at] && chip('started ' + TIMING[1][row.at])),
    others.length > 0 && el('label.versus', 'Side by side with ', el('select', {
      onchange: event => event.target.value && go({ ...readState(location.hash), a: String(row.seq), vs: event.target.value, step: '' }) },
    el('option', { value: '' }, 'another attempt on this task …'),
    others.map(other => el('option', { value: String(other.seq) }, other.subject + ' #' + other.n + ': ' + other.label)),
    all.length > others.length && el('option', { disabled: true }, plural(all.length - others.length, 'more attempt') + ', not listed'))));
}

function rail(row, data, most) {
  if (!data.steps.length) return null;
  return el('nav.rail', { 'aria-label': 'Steps' }, el('ol', data.steps.map(step => {
    const hits = data.findings.filter(finding => finding.step === step.id);
    const worst = ['error', 'warning', 'info'].find(severity => hits.some(hit => hit.severity === severity));
    const what = step.calls.length ? step.calls.map(call => call.name).join(', ') : step.source;
    return el('li.' + step.source, el('a', { href: here(row, { step: step.id }) },
      el('span.number', String(step.id)), el('span.what', what),
      worst && el('span.dot.' + worst, { role: 'img', 'aria-label': plural(hits.length, 'finding') }),
      step.source === 'agent' ? bar(step.usage, most) : null));
  })));
}

function spent(row) {
  if (row.skipped) return null;
  return el('div.spent', bar(row.usage, row.tokens), el('p.legend', {},
    el('span.key.cached'), 'cached ' + count(row.usage.cached) + ' ', el('span.key.prompt'), 'prompt ' + count(row.usage.prompt) + ' ',
    el('span.key.completion'), 'completion ' + count(row.usage.completion) + ' tokens · cost ' + usd(row.cost)));
}

function scores(data) {
  if (!data.scores.length) return null;
  return el('div.wide', { tabIndex: 0 }, el('table.scores', {},
    el('thead', el('tr', ['scorer', 'score', 'weight', 'why'].map(word => el('th', { scope: 'col' }, word)))),
    el('tbody', data.scores.map(score => el('tr', el('td', el('code', score.scorer)),
      el('td.n.' + (score.passed ? 'good' : 'bad'), score.value === null ? 'could not judge' : String(score.value)),
      el('td.n', String(score.weight)), el('td.why', score.why))))));
}

function sentence(finding) {
  return [el('span.sev.' + finding.severity, { title: finding.severity }, finding.rule), ' ', el('b', finding.name), ' ',
    el('span', finding.sentence), el('span.dim', ' ' + finding.severity + (finding.readings === 'strict' ? '' : ', ' + finding.readings))];
}

function findings(row, data) {
  if (!data.findings.length) return null;
  return el('section', el('h3', plural(row.findings, 'finding') + (row.findings > data.findings.length ? ', the first ' + data.findings.length + ' are shown' : '')), el('ol.findings', data.findings.map(finding =>
    el('li', sentence(finding), ' ', finding.step === null ? el('span.dim', 'the whole trajectory') : link(row, finding, 'step ' + finding.step)))));
}

const link = (row, finding, words) => finding && finding.step !== null
  && el('a', { href: here(row, { step: finding.step }), onclick: event => jump(event, finding) }, words);

// Goes to the text that a finding underlines, else to its step.
function jump(event, finding) {
  const mark = document.querySelector('mark[data-hits~="' + finding.at + '"]');
  if (!mark) return;
  event.preventDefault();
  show(mark);
}
function show(mark) {
  for (let at = mark; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
  mark.scrollIntoView({ block: 'center' });
  mark.focus({ preventScroll: true });
}
function nextMark(direction) {
  const marks = [...document.querySelectorAll('mark')];
  if (!marks.length) return;
  const at = marks.indexOf(document.activeElement);
  show(marks[(at < 0 ? (direction > 0 ? 0 : marks.length - 1) : at + direction + marks.length) % marks.length]);
}

function drift(data) {
  const more = data.drifts - data.drift.length;
  return [data.drift.map(({ turn, diff }) => el('details.drift', {},
    el('summary', 'Turn ' + turn + ': the observation differs from the tape'),
    el('pre', { tabIndex: 0 }, diff.split('\n').map((line, i) => [i ? '\n' : '', line[0] === '-' ? el('del', line) : line[0] === '+' ? el('ins', line) : line])))),
  more > 0 && el('p.notice', plural(more, 'more difference') + ' from the tape, of ' + count(data.drifts) + ', not shown. All are in attempts.jsonl of the run folder.')];
}

const evidence = data => data.evidence.map(item => el('details.evidence', {},
  el('summary', 'Evidence ', el('code', item.name)),
  el('p.note', 'SHA-256 ', el('code', item.sha256), ', the file of that name under artefacts/ of the run folder'),
  item.content === null ? el('p.note', item.cut) : [el('pre', { tabIndex: 0 }, item.content), item.cut ? el('p.note', count(item.cut) + ' bytes more are not shown') : null]));

function facts(row, data) {
  return el('details.facts', el('summary', 'How it was run'),
    el('dl', [['attempt', row.task + '/' + row.subject + '/' + row.n], ['plan position', String(row.seq)], ...data.facts]
      .map(([name, value]) => [el('dt', name), el('dd', value)])));
}

// What is said where steps are left out of the middle.
function gap(data, i) {
  const missing = data.steps[i].id - (i ? data.steps[i - 1].id : 0) - 1;
  return missing > 0 ? el('p.notice', plural(missing, 'step') + ' of ' + count(data.total)
    + ' are left out here, the attempt is too long for the page. All are in trajectories.jsonl of the run folder.') : null;
}

function stepView(row, data, step, time, most) {
  const hits = data.findings.filter(finding => finding.step === step.id);
  const odd = step.finish && step.finish !== 'stop' && step.finish !== 'tool_calls';
  return el('section.step.' + step.source, { id: stepId(step.id), tabIndex: -1, 'aria-label': 'Step ' + step.id + ', ' + step.source },
    el('h4', el('a.number', { href: here(row, { step: step.id }) }, String(step.id)), el('span.who', step.source),
      step.model && el('span.note', step.model),
      step.frame && el('span.note', 'prompt frame, not counted'),
      odd && el('span.note.bad', 'finish reason ' + step.finish),
      time && el('time', time)),
    step.source === 'agent' && el('p.usage', bar(step.usage, most), el('span.note', tokenWords(step.usage))),
    step.reasoning && el('details.reasoning', el('summary', 'Reasoning'), box(step.reasoning.text, step.reasoning.cut, 'reasoning')),
    said(data, step, hits),
    hits.length > 0 && el('ul.findings', hits.map(finding => el('li', sentence(finding), ' ', link(row, data.findings[finding.at + 1], 'next finding')))),
    step.calls.map(callView),
    step.results.map(result => el('div.observation', {},
      el('p.label', 'observation', result.name && [' of ', el('code', result.name)]),
      result.text ? box(result.text, result.cut, 'observation') : el('p.note', 'empty'))));
}

// The text as it was written, each finding underlined where it stands.
function said(data, step, hits) {
  if (!hits.length && step.source !== 'agent') return box(step.said, step.cut, step.source === 'system' ? 'instructions' : 'the message');
  if (!step.said && step.pieces.every(piece => !piece.hits.length)) return null;
  return [el('pre.said', step.pieces.map(piece => {
    if (!piece.hits.length) return piece.text;
    const found = piece.hits.map(at => data.findings[at]);
    const worst = ['error', 'warning', 'info'].find(severity => found.some(finding => finding.severity === severity));
    const words = found.map(finding => finding.rule + ' ' + finding.name + ': ' + finding.sentence).join('\n');
    // An empty span still has a place.
    return el('mark.' + worst, { title: words, 'data-hits': piece.hits.join(' '), tabIndex: 0, 'aria-description': words }, piece.text || '‸');
  })), more(step.cut)];
}

function callView(call) {
  return el('details.call', { open: !call.above }, el('summary', el('span.label', 'call '), el('code', call.name),
    call.args ? null : el('span.sev.error', 'arguments did not parse')),
  call.args ? el('dl', call.args.map(arg => [el('dt', arg.key), el('dd', box(arg.text, arg.cut, arg.key))]))
    : box(call.raw || '', call.rawCut, 'arguments'));
}
