// The index: filters, facets with counts, and a table of which only the visible rows are in the page.

const COLUMNS = [
  ['outcome', 'outcome', row => OUTCOMES.indexOf(row.outcome)],
  ['task', 'task', row => row.task],
  ['subject', 'subject', row => row.subject],
  ['score', 'score', row => row.reward, true],
  ['format', 'format', row => (row.format === null ? null : Number(row.format))],
  ['findings', 'findings', row => row.findings, true],
  ['turns', 'turns', row => (row.skipped ? null : row.turns), true],
  ['tokens', 'tokens', row => (row.skipped ? null : row.tokens), true],
  ['cost', 'cost', row => (row.skipped ? null : row.cost), true],
];
if (TIMING) COLUMNS.push(['time', 'time', row => row.ms, true]);

const formatWord = row => (row.format === null ? 'none' : row.format ? 'ok' : 'broken');
// Each facet: the values that a row has in it.
const FACETS = {
  outcome: row => [row.outcome],
  subject: row => [row.subject],
  task: row => [row.task],
  rule: row => (row.rules.size ? [...row.rules.keys()].map(rule => RULES[rule][0]) : ['none']),
  format: row => [formatWord(row)],
};

// What is asked for, as it stands in the fragment of the address.
function readState(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const state = { q: query.get('q') || '', sort: query.get('sort') || '', a: query.get('a'), vs: query.get('vs'), step: query.get('step') };
  for (const facet of Object.keys(FACETS)) state[facet] = query.getAll(facet);
  return state;
}
function writeState(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (Array.isArray(value)) value.forEach(one => query.append(name, one));
    else if (value) query.set(name, value);
  }
  return '#' + query;
}

const passes = (row, state, facet) => !state[facet].length || FACETS[facet](row).some(value => state[facet].includes(value));

// The rows that pass all filters, sorted; and for each facet how many rows have each value under the other filters.
function select(state) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = Object.fromEntries(Object.keys(FACETS).map(facet => [facet, new Map()]));
  const rows = [];
  for (const row of ROWS) {
    if (!words.every(word => row.words.includes(word))) continue;
    const failed = Object.keys(FACETS).filter(facet => !passes(row, state, facet));
    if (!failed.length) rows.push(row);
    for (const facet of failed.length ? failed.slice(0, failed.length === 1 ? 1 : 0) : Object.keys(FACETS)) {
      for (const value of FACETS[facet](row)) counts[facet].set(value, (counts[facet].get(value) || 0) + 1);
    }
  }
  const down = state.sort.startsWith('-');
  const column = COLUMNS.find(([name]) => name === state.sort.replace('-', ''));
  if (column) {
    const key = column[2];
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      // What is unknown comes last, whichever way round.
      if (x === null || y === null) return (x === null) - (y === null) || a.at - b.at;
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1) || a.at - b.at;
    });
  }
  return { rows, counts };
}

const view = { rows: [], nodes: new Map(), height: 0, scroll: 0 };

function indexView(state) {
  const search = el('input.search', { type: 'search', id: 'q', value: state.q, placeholder: 'Search task, subject, reason, rule …',
    'aria-label': 'Search attempts', autocomplete: 'off',
    oninput: event => change({ q: event.target.value }) });
  const chips = el('div.chips', { role: 'group', 'aria-label': 'Outcome' });
  const selects = el('div.selects');
  const told = el('p.told', { role: 'status' });
  const head = el('tr', {}, COLUMNS.map(([name, title, , right]) =>
    el(right ? 'th.n' : 'th', { scope: 'col', 'data-column': name }, el('button.sort', { type: 'button', onclick: () => turn(name) }, title))));
  const body = el('tbody');
  const table = el('table.attempts', { 'aria-label': 'Attempts' }, el('thead', {}, head), body);
  Object.assign(view, { chips, selects, told, head, body, table, nodes: new Map(), height: 0 });
  view.above = el('tr.space', { 'aria-hidden': 'true' }, el('td', { colSpan: COLUMNS.length }));
  view.below = el('tr.space', { 'aria-hidden': 'true' }, el('td', { colSpan: COLUMNS.length }));
  return el('section', {}, el('h2', {}, 'Attempts'),
    el('div.filters', {}, search, chips, selects), told, table);
}

function turn(name) {
  const sort = readState(location.hash).sort;
  change({ sort: sort === name ? '-' + name : sort === '-' + name ? '' : name });
}

// Puts filters and rows on the screen; the elements that the reader uses stay the same.
function showIndex(state) {
  const { rows, counts } = select(state);
  view.rows = rows;
  if (part('q') !== document.activeElement) part('q').value = state.q;
  chips(state, counts.outcome);
  selects(state, counts);
  const filtered = rows.length < ROWS.length || state.q || state.sort || Object.keys(FACETS).some(facet => state[facet].length);
  view.told.replaceChildren(rows.length === ROWS.length ? plural(ROWS.length, 'attempt') : count(rows.length) + ' of ' + plural(ROWS.length, 'attempt'),
    filtered ? el('button.link', { type: 'button', onclick: clear }, 'clear') : '');
  for (const cell of view.head.children) {
    const name = cell.dataset.column;
    if (state.sort.replace('-', '') === name) cell.setAttribute('aria-sort', state.sort[0] === '-' ? 'descending' : 'ascending');
    else cell.removeAttribute('aria-sort');
  }
  view.table.setAttribute('aria-rowcount', rows.length + 1);
  view.nodes.clear();
  view.body.replaceChildren(view.above, view.below);
  if (!rows.length) view.body.replaceChildren(el('tr', {}, el('td.none', { colSpan: COLUMNS.length }, 'No attempt passes these filters.')));
  paint();
}

