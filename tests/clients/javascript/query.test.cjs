// Every method of Parse.Query, with its answer; the last test fails for a method that none of them called.
'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { Parse, master, reset, codeOf, titles } = require('./client.cjs');

const { Query } = Parse;

// These send nothing to a server, or are the SDK's own inside.
const NOT_ABOUT_THE_SERVER = new Set(['constructor', 'cancel']);
const called = new Set();

for (const name of Object.getOwnPropertyNames(Query.prototype)) {
  const method = Query.prototype[name];
  if (typeof method === 'function' && name !== 'constructor') {
    Query.prototype[name] = function (...args) {
      called.add(name);
      return method.apply(this, args);
    };
  }
}

const deals = () => new Query('Deal');
const found = async query => titles(await query.ascending('title').find());

let acme, globex, ann;

before(async () => {
  await reset();
  acme = await new Parse.Object('Company', { name: 'Acme', size: 10 }).save();
  globex = await new Parse.Object('Company', { name: 'Globex', size: 500 }).save();
  ann = await new Parse.Object('Contact', { name: 'Ann', company: acme }).save();
  const rows = [
    { title: 'A', amount: 10, stage: 'lead', tags: ['new', 'eu'], company: acme, place: new Parse.GeoPoint(52.52, 13.4), note: 'a renewal of the coffee contract' },
    { title: 'B', amount: 20, stage: 'won', tags: ['eu'], company: globex, place: new Parse.GeoPoint(48.86, 2.35), note: 'coffee and coffee again' },
    { title: 'C', amount: 30, stage: 'lead', tags: ['us'], company: acme, place: new Parse.GeoPoint(40.71, -74.0), contact: ann, nested: { depth: { n: 1 } } },
    { title: 'D', stage: 'lost', tags: [], place: new Parse.GeoPoint(-33.87, 151.2), area: new Parse.Polygon([[0, 0], [0, 10], [10, 10], [10, 0]]) },
  ];
  await Parse.Object.saveAll(rows.map(row => new Parse.Object('Deal', row)));
});

after(() => reset());

test('comparisons', async () => {
  assert.deepEqual(await found(deals().equalTo('stage', 'lead')), ['A', 'C']);
  assert.deepEqual(await found(deals().notEqualTo('stage', 'lead')), ['B', 'D']);
  assert.deepEqual(await found(deals().lessThan('amount', 20)), ['A']);
  assert.deepEqual(await found(deals().lessThanOrEqualTo('amount', 20)), ['A', 'B']);
  assert.deepEqual(await found(deals().greaterThan('amount', 20)), ['C']);
  assert.deepEqual(await found(deals().greaterThanOrEqualTo('amount', 20)), ['B', 'C']);
  assert.deepEqual(await found(deals().equalTo('nested.depth.n', 1)), ['C']);
  assert.deepEqual(await found(deals().exists('amount')), ['A', 'B', 'C']);
  assert.deepEqual(await found(deals().doesNotExist('amount')), ['D']);
});

test('arrays', async () => {
  assert.deepEqual(await found(deals().containedIn('title', ['A', 'D', 'Z'])), ['A', 'D']);
  assert.deepEqual(await found(deals().notContainedIn('title', ['A', 'D'])), ['B', 'C']);
  assert.deepEqual(await found(deals().containedBy('tags', ['eu', 'new', 'old'])), ['A', 'B', 'D']);
  assert.deepEqual(await found(deals().containsAll('tags', ['eu', 'new'])), ['A']);
  assert.deepEqual(await found(deals().containsAllStartingWith('tags', ['e', 'n'])), ['A']);
});

test('strings and text', async () => {
  assert.deepEqual(await found(deals().matches('stage', /^L/i)), ['A', 'C', 'D']);
  assert.deepEqual(await found(deals().matches('stage', '^l.*t$')), ['D']);
  assert.deepEqual(await found(deals().contains('stage', 'ea')), ['A', 'C']);
  assert.deepEqual(await found(deals().startsWith('stage', 'lo')), ['D']);
  assert.deepEqual(await found(deals().endsWith('stage', 'n')), ['B']);
  const scored = await deals().fullText('note', 'coffee').sortByTextScore().find();
  const [b, a] = [await deals().equalTo('title', 'B').first(), await deals().equalTo('title', 'A').first()];
  assert.deepEqual(scored.map(deal => deal.id), [b.id, a.id]); // the SDK asks for the score alone
  assert.ok(scored[0].get('score') > scored[1].get('score'));
});

