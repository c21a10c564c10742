// The lists of the page. Text is always set as text: what a client calls itself is never taken for markup.
export function element(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}

export function percent(fraction, exact = false) {
  return fraction == null ? '–' : `${(100 * fraction).toFixed(exact ? 2 : 1)} %`;
}

export function number(value) {
  return value.toLocaleString('en');
}

function fact(name, value) {
  return element('div', {}, element('dt', {}, name), element('dd', {}, String(value)));
}

const roles = { send: 'Sending', receive: 'Receiving', shared: 'Connection' };
const changing = new Set(['connecting', 'preparing', 'idle']);

function kindOf(link) {
  if (link.state === 'open') return link.blocked_reason ? 'changing' : 'open';
  return changing.has(link.state) ? 'changing' : 'lost';
}

export function linkCard(link) {
  const facts = [fact('for', duration(link.in_state_seconds)), fact('connection no.', link.epoch)];
  if (link.name !== 'receive') facts.push(fact('waiting', link.queued), fact('unconfirmed', link.unconfirmed));
  const live = link.live_consumers === link.consumers
    ? link.consumers
    : `${link.live_consumers} of ${link.consumers}`;
  if (link.name !== 'send') facts.push(fact('queues consumed', live));
  if (link.next_attempt_in_seconds != null)
    facts.push(fact('next attempt in', `${link.next_attempt_in_seconds.toFixed(1)} s`));
  const why = link.blocked_reason
    ? `The broker takes no messages: ${link.blocked_reason}`
    : link.state === 'open' ? null : link.last_error;
  return element('article', { className: `link ${kindOf(link)}` },
    element('h3', {}, `AMQP, ${roles[link.name]?.toLowerCase() ?? link.name}`,
      element('span', { className: 'state' }, link.blocked_reason ? 'blocked' : link.state),
      element('span', { className: 'host' }, link.host ?? '')),
    element('dl', {}, ...facts),
    ...(why ? [element('p', {}, why)] : []));
}

function size(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

const names = { amqp: 'AMQP', mqtt: 'MQTT', grpc: 'gRPC', quic: 'QUIC', dds: 'DDS' };

export function protocolCard({ name, clients, failure, traffic }) {
  return element('article', { className: failure ? 'link lost' : 'link' },
    element('h3', {}, names[name] ?? name, element('span', { className: 'state' }, failure ? 'failed' : '')),
    element('dl', {},
      fact('clients', number(clients)),
      fact('received', `${number(traffic.messages_in)}, ${size(traffic.bytes_in)}`),
      fact('sent', `${number(traffic.messages_out)}, ${size(traffic.bytes_out)}`),
      fact('reconnects', number(traffic.reconnects))),
    ...(failure ? [element('p', {}, failure)] : []));
}

const says = { idle: 'waiting', working: 'working', done: 'done', silent: 'silent', refused: 'refused' };

export function clientItem(client) {
  const samples = client.samples ? `, ${number(client.samples)} samples` : '';
  const title = `${client.protocol}, last update in round ${client.last_round || '–'}${samples}`;
  return element('li', { className: client.state, title },
    element('b', {}, client.id),
    `${says[client.state] ?? client.state}${client.last_round ? `, round ${client.last_round}` : ''}`);
}

export function nobody(minClients) {
  return element('li', { className: 'nobody' }, `None yet. The training starts with ${minClients}.`);
}

export function countFacts(counts) {
  const named = [['updates', counts.updates], ['metrics', counts.metrics], ['duplicates', counts.duplicates],
    ['stale', counts.stale], ['refused', counts.refused], ['left', counts.departures]];
  return named.map(([name, value]) => fact(name, number(value)));
}

export function roundRow(round) {
  const cells = [round.round, percent(round.accuracy, true), round.loss?.toFixed(4) ?? '–', round.updates,
    number(round.samples), round.missed, `${round.seconds.toFixed(1)} s`];
  const row = element('tr', {}, ...cells.map(cell => element('td', {}, String(cell))));
  if (round.missed) row.children[5].className = 'missed';
  return row;
}
