// The page: one stream of events, each the whole state.
import { draw } from './chart.js';
import { clientItem, countFacts, duration, linkCard, nobody, percent, protocolCard, roundRow } from './parts.js';

const $ = id => document.getElementById(id);
const phases = {
  waiting_for_clients: 'Waiting for clients', training: 'Training', evaluating: 'Evaluating', complete: 'Complete',
};
const ends = {
  converged: 'the loss does not improve any more', clients_converged: 'every client has converged',
  round_limit: 'all rounds are done',
  abandoned: 'no client answered any more', stopped: 'the server was stopped',
};

function detailOf(state) {
  switch (state.phase) {
    case 'waiting_for_clients': return `${state.clients.length} of ${state.min_clients} clients are here`;
    case 'training': return `${state.received} of ${state.received + state.awaited} updates are in`;
    case 'evaluating': return `${state.received} of ${state.received + state.awaited} evaluations are in`;
    default: return ends[state.completion] ?? '';
  }
}

function show(state) {
  const abandoned = state.completion === 'abandoned';
  $('phase').textContent = abandoned ? 'Abandoned' : phases[state.phase] ?? state.phase;
  $('phase').className = `badge ${abandoned ? 'abandoned' : state.phase}`;
  $('detail').textContent = detailOf(state);

  const last = state.rounds.at(-1);
  $('round').textContent = state.round || '–';
  $('rounds').textContent = `round, of at most ${state.max_rounds}`;
  $('accuracy').textContent = percent(last?.accuracy);
  $('loss').textContent = last?.loss?.toFixed(3) ?? '–';
  $('clients').textContent = state.clients.length;
  const silent = state.clients.filter(client => client.state === 'silent').length;
  $('clients-detail').textContent = silent ? `clients, ${silent} silent` : 'clients';
  $('elapsed').textContent = state.elapsed_seconds == null ? '–' : duration(state.elapsed_seconds);
  const all = state.received + state.awaited;
  const share = state.phase === 'complete' ? 1 : all ? state.received / all : 0;
  $('bar').firstElementChild.style.width = `${100 * share}%`;
  $('bar').setAttribute('aria-valuenow', String(Math.round(100 * share)));

  curves(state.rounds);
  $('protocols').replaceChildren(...state.handlers.map(protocolCard));
  $('links').replaceChildren(...state.links.map(linkCard));
  $('client-list').replaceChildren(
    ...(state.clients.length ? state.clients.map(clientItem) : [nobody(state.min_clients)]));
  $('counts').replaceChildren(...countFacts(state.counts));
  $('round-rows').replaceChildren(...state.rounds.map(roundRow).reverse());
  document.title = state.round ? `Round ${state.round} · Federated learning` : 'Federated learning';
}

let drawn = -1;

function curves(rounds) {
  if (rounds.length === drawn) return;
  drawn = rounds.length;
  const of = name => rounds.filter(round => round[name] != null)
    .map(round => ({ round: round.round, value: round[name] }));
  const accuracy = of('accuracy'), loss = of('loss');
  const lowest = Math.min(1, ...accuracy.map(point => point.value));
  draw($('accuracy-chart'), accuracy, {
    min: accuracy.length ? Math.max(0, Math.floor((lowest - 0.02) * 20) / 20) : 0, max: 1, goal: 0.95,
    format: percentLabel,
    label: points => `Accuracy after ${points.length} rounds: ${percent(points.at(-1)?.value)}`,
  });
  draw($('loss-chart'), loss, {
    min: 0, max: loss.length ? Math.max(...loss.map(point => point.value)) * 1.08 : 1,
    format: (value, exact) => exact ? value.toFixed(4) : String(+value.toFixed(3)),
    label: points => `Loss after ${points.length} rounds: ${points.at(-1)?.value.toFixed(3) ?? '–'}`,
  });
}

function percentLabel(value, exact) {
  return exact ? percent(value, true) : `${Math.round(value * 100)} %`;
}

function live(kind, text) {
  $('live').className = `live ${kind}`;
  $('live').textContent = text;
}

// EventSource connects again by itself, for ever.
const events = new EventSource('api/events');
events.onopen = () => live('on', 'live');
events.onmessage = event => show(JSON.parse(event.data));
events.onerror = () => live('off', 'the server does not answer');
curves([]);
