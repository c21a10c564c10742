import { show, verdict, element } from './view.js';
import { watchLinks } from './links.js';

async function call(method, path, content) {
  const start = performance.now();
  try {
    const response = await fetch(path, {
      method,
      headers: content ? { 'Content-Type': 'application/json' } : {},
      body: content ? JSON.stringify(content) : undefined,
    });
    const body = await response.json();
    return { status: response.status, body, milliseconds: performance.now() - start };
  } catch (error) {
    const body = { title: 'The service could not be reached', detail: error.message };
    return { status: 0, body, milliseconds: performance.now() - start };
  }
}

// A job is looked at four times a second until it is done: progress shows, and no caller waits in a request.
async function follow(place, answer) {
  show(place, answer);
  if (answer.status !== 202) return;
  const start = performance.now();
  for (;;) {
    const job = await call('GET', answer.body.location.slice(1));
    job.milliseconds = performance.now() - start;
    show(place, job, job.body.job_id && `Job ${job.body.job_id}, ${job.body.updates} messages so far.`);
    if (job.status !== 200 || job.body.status === 'done' || job.body.status === 'failed') return;
    await new Promise(resolve => setTimeout(resolve, 250));
  }
}

async function pingMany(place, count) {
  const start = performance.now();
  const answers = await Promise.all(Array.from({ length: count }, () => call('POST', 'api/crawling/ping')));
  const elapsed = performance.now() - start;
  const good = answers.filter(answer => answer.status === 200);
  const ids = new Set(good.map(answer => answer.body.job_id));
  const times = good.map(answer => answer.body.round_trip_ms).sort((a, b) => a - b);
  const median = times.length ? `, median round trip ${times[Math.floor(times.length / 2)].toFixed(1)} ms` : '';
  place.replaceChildren(
    verdict(good.length === count ? '' : 'bad', `${good.length} of ${count}`, `${elapsed.toFixed(0)} ms for all`),
    element('p', {}, `${ids.size} answers, each with a job id of its own${median}.`));
}

const calls = {
  recipe: async (place, data) =>
    show(place, await call('POST', 'api/ai/analyze-recipe', { user_input: data.user_input })),
  image: async (place, data) => show(place, await call('POST', 'api/ai/analyze-image', data)),
  crawl: async (place, data, how) => {
    const content = { url: data.url, depth: Number(data.depth) };
    if (how === 'async') await follow(place, await call('POST', 'api/crawling/crawl', content));
    else show(place, await call('POST', 'api/crawling/crawl/sync', content));
  },
  ping: async (place, data, how) => {
    if (how === '50') return pingMany(place, 50);
    const answer = await call('POST', 'api/crawling/ping');
    show(place, answer, answer.body.round_trip_ms && `Over the broker and back in ${answer.body.round_trip_ms} ms.`);
  },
};

for (const form of document.querySelectorAll('form')) {
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const place = form.querySelector('output');
    const buttons = form.querySelectorAll('button');
    buttons.forEach(button => { button.disabled = true; });
    place.replaceChildren(verdict('wait', 'waiting', 'for the answer'));
    try {
      await calls[form.dataset.call](place, Object.fromEntries(new FormData(form)), event.submitter?.value);
    } finally {
      buttons.forEach(button => { button.disabled = false; });
    }
  });
}

// Something to begin with that needs no network: the service's own samples.
document.querySelector('[name=s3_url]').value = new URL('samples/dish.png', location.href).href;
document.querySelector('[name=url]').value = new URL('samples/index.html', location.href).href;

watchLinks(document.getElementById('links'));
