// Small helpers: elements, figures, boxes of text, bars.

// An element of a tag and classes as in 'p.note', with properties, and children that become text unless they are nodes.
function el(kind, ...children) {
  const [tag, ...classes] = kind.split('.');
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(' ');
  const first = children[0];
  const plain = first && Object.getPrototypeOf(first) === Object.prototype;
  for (const [name, value] of Object.entries(plain ? children.shift() : {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes('-')) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(3).filter(child => child || child === 0));
  return element;
}

const count = value => (value === null ? 'unknown' : String(value).replace(/\B(?=(\d{3})+$)/g, ','));
const usd = value => (value === null ? 'unknown' : value === 0 ? '$0' : value < 0.00005 ? '<$0.0001' : '$' + value.toFixed(value < 1 ? 4 : 2));
const plural = (n, noun) => count(n) + ' ' + noun + (n === 1 ? '' : 's');
function duration(ms) {
  if (ms === null) return 'unknown';
  if (ms < 1) return '< 1 ms';
  if (ms < 1000) return ms.toFixed(0) + ' ms';
  return ms < 60000 ? (ms / 1000).toFixed(1) + ' s' : Math.floor(ms / 60000) + ' min ' + ((ms % 60000) / 1000).toFixed(0) + ' s';
}

const SUITES = new Set(TASKS.map(task => task.split('/')[0]));
// The suite only where there are several.
const taskName = row => [SUITES.size > 1 ? el('span.dim', row.task.split('/')[0] + '/') : null, el('b', row.task.slice(row.task.indexOf('/') + 1))];
const badge = row => el('span.badge.' + row.outcome, row.label);
const more = cut => (cut ? el('p.note', count(cut) + ' bytes more are not shown; trajectories.jsonl of the run folder has them') : null);
const LONG = 1200, LINES = 24;
const isLong = text => text.length > LONG || text.split('\n', LINES + 1).length > LINES;

// Text in a box that starts folded if it is long.
function box(text, cut, label) {
  const pre = () => el('pre', { tabIndex: 0 }, text);
  if (!isLong(text)) return [pre(), more(cut)];
  const lines = text.split('\n');
  const shown = lines.slice(0, 6).join('\n').slice(0, 500);
  const fold = el('details.long', el('summary', {},
    el('span.fold', plural(lines.length, 'line') + ', ' + plural(text.length, 'character') + (label ? ' of ' + label : '')),
    el('pre.peek', { 'aria-hidden': 'true' }, shown)));
  // A long text is made when it is asked for, so that a long attempt opens at once.
  const fill = () => { if (fold.children.length === 1) fold.append(pre(), more(cut) || ''); };
  fold.addEventListener('toggle', fill);
  fold.fill = fill;
  return [fold];
}

// Cached, other prompt and completion tokens as one bar whose full width is `most` tokens.
function bar(usage, most) {
  const { prompt, cached, completion } = usage || { prompt: null, cached: null, completion: null };
  const said = 'prompt ' + count(prompt) + ', of these cached ' + count(cached) + ', completion ' + count(completion);
  const out = el('span.bar', { role: 'img', 'aria-label': said, title: said });
  if (prompt === null || completion === null) {
    out.classList.add('unknown');
    return out;
  }
  for (const [kind, tokens] of [['cached', cached || 0], ['prompt', prompt - (cached || 0)], ['completion', completion]]) {
    const piece = el('span.' + kind);
    piece.style.width = Math.max(0, most ? (tokens / most) * 100 : 0) + '%';
    out.append(piece);
  }
  return out;
}

const total = usage => (usage && usage.prompt !== null && usage.completion !== null ? usage.prompt + usage.completion : null);
function tokenWords(usage) {
  if (!usage) return 'tokens unknown';
  return 'prompt ' + count(usage.prompt) + ' (' + (usage.cached === null ? 'cached unknown' : count(usage.cached) + ' cached') + ')'
    + ' · completion ' + count(usage.completion) + ' · cost ' + usd(usage.cost);
}
