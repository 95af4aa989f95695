// parse-mockdb as a peer: a line of JSON in, a line of JSON out, see benchmarks/peers/parse_mockdb.py.
//
// An answer stays here under its number and is read with "cells", so that the pipe carries no objects while time is taken.
'use strict';

const readline = require('readline');
const { createRequire } = require('module');

const from = createRequire(process.argv[2] + '/');
const Parse = from('parse/node');
const MockDB = from('parse-mockdb');

MockDB.mockDB(Parse);

const ids = new Map(); // the CRM's ids -> those that the store gave
const answers = [];
let order = 0;

const pointer = (className, key) => Parse.Object.fromJSON({ className, objectId: ids.get(key) });

function made(className, row) {
  const object = new Parse.Object(className);
  for (const [key, value] of Object.entries(row)) {
    if (key === 'objectId') object.set('key', value);
    else if (key === 'company') object.set(key, pointer('Company', value));
    else if (key === 'contact') object.set(key, pointer('Contact', value));
    else if (key === 'relatedTo') object.set(key, pointer('Deal', value));
    else if (key === 'dueDate' || key === 'expectedCloseDate') object.set(key, new Date(value));
    else if (key !== 'acl') object.set(key, value);
  }
  object.set('place', order++);
  return object;
}

async function saved(className, rows) {
  const objects = rows.map(row => made(className, row));
  await Parse.Object.saveAll(objects);
  objects.forEach(object => ids.set(object.get('key'), object.id));
  return objects;
}

const deals = () => new Parse.Query('Deal');
const get = id => deals().get(ids.get(id));

const calls = {
  load: (className, rows) => saved(className, rows).then(() => null),
  get,
  pipeline: stage => deals().equalTo('stage', stage).ascending('expectedCloseDate').limit(100).find(),
  activities: id => new Parse.Query('Activity').equalTo('relatedTo', pointer('Deal', id)).ascending('dueDate').find(),
  page: (stages, least, before, industry) => deals()
    .containedIn('stage', stages).greaterThan('amount', least).lessThan('expectedCloseDate', new Date(before))
    .matchesQuery('company', new Parse.Query('Company').equalTo('industry', industry))
    .descending('amount').addDescending('place').skip(200).limit(50).find(),
  many: least => deals().greaterThanOrEqualTo('amount', least).limit(1000).find(),
  create: row => saved('Deal', [row]).then(objects => objects[0]),
  create_many: rows => saved('Deal', rows).then(() => null),
  move: async (id, stage) => {
    const deal = await get(id);
    await deal.save({ stage });
    return (await get(id)).get('stage');
  },
  titles: start => deals().startsWith('title', start).limit(100).find(),
  titles_like: pattern => deals().matches('title', new RegExp(pattern)).limit(100).find(),
  walk: async () => (await deals().limit(10000000).find()).length,
};

const keyOf = target => target && target.id;
const named = new Map();

function cells(object) {
  if (object.className === 'Activity') {
    return [object.get('key'), object.get('type'), object.get('subject'), object.get('dueDate').getTime()];
  }
  if (named.size < ids.size) ids.forEach((id, key) => named.set(id, key));
  return [
    object.get('key'), object.get('title'), object.get('stage'), object.get('amount'),
    named.get(keyOf(object.get('company'))), named.get(keyOf(object.get('contact'))), object.get('assignedTo'),
    object.get('expectedCloseDate').getTime(),
  ];
}

async function answer([name, ...args]) {
  if (name === 'cells') {
    const kept = answers[args[0]];
    return Array.isArray(kept) ? kept.map(cells) : cells(kept);
  }
  const value = await calls[name](...args);
  if (value === null || typeof value !== 'object') return value;
  answers.push(value);
  return answers.length - 1;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let reply;
    try {
      reply = { answer: await answer(JSON.parse(line)) };
    } catch (error) {
      reply = { error: String(error && error.message || error) };
    }
    process.stdout.write(JSON.stringify(reply) + '\n');
  }
}

main();
