// What answers look like. Text is always set as text: what a worker or a crawled page says is never taken for markup.
export function element(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function ingredients(list) {
  const rows = list.map(item => element('tr', {},
    element('td', { className: 'number' }, item.quantity == null ? '' : String(item.quantity)),
    element('td', {}, item.unit ?? ''),
    element('td', {}, item.name)));
  return element('table', {},
    element('thead', {}, element('tr', {},
      element('th', { className: 'number' }, 'Quantity'), element('th', {}, 'Unit'), element('th', {}, 'Ingredient'))),
    element('tbody', {}, ...rows));
}

function analysis(result) {
  const dish = result.dish ?? result.recipe?.name ?? 'A recipe without a name';
  const parts = [element('p', { className: 'title dish' }, dish)];
  if (result.recipe?.ingredients?.length) parts.push(ingredients(result.recipe.ingredients));
  for (const warning of result.conflict_warnings ?? [])
    parts.push(element('p', { className: 'warning' },
      element('strong', {}, `${warning.conflicting_item_1} and ${warning.conflicting_item_2}: `), warning.message));
  return parts;
}

// The result of a crawl, or how far it is.
function crawl(body) {
  const { pages, recipes, pages_done: done, pages_queued: queued } = body.data ?? {};
  const parts = [];
  if (body.error) parts.push(element('p', { className: 'title problem' }, body.error.message));
  else if (recipes)
    parts.push(element('p', { className: 'title' }, `${count(recipes.length, 'recipe')} on ${count(pages, 'page')}`));
  else if (done !== undefined) parts.push(element('p', {}, `${count(done, 'page')} read, ${queued} to go`));
  if (recipes?.length)
    parts.push(element('ul', { className: 'recipes' }, ...recipes.map(recipe =>
      element('li', {}, recipe.name, element('span', {}, `, ${count(recipe.ingredients.length, 'ingredient')}`)))));
  return parts;
}

function count(number, what) {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function problem(body) {
  const parts = [element('p', { className: 'title problem' }, body.title ?? 'It failed')];
  if (body.detail) parts.push(element('p', {}, body.detail));
  for (const [field, texts] of Object.entries(body.errors ?? {}))
    parts.push(element('p', {}, `${field}: ${texts.join(' ')}`));
  return parts;
}

function raw(body) {
  return element('details', {},
    element('summary', {}, 'The whole answer'), element('pre', {}, JSON.stringify(body, null, 2)));
}

export function verdict(kind, badge, text) {
  return element('div', { className: 'verdict' }, element('span', { className: `badge ${kind}` }, badge), text);
}

export function show(place, answer, summary) {
  const { status, body, milliseconds } = answer;
  const isWaiting = body.status === 'queued' || body.status === 'in_progress';
  const kind = status === 0 || status >= 400 || body.status === 'failed' ? 'bad' : isWaiting ? 'wait' : '';
  const badge = typeof body.status === 'string' ? body.status.replace('_', ' ') : String(status || 'failed');
  const parts = [verdict(kind, badge, `${milliseconds.toFixed(0)} ms`)];
  if (status === 0 || status >= 400) parts.push(...problem(body));
  else if (body.result) parts.push(...analysis(body.result));
  else parts.push(...crawl(body));
  if (summary) parts.push(element('p', {}, summary));
  place.replaceChildren(...parts, raw(body));
}