function clear() {
  part('q').value = '';
  go({}, true);
}

function chips(state, counts) {
  const focused = document.activeElement && document.activeElement.dataset.outcome;
  const all = OUTCOMES.filter(word => ROWS.some(row => row.outcome === word));
  view.chips.replaceChildren(...all.map(word => {
    const on = state.outcome.includes(word);
    return el('button.chip.' + word, { type: 'button', 'data-outcome': word, 'aria-pressed': String(on),
      onclick: () => change({ outcome: on ? state.outcome.filter(other => other !== word) : [...state.outcome, word] }) },
    word + ' ', el('b', {}, count(counts.get(word) || 0)));
  }));
  if (focused) view.chips.querySelector('[data-outcome="' + focused + '"]').focus();
}

function selects(state, counts) {
  const active = document.activeElement && document.activeElement.dataset.facet;
  const titles = { subject: SUBJECTS, task: TASKS, rule: [...RULES.map(rule => rule[0]), 'none'], format: ['ok', 'broken', 'none'] };
  view.selects.replaceChildren(...Object.entries(titles).map(([facet, all]) => {
    const values = [...new Set(all)].filter(value => counts[facet].has(value) || state[facet].includes(value));
    const name = value => (facet === 'rule' ? (value === 'none' ? 'no finding' : value + ' ' + RULES.find(rule => rule[0] === value)[1])
      : facet === 'format' ? { ok: 'format ok', broken: 'format broken', none: 'format not judged' }[value] : value);
    const known = value => all.includes(value);
    return el('select', { 'aria-label': facet, 'data-facet': facet, className: state[facet].length ? 'on' : '',
      onchange: event => change({ [facet]: event.target.value ? [event.target.value] : [] }) },
    el('option', { value: '' }, 'any ' + facet),
    values.filter(known).map(value => el('option', { value, selected: state[facet].includes(value) }, name(value) + ' (' + (counts[facet].get(value) || 0) + ')')));
  }));
  if (active) view.selects.querySelector('[data-facet="' + active + '"]').focus();
}

function rowNode(row, at, state) {
  const dash = value => (value === null ? '–' : value);
  const figures = row.skipped ? ['–', '–', '–'] : [count(row.turns), count(row.tokens), usd(row.cost)];
  if (TIMING) figures.push(row.skipped ? '–' : duration(row.ms));
  const names = COLUMNS.slice(6).map(column => column[1]);
  return el('tr.row', { 'aria-rowindex': at + 2, onclick: event => { if (!event.target.closest('a') && !String(getSelection())) openRow(row); } },
    el('td.o', {}, badge(row)),
    el('td.t', {}, el('a', { href: writeState({ ...state, a: row.seq }) }, taskName(row), el('span.dim', {}, ' #' + row.n)),
      row.reason ? el('span.why', { title: row.reason }, row.reason) : null),
    el('td.s', { title: row.subject }, row.subject),
    el('td.n', { 'data-name': 'score' }, dash(row.reward === null ? null : row.reward.toFixed(2))),
    el('td.f', {}, row.format === null ? '–' : row.format ? el('span.good', {}, 'ok') : el('span.bad', {}, 'broken')),
    el('td.n', { 'data-name': 'findings' }, row.findings ? count(row.findings) : '–'),
    figures.map((figure, i) => el('td.n' + (figure === 'unknown' ? '.dim' : ''), { 'data-name': names[i] }, figure)));
}
const openRow = row => go({ ...readState(location.hash), a: String(row.seq) });

// Makes the rows that are in sight, and a few around them, and takes the others away.
function paint(everything) {
  if (!view.body || !view.body.isConnected || !view.rows.length) return;
  const state = readState(location.hash);
  if (!view.height) {
    const probe = rowNode(view.rows[0], 0, state);
    view.above.after(probe);
    view.height = probe.getBoundingClientRect().height || 40;
    probe.remove();
  }
  const top = view.above.getBoundingClientRect().top;
  const first = everything ? 0 : Math.max(0, Math.floor(-top / view.height) - 8);
  const last = everything ? view.rows.length : Math.min(view.rows.length, Math.max(0, Math.ceil((innerHeight - top) / view.height)) + 8);
  for (const [at, node] of view.nodes) {
    if (at < first || at >= last) { node.remove(); view.nodes.delete(at); }
  }
  let before = view.above;
  for (let at = first; at < last; at++) {
    let node = view.nodes.get(at);
    if (!node) {
      node = rowNode(view.rows[at], at, state);
      before.after(node);
      view.nodes.set(at, node);
    }
    before = node;
  }
  view.above.style.height = first * view.height + 'px';
  view.below.style.height = (view.rows.length - last) * view.height + 'px';
}