test('sub-queries', async () => {
  const big = new Query('Company').greaterThan('size', 100);
  assert.deepEqual(await found(deals().matchesQuery('company', big)), ['B']);
  assert.deepEqual(await found(deals().exists('company').doesNotMatchQuery('company', big)), ['A', 'C']);
  const leads = deals().equalTo('stage', 'lead');
  assert.deepEqual(await found(deals().matchesKeyInQuery('stage', 'stage', leads)), ['A', 'C']);
  assert.deepEqual(await found(deals().doesNotMatchKeyInQuery('stage', 'stage', leads)), ['B', 'D']);
});

test('places', async () => {
  const berlin = new Parse.GeoPoint(52.5, 13.4);
  assert.deepEqual(titles(await deals().near('place', berlin).find()), ['A', 'B', 'C', 'D']);
  assert.deepEqual(titles(await deals().withinKilometers('place', berlin, 1000).find()), ['A', 'B']);
  assert.deepEqual(titles(await deals().withinMiles('place', berlin, 100).find()), ['A']);
  assert.deepEqual(titles(await deals().withinRadians('place', berlin, 0.2, false).ascending('title').find()), ['A', 'B']);
  const corners = [[40, 0], [60, 0], [60, 5], [40, 5]].map(([latitude, longitude]) => new Parse.GeoPoint(latitude, longitude));
  const box = [new Parse.GeoPoint(40, 0), new Parse.GeoPoint(60, 20)];
  assert.deepEqual(await found(deals().withinGeoBox('place', ...box)), ['A', 'B']);
  assert.deepEqual(await found(deals().withinPolygon('place', corners)), ['B']);
  assert.deepEqual(await found(deals().polygonContains('area', new Parse.GeoPoint(5, 5))), ['D']);
});

test('or, and, nor', async () => {
  const won = deals().equalTo('stage', 'won');
  const cheap = deals().lessThan('amount', 15);
  const european = deals().equalTo('tags', 'eu');
  assert.deepEqual(await found(Query.or(won, cheap)), ['A', 'B']);
  assert.deepEqual(await found(Query.and(european, cheap)), ['A']);
  assert.deepEqual(await found(Query.nor(won, cheap)), ['C', 'D']);
});

test('order and pages', async () => {
  assert.deepEqual(titles(await deals().ascending('stage').addDescending('amount').find()), ['C', 'A', 'D', 'B']);
  assert.deepEqual(titles(await deals().descending('stage').addAscending('title').find()), ['B', 'D', 'A', 'C']);
  assert.deepEqual(titles(await deals().descending('title').skip(1).limit(2).find()), ['C', 'B']);
  const { results, count } = await deals().withCount().limit(1).find();
  assert.equal(results.length, 1);
  assert.equal(count, 4);
});

test('what comes back of an object', async () => {
  const included = await deals().include('company', 'contact.company').equalTo('title', 'C').first();
  assert.equal(included.get('company').get('name'), 'Acme');
  assert.equal(included.get('contact').get('company').get('name'), 'Acme');
  const all = await deals().includeAll().equalTo('title', 'B').first();
  assert.equal(all.get('company').get('name'), 'Globex');
  const narrow = await deals().select('title').equalTo('title', 'A').withJSON({ keys: 'title', where: { title: 'A' } }).first();
  assert.equal(narrow.get('title'), 'A');
  const rest = await deals().exclude('note').equalTo('title', 'B').find({ json: true });
  assert.equal(rest[0].note, undefined);
  assert.equal(rest[0].amount, 20);
});

