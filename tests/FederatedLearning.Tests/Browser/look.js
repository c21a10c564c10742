// node look.js {url} {folder for screenshot and profile}: loads the page during a training and sees a round advance.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [url, folder] = process.argv.slice(2);
const patience = 90_000;
// A profile of its own, and nothing that asks for the world outside.
const context = await chromium.launchPersistentContext(mkdtempSync(join(folder, 'profile-')), {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1200, height: 1050 },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const page = await context.newPage();
  const wrong = [];
  page.on('console', message => message.type() === 'error' && wrong.push(message.text()));
  page.on('pageerror', error => wrong.push(error.message));
  page.on('request', request =>
    new URL(request.url()).origin === new URL(url).origin || wrong.push(`asked elsewhere: ${request.url()}`));

  await page.goto(url, { timeout: patience });
  const shown = async () => ({
    round: await page.locator('#round').textContent(),
    rows: await page.locator('#round-rows tr').count(),
    points: await page.locator('#accuracy-chart circle').count(),
    clients: await page.locator('#client-list li:not(.nobody)').count(),
    open: await page.locator('.link.open').count(),
    live: await page.locator('#live').textContent(),
  });
  // Looked at from outside: the page's own policy forbids what playwright's waitForFunction does.
  const until = async condition => {
    for (const end = Date.now() + patience; Date.now() < end; await new Promise(done => setTimeout(done, 100))) {
      const now = await shown();
      if (condition(now)) return now;
    }
    throw new Error(`not seen in ${patience} ms; the page shows ${JSON.stringify(await shown())}, wrong: ${wrong}`);
  };
  // Seen running first, so that what follows is an advance that happened before the page's eyes.
  const before = await until(now => Number(now.round) > 0);
  const after = await until(now =>
    Number(now.round) > Number(before.round) && now.points >= 2 && now.rows > before.rows);
  await page.screenshot({ path: join(folder, 'page.png'), fullPage: true });
  console.log(JSON.stringify({ before, after, wrong }));
} finally {
  await context.close();
}
