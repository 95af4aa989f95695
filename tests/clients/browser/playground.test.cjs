'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { url, masterKey, launch, rest, complaints, shoot } = require('./browser.cjs');

let browser, page, found, agent;

before(async () => {
  agent = await rest('POST', '/users', { username: `agent${Date.now()}`, password: 'a good password' });
  const assignedTo = { __type: 'Pointer', className: '_User', objectId: agent.objectId };
  const company = await rest('POST', '/classes/Company', { name: 'Acme' });
  const ACL = { [agent.objectId]: { read: true, write: true } };
  for (const [title, stage, amount] of [['Coffee', 'lead', 1200], ['Tea <b>', 'qualified', 300], ['Cocoa', 'won', 45000]]) {
    await rest('POST', '/classes/Deal', { title, stage, amount, assignedTo, ACL, company: { __type: 'Pointer', className: 'Company', objectId: company.objectId } });
  }
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  found = complaints(page);
  await page.goto(`${url}/docs`);
});

after(() => browser?.close());

const column = value => page.locator(`.column[data-value="${value}"]`);

test('a call that runs against the database', async () => {
  await page.fill('#master', masterKey);
  await page.locator('#master').blur();
  await page.selectOption('#example', { label: 'Deal: the first ten' });
  await page.click('#send');
  await page.locator('#status.good').waitFor();
  const answer = JSON.parse(await page.textContent('#answer'));
  assert.deepEqual(answer.results.map(deal => deal.title).sort(), ['Cocoa', 'Coffee', 'Tea <b>']);
  assert.equal(answer.results[0].company.name, 'Acme');
  assert.match(await page.textContent('#curl'), /^curl -X GET/);
});

test('a mistake is shown, not swallowed', async () => {
  await page.fill('#body', '{"where": ');
  await page.click('#send');
  await page.locator('#status.bad').waitFor();
  await page.fill('#body', '{"where": {"stage": {"$nonsense": 1}}}');
  await page.click('#send');
  await page.locator('#status', { hasText: '400' }).waitFor();
  assert.equal(JSON.parse(await page.textContent('#answer')).code, 107);
});

test('the board follows the changes of others, as its user', async () => {
  await page.click('#logout');
  const name = (await rest('GET', `/users/${agent.objectId}`)).username;
  await page.fill('[name=username]', name);
  await page.fill('[name=password]', 'a good password');
  await page.click('#login button.first');
  await page.locator('#identity', { hasText: name }).waitFor();
  await page.locator('#liveStatus', { hasText: 'live' }).waitFor();
  await column('lead').locator('.card', { hasText: 'Coffee' }).waitFor();
  const { results } = await rest('GET', `/classes/Deal?where=${encodeURIComponent('{"title":"Coffee"}')}`);
  await rest('PUT', `/classes/Deal/${results[0].objectId}`, { stage: 'negotiation' });
  await column('negotiation').locator('.card', { hasText: 'Coffee' }).waitFor();
  assert.match(await page.textContent('#events'), /update/);
  await column('qualified').locator('select').first().selectOption('won');
  await column('won').locator('.card', { hasText: 'Tea <b>' }).waitFor();
  assert.equal(await column('won').locator('.count').textContent(), '2');
  await page.locator('#live').scrollIntoViewIfNeeded();
  await shoot(page, 'playground-board');
});

test('diagram and dictionary', async () => {
  const names = await page.locator('#diagram .title').allTextContents();
  for (const name of ['_User', 'Company', 'Contact', 'Deal', 'Activity']) {
    assert.ok(names.includes(name), name);
  }
  assert.ok((await page.locator('#diagram path').count()) >= 5);
  assert.match(await page.textContent('#tables'), /expectedCloseDate/);
  await page.locator('#er').scrollIntoViewIfNeeded();
  await shoot(page, 'playground-diagram');
  assert.deepEqual(found, []);
});
