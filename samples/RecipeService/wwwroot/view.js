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
  const parts = [element('p', { className: 'title' }, result.dish ?? result.recipe?.name ?? 'A recipe without a name')];
  if (result.recipe?.ingredients?.length) parts.push(ingredients(result.recipe.ingredients));
  for (const warning of result.conflict_warnings ?? [])
    parts.push(element('p', { className: 'warning' },
      element('strong', {}, `${warning.conflicting_item_1} and ${warning.conflicting_item_2}: `), warning.message));
  return parts;
}

function problem(body) {
  const parts = [element('p', { className: 'title problem' }, body.title ?? 'It failed')];
  if (body.detail) parts.push(element('p', {}, body.detail));
  for (const [field, texts] of Object.entries(body.errors ?? {})) parts.push(element('p', {}, `${field}: ${texts.join(' ')}`));
  return parts;
}

function raw(body) {
  return element('details', {}, element('summary', {}, 'The whole answer'), element('pre', {}, JSON.stringify(body, null, 2)));
}

export function verdict(kind, badge, text) {
  return element('div', { className: 'verdict' }, element('span', { className: `badge ${kind}` }, badge), text);
}

export function show(place, answer, summary) {
  const { status, body, milliseconds } = answer;
  const parts = [verdict(status < 400 ? '' : 'bad', String(status || 'failed'), `${milliseconds.toFixed(0)} ms`)];
  if (status === 0 || status >= 400) parts.push(...problem(body));
  else if (body.result) parts.push(...analysis(body.result));
  if (summary) parts.push(element('p', {}, summary));
  place.replaceChildren(...parts, raw(body));
}
