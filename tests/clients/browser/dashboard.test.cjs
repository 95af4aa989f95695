// parse-dashboard from npm, unchanged: browse a class, edit an object, read schema and permissions.
'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { after, before, test } = require('node:test');
const { url, appId, masterKey, launch, rest, shoot } = require('./browser.cjs');

const port = process.env.DASHBOARD_PORT;
const dashboard = `http://127.0.0.1:${port}`;
let process_, browser, page, deal;

before(async () => {
  deal = await rest('POST', '/classes/Deal', { title: 'Dashboard deal', stage: 'lead', amount: 77 });
  const command = ['node_modules/.bin/parse-dashboard', '--dev', '--port', port, '--appId', appId, '--masterKey', masterKey, '--serverURL', url, '--appName', 'CRM'];
  process_ = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    process_.stdout.on('data', text => /available at/i.test(text) && resolve());
    process_.on('exit', code => reject(new Error(`parse-dashboard ended with ${code}`)));
  });
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1400, height: 850 } });
});

after(async () => {
  await browser?.close();
  process_?.kill();
});

test('it browses a class', async () => {
  await page.goto(`${dashboard}/apps/CRM/browser/Deal`);
  await page.getByText('Dashboard deal').first().waitFor({ timeout: 30000 });
  await page.getByText(deal.objectId).first().waitFor();
  await shoot(page, 'dashboard-browser');
});

test('it edits an object', async () => {
  await page.getByText('Dashboard deal').first().dblclick();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('Edited in the dashboard');
  await page.keyboard.press('Enter');
  const deadline = Date.now() + 10000;
  let title;
  while (title !== 'Edited in the dashboard' && Date.now() < deadline) {
    ({ title } = await rest('GET', `/classes/Deal/${deal.objectId}`));
  }
  assert.equal(title, 'Edited in the dashboard');
});

test('it shows the schema and the class-level permissions', async () => {
  await page.getByText('expectedCloseDate').first().waitFor();
  await page.getByText('Security', { exact: true }).first().click();
  await page.getByText('Class Level Permissions').first().click();
  await page.getByText('Add Field').first().waitFor();
  await page.getByText('Public', { exact: true }).first().waitFor();
  await shoot(page, 'dashboard-permissions');
});
