// A headless Chromium that asks nobody but the pages under test.
'use strict';

const { chromium } = require('playwright-core');

const url = process.env.PARSE_URL;
const appId = process.env.PARSE_APP_ID;
const masterKey = process.env.PARSE_MASTER_KEY;
const shots = process.env.SCREENSHOTS;

const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });

async function rest(method, path, body) {
  const response = await fetch(url + path, {
    method,
    headers: { 'X-Parse-Application-Id': appId, 'X-Parse-Master-Key': masterKey, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  }
  return answer;
}

// What the page says in its console and what it fails with, to be empty at the end. A refused call is no complaint: the page
// shows it.
function complaints(page) {
  const found = [];
  page.on('pageerror', error => found.push(String(error)));
  page.on('console', message => message.type() === 'error' && !message.text().startsWith('Failed to load resource') && found.push(message.text()));
  return found;
}

const shoot = (page, name, options = {}) => (shots ? page.screenshot({ path: `${shots}/${name}.png`, ...options }) : undefined);

module.exports = { url, appId, masterKey, launch, rest, complaints, shoot };
