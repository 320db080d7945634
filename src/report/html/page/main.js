// Which view is shown, and what keys do. The fragment of the address says all, so that a link opens the same view.

let shown = null;

function go(state, replace) {
  const hash = writeState(state);
  if (hash === (location.hash || '#')) return;
  if (replace) location.replace(hash); else location.hash = hash;
}
const change = patch => go({ ...readState(location.hash), ...patch }, true);
const bySeq = seq => ROWS.find(row => String(row.seq) === seq);

async function route() {
  const state = readState(location.hash);
  const [left, right] = [bySeq(state.a), bySeq(state.vs)];
  const key = left ? (right ? 'vs ' + left.at + ' ' + right.at : 'a ' + left.at) : 'index';
  const main = part('main');
  if (key !== shown) {
    if (shown === 'index') view.scroll = scrollY;
    const before = shown;
    shown = key;
    part('overview').hidden = key !== 'index';
    document.title = (left ? left.task + ' ' + left.subject + ' – ' : '') + 'Rolltape: ' + RUN;
    if (key === 'index') {
      main.replaceChildren(indexView(state));
      showIndex(state);
      scrollTo(0, before ? view.scroll : 0);
      paint();
      // After the next frame they are on the screen: what a bench measures.
      requestAnimationFrame(() => setTimeout(() => performance.mark('rows')));
      return;
    }
    main.replaceChildren(el('p.note', { role: 'status' }, 'Opening …'));
    scrollTo(0, 0);
    const content = await (right ? compareView(left, right) : attemptView(left)).catch(error => el('p.notice', {}, 'This can not be shown: ' + error.message));
    // The reader may have gone elsewhere meanwhile.
    if (shown !== key) return;
    main.replaceChildren(content);
    main.focus({ preventScroll: true });
  } else if (key === 'index') {
    showIndex(state);
    return;
  }
  const step = state.step && part(stepId(state.step));
  if (step) {
    step.scrollIntoView();
    step.focus({ preventScroll: true });
  }
}

const press = selector => { const link = document.querySelector(selector); if (link) link.click(); };
const KEYS = {
  '/': () => { if (part('q')) part('q').focus(); },
  u: () => press('.back'),
  Escape: () => press('.back'),
  j: () => press('.attempt .turn a:last-child'),
  k: () => press('.attempt .turn a:first-child'),
  n: () => nextMark(1),
  p: () => nextMark(-1),
};
addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, select, textarea')) return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

addEventListener('hashchange', route);
addEventListener('scroll', () => paint(), { passive: true });
addEventListener('resize', () => { view.height = 0; paint(); });
// On paper there is no scrolling and nothing can be unfolded.
let folded = [];
addEventListener('beforeprint', () => {
  paint(true);
  folded = [...document.querySelectorAll('main details:not([open])')];
  folded.forEach(details => { if (details.fill) details.fill(); details.open = true; });
});
addEventListener('afterprint', () => { folded.forEach(details => { details.open = false; }); paint(); });
part('keys').hidden = false;
route();