test('one object', async () => {
  const first = await deals().equalTo('title', 'A').first();
  assert.equal((await deals().get(first.id)).get('amount'), 10);
  assert.equal(await codeOf(() => deals().get('nobody')), Parse.Error.OBJECT_NOT_FOUND);
  assert.equal(await deals().equalTo('title', 'Z').first(), undefined);
});

test('counting, distinct, aggregate', async () => {
  assert.equal(await deals().equalTo('stage', 'lead').count(), 2);
  assert.deepEqual((await deals().distinct('stage')).sort(), ['lead', 'lost', 'won']);
  const sums = await deals().aggregate([
    { $match: { stage: { $in: ['lead', 'won'] } } },
    { $group: { _id: '$stage', total: { $sum: '$amount' } } },
    { $sort: { total: -1 } },
  ]);
  assert.deepEqual(sums, [{ objectId: 'lead', total: 40 }, { objectId: 'won', total: 20 }]);
});

test('walks', async () => {
  const seen = [];
  await deals().each(deal => seen.push(deal.get('title')));
  assert.deepEqual(seen.sort(), ['A', 'B', 'C', 'D']);
  const sizes = [];
  await deals().eachBatch(batch => sizes.push(batch.length), { batchSize: 3 });
  assert.deepEqual(sizes, [3, 1]);
  assert.deepEqual((await deals().map(deal => deal.get('title'))).sort(), ['A', 'B', 'C', 'D']);
  assert.equal(await deals().reduce((sum, deal) => sum + (deal.get('amount') ?? 0), 0), 60);
  assert.equal((await deals().filter(deal => deal.get('amount') > 15)).length, 2);
  assert.equal((await deals().findAll()).length, 4);
});

test('explain, hint, comment, read preference', async () => {
  const plan = await deals().equalTo('title', 'A').explain().find(master);
  assert.ok(plan);
  assert.deepEqual(await found(deals().hint('_id_').comment('why').readPreference('SECONDARY').equalTo('title', 'A').fromNetwork()), ['A']);
});

test('JSON both ways', async () => {
  const query = deals().equalTo('stage', 'lead').descending('amount').limit(1);
  assert.deepEqual(titles(await Query.fromJSON('Deal', query.toJSON()).find()), ['C']);
});

test('refusals have codes', async () => {
  assert.equal(await codeOf(() => deals().equalTo('bad key', 1).find()), Parse.Error.INVALID_KEY_NAME);
  assert.equal(await codeOf(() => new Parse.Object('9bad', { n: 1 }).save()), Parse.Error.INVALID_JSON);
  assert.equal(await codeOf(() => deals().matches('stage', '(').find()), Parse.Error.INTERNAL_SERVER_ERROR);
});

test('the local datastore of the SDK, fed from the server', async () => {
  Parse.enableLocalDatastore();
  try {
    await Parse.Object.pinAll(await deals().include('company').find());
    await Parse.Object.pinAllWithName('board', await deals().equalTo('stage', 'lead').find());
    assert.deepEqual(await found(deals().fromLocalDatastore().equalTo('stage', 'lead')), ['A', 'C']);
    assert.deepEqual(await found(deals().fromPinWithName('board')), ['A', 'C']);
    assert.equal((await deals().fromPin().find()).length, 4);
    assert.equal((await deals().fromLocalDatastore().include('company').equalTo('title', 'B').first()).get('company').get('name'), 'Globex');
    await Parse.Object.unPinAllObjects();
    await Parse.Object.unPinAllObjectsWithName('board');
    assert.deepEqual(await deals().fromPin().find(), []);
    assert.deepEqual(await deals().fromPinWithName('board').find(), []);
  } finally {
    Parse.LocalDatastore.isEnabled = false;
  }
});

test('a watched subscription', async () => {
  const subscription = await deals().watch('amount').subscribe();
  subscription.unsubscribe();
  await Parse.LiveQuery.close();
});

test('every method was called', () => {
  const missing = Object.getOwnPropertyNames(Query.prototype).filter(
    name => !name.startsWith('_') && !called.has(name) && !NOT_ABOUT_THE_SERVER.has(name)
  );
  assert.deepEqual(missing, []);
});
