// Live queries over the WebSocket: five events, permissions, several clients.
'use strict';

const assert = require('node:assert/strict');
const { after, afterEach, beforeEach, test } = require('node:test');
const { Parse, reset } = require('./client.cjs');

Parse.CoreManager.set('MASTER_KEY', undefined); // with it the SDK would subscribe as master

beforeEach(() => reset());
afterEach(() => Parse.LiveQuery.close());
after(() => reset());

// All events of a subscription as [name, title], and `until(n)`, which waits for the n-th.
function listen(subscription) {
  const events = [];
  let wake = () => {};
  for (const name of ['create', 'enter', 'update', 'leave', 'delete']) {
    subscription.on(name, (object, original) => {
      events.push([name, object.get('title'), original?.get?.('amount')]);
      wake();
    });
  }
  const until = async count => {
    while (events.length < count) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${events.length} of ${count} events: ${JSON.stringify(events)}`)), 5000);
        wake = () => { clearTimeout(timer); resolve(); };
      });
    }
    return events;
  };
  return { events, until };
}

test('all five events, in order', async () => {
  await new Parse.Object('Deal', { title: 'seed' }).save();
  const subscription = await new Parse.Query('Deal').greaterThan('amount', 10).subscribe();
  const { until } = listen(subscription);
  const deal = await new Parse.Object('Deal', { title: 'A', amount: 20 }).save();
  await deal.save({ amount: 30 });
  await deal.save({ amount: 5 });
  await deal.save({ amount: 40 });
  await deal.destroy();
  assert.deepEqual(await until(5), [
    ['create', 'A', undefined],
    ['update', 'A', 20],
    ['leave', 'A', 30],
    ['enter', 'A', 5],
    ['delete', 'A', undefined],
  ]);
});

test('only what the subscriber may read', async () => {
  const ann = await Parse.User.signUp('ann', 'secret');
  const bob = await Parse.User.signUp('bob', 'secret');
  const query = new Parse.Query('Note');
  const forAnn = listen(await query.subscribe(ann.getSessionToken()));
  const forBob = listen(await query.subscribe(bob.getSessionToken()));
  const hidden = new Parse.Object('Note', { title: 'of ann' });
  hidden.setACL(new Parse.ACL(ann));
  await hidden.save(null, { sessionToken: ann.getSessionToken() });
  const open = await new Parse.Object('Note', { title: 'open' }).save();
  assert.deepEqual((await forAnn.until(2)).map(event => event[1]), ['of ann', 'open']);
  assert.deepEqual((await forBob.until(1)).map(event => event[1]), ['open']);
  assert.ok(open.id);
});

test('select and watch', async () => {
  const narrow = await new Parse.Query('Deal').select('title').subscribe();
  const seen = new Promise(resolve => narrow.on('create', resolve));
  const watching = listen(await new Parse.Query('Deal').watch('stage').subscribe());
  const deal = await new Parse.Object('Deal', { title: 'A', amount: 1, stage: 'lead' }).save();
  const object = await seen;
  assert.equal(object.get('amount'), undefined);
  assert.equal(object.get('title'), 'A');
  await deal.save({ amount: 2 });
  await deal.save({ stage: 'won' });
  const events = await watching.until(2);
  assert.deepEqual(events.map(event => event[0]), ['create', 'update']);
});

test('after unsubscribing nothing comes', async () => {
  const first = await new Parse.Query('Deal').subscribe();
  const quiet = listen(first);
  const second = listen(await new Parse.Query('Deal').subscribe());
  await first.unsubscribe();
  await new Parse.Object('Deal', { title: 'A' }).save();
  await second.until(1);
  assert.deepEqual(quiet.events, []);
});

test('a bad query is an error, not silence', async () => {
  const query = new Parse.Query('Deal');
  query._addCondition('title', '$nonsense', 1);
  const failed = await query.subscribe().then(subscription => new Promise(resolve => subscription.on('error', resolve)), error => error);
  assert.ok(failed);
});
