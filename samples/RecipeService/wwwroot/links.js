// The state of both connections, asked for once a second while the page is looked at.
import { element } from './view.js';

const changing = new Set(['connecting', 'preparing', 'idle']);
const roles = { send: 'Sending', receive: 'Receiving', shared: 'Connection' };

function kindOf(link) {
  if (link.state === 'open') return link.blocked_reason ? 'changing' : 'open';
  return changing.has(link.state) ? 'changing' : 'lost';
}

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}

function fact(name, value) {
  return element('div', {}, element('dt', {}, name), element('dd', {}, String(value)));
}

function facts(link) {
  const consumed = link.consumers.filter(consumer => consumer.state === 'live').map(consumer => consumer.queue);
  const list = [fact('for', duration(link.in_state_seconds)), fact('connection no.', link.epoch)];
  if (link.name !== 'receive')
    list.push(fact('waiting', link.queued), fact('unconfirmed', link.unconfirmed), fact('calls', link.pending_calls),
      fact('unmatched replies', link.late_replies));
  if (consumed.length) list.push(fact('consumes', consumed.join(', ')));
  if (link.next_attempt_in_seconds != null)
    list.push(fact('next attempt in', `${link.next_attempt_in_seconds.toFixed(1)} s`));
  return element('dl', {}, ...list);
}

function card(link) {
  const why = link.blocked_reason
    ? `The broker takes no messages: ${link.blocked_reason}`
    : link.state === 'open' ? null : link.last_error;
  return element('article', { className: `link ${kindOf(link)}` },
    element('h3', {},
      element('span', { className: 'dot' }),
      roles[link.name] ?? link.name,
      element('span', { className: 'state' }, link.blocked_reason ? 'blocked' : link.state),
      element('span', { className: 'host' }, link.host ?? '')),
    facts(link),
    ...(why ? [element('p', { className: 'why' }, why)] : []));
}

async function refresh(place) {
  try {
    const report = await (await fetch('api/status', { signal: AbortSignal.timeout(5000) })).json();
    place.replaceChildren(...report.links.map(card));
  } catch {
    place.replaceChildren(element('article', { className: 'link lost' },
      element('h3', {}, element('span', { className: 'dot' }), 'The service does not answer')));
  }
}

export async function watchLinks(place) {
  for (;;) {
    if (!document.hidden) await refresh(place);
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
}
