// Objects, relations, users, roles, permissions, schemas, configuration and cloud functions, as an app's SDK uses them.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { after, beforeEach, test } = require('node:test');
const { Parse, url, keys, master, reset, codeOf, titles } = require('./client.cjs');

beforeEach(() => reset());
after(() => reset());

const signUp = name => Parse.User.signUp(name, `secret of ${name}`, { email: `${name}@example.com` });
const sessionOf = user => ({ sessionToken: user.getSessionToken() });

test('create, read, update, delete', async () => {
  const deal = new Parse.Object('Deal', { title: 'Acme', amount: 1 });
  assert.ok(deal.isNew());
  await deal.save();
  assert.match(deal.id, /^[A-Za-z0-9]{10}$/);
  assert.ok(deal.createdAt instanceof Date && deal.updatedAt instanceof Date);

  await deal.save({ stage: 'lead' });
  const copy = await new Parse.Query('Deal').get(deal.id);
  assert.equal(copy.get('stage'), 'lead');
  copy.unset('stage');
  await copy.save();
  await deal.fetch();
  assert.equal(deal.get('stage'), undefined);
  assert.equal(await deal.exists(), true);

  await deal.destroy();
  assert.equal(await codeOf(() => deal.fetch()), Parse.Error.OBJECT_NOT_FOUND);
});

test('every type of value comes back as it was', async () => {
  const other = await new Parse.Object('Company', { name: 'Acme' }).save();
  const values = {
    text: 'ü\u{1F600}\n"', number: -1.5, whole: 2 ** 53 - 1, yes: true, none: null,
    list: [1, 'a', [2], { b: null }], map: { a: { b: [1] } },
    date: new Date(1234567890123), place: new Parse.GeoPoint(1.5, -2.5), area: new Parse.Polygon([[0, 0], [0, 1], [1, 1], [0, 0]]),
    pointer: other, pointers: [other],
  };
  await new Parse.Object('Thing', { none: 'a text defines the field' }).save();
  const { id } = await new Parse.Object('Thing', values).save();
  const back = await new Parse.Query('Thing').include('pointers').get(id);
  for (const key of ['text', 'number', 'whole', 'yes', 'none', 'list', 'map', 'date']) {
    assert.deepEqual(back.get(key), values[key], key);
  }
  assert.ok(back.get('place').equals(values.place));
  assert.ok(back.get('area').equals(values.area));
  assert.equal(back.get('pointer').id, other.id);
  assert.equal(back.get('pointers')[0].get('name'), 'Acme');
});

test('operations of two writers all count', async () => {
  const deal = await new Parse.Object('Deal', { views: 1, tags: ['a'] }).save();
  const there = Parse.Object.createWithoutData.call(Parse.Object.extend('Deal'), deal.id);
  deal.increment('views', 2);
  there.increment('views');
  deal.addUnique('tags', 'b');
  there.add('tags', 'c');
  await Promise.all([deal.save(), there.save()]);
  deal.decrement('views');
  deal.remove('tags', 'a');
  await deal.save();
  deal.addAllUnique('tags', ['b', 'd']);
  await deal.save();
  const seen = await new Parse.Query('Deal').get(deal.id);
  assert.equal(seen.get('views'), 3);
  assert.deepEqual(seen.get('tags').sort(), ['b', 'c', 'd']);
});

test('graphs and batches', async () => {
  const company = new Parse.Object('Company', { name: 'Acme' });
  const all = Array.from({ length: 45 }, (_, n) => new Parse.Object('Deal', { n, company }));
  await Parse.Object.saveAll(all);
  assert.equal(await new Parse.Query('Company').count(), 1);
  assert.equal(await new Parse.Query('Deal').equalTo('company', company).count(), 45);
  const fresh = all.slice(0, 3).map(one => Parse.Object.fromJSON({ className: 'Deal', objectId: one.id }));
  await Parse.Object.fetchAll(fresh);
  assert.deepEqual(fresh.map(one => one.get('n')), [0, 1, 2]);
  await Parse.Object.fetchAllWithInclude(fresh, 'company');
  assert.equal(fresh[0].get('company').get('name'), 'Acme');
  await Parse.Object.destroyAll(all.slice(0, 44));
  assert.equal(await new Parse.Query('Deal').count(), 1);
  const gone = await codeOf(() => Parse.Object.destroyAll(all.slice(0, 2)));
  assert.equal(gone, Parse.Error.AGGREGATE_ERROR);
  await assert.rejects(Parse.Object.saveAll([new Parse.Object('Deal', { n: 1 }), new Parse.Object('Deal', { n: 'text' })], { transaction: true }));
  assert.equal(await new Parse.Query('Deal').count(), 1);
});

test('relations', async () => {
  const team = await new Parse.Object('Team', { name: 'North' }).save();
  const deals = await Parse.Object.saveAll(['A', 'B', 'C'].map(title => new Parse.Object('Deal', { title })));
  team.relation('deals').add(deals.slice(0, 2));
  await team.save();
  assert.deepEqual(titles(await team.relation('deals').query().ascending('title').find()), ['A', 'B']);
  assert.equal((await new Parse.Query('Team').equalTo('deals', deals[0]).first()).id, team.id);
  assert.equal(await new Parse.Query('Team').equalTo('deals', deals[2]).first(), undefined);
  team.relation('deals').remove(deals[0]);
  await team.save();
  assert.deepEqual(titles(await team.relation('deals').query().find()), ['B']);
});

test('users and sessions', async () => {
  const ann = await signUp('ann');
  const firstToken = ann.getSessionToken();
  assert.match(firstToken, /^r:[0-9a-f]{32}$/);
  assert.equal(await codeOf(() => signUp('ann')), Parse.Error.USERNAME_TAKEN);
  await Parse.User.logOut();
  assert.equal(await codeOf(() => Parse.User.logIn('ann', 'wrong')), Parse.Error.OBJECT_NOT_FOUND);
  const again = await Parse.User.logIn('ann', 'secret of ann');
  assert.equal(again.id, ann.id);
  assert.equal((await Parse.User.become(again.getSessionToken())).id, ann.id);
  assert.equal((await Parse.User.me(again.getSessionToken())).id, ann.id);
  assert.equal((await Parse.Session.current()).get('user').id, ann.id);
  assert.equal((await Parse.User.verifyPassword('ann', 'secret of ann')).objectId, ann.id);
  const current = Parse.User.current();
  current.setPassword('another');
  await current.save();
  assert.equal(await codeOf(() => Parse.User.become(firstToken)), Parse.Error.INVALID_SESSION_TOKEN);
  assert.equal((await Parse.User.me(current.getSessionToken())).id, ann.id);
  await Parse.User.logOut();
  const back = await Parse.User.logIn('ann', 'another');
  const token = back.getSessionToken();
  await Parse.User.logOut();
  assert.equal(await codeOf(() => Parse.User.become(token)), Parse.Error.INVALID_SESSION_TOKEN);
  assert.equal((await Parse.User.loginAs(ann.id)).id, ann.id);
});

test('anonymous users and their upgrade', async () => {
  const nobody = await Parse.AnonymousUtils.logIn();
  assert.ok(Parse.AnonymousUtils.isLinked(nobody));
  nobody.set({ username: 'somebody', password: 'now' });
  await nobody.signUp();
  await Parse.User.logOut();
  assert.equal((await Parse.User.logIn('somebody', 'now')).id, nobody.id);
});

test('permissions: ACLs and roles', async () => {
  const ann = await signUp('ann');
  const bob = await signUp('bob');
  const secret = new Parse.Object('Note', { text: 'of ann' });
  secret.setACL(new Parse.ACL(ann));
  await secret.save(null, sessionOf(ann));
  const notes = () => new Parse.Query('Note');
  assert.equal(await notes().count(sessionOf(bob)), 0);
  assert.equal(await notes().count(sessionOf(ann)), 1);
  assert.equal(await codeOf(() => secret.save({ text: 'of bob' }, sessionOf(bob))), Parse.Error.OBJECT_NOT_FOUND);

  const acl = new Parse.ACL();
  acl.setPublicReadAccess(true);
  const managers = new Parse.Role('managers', acl);
  managers.getUsers().add(bob);
  await managers.save(null, master);
  secret.getACL().setRoleReadAccess('managers', true);
  const shared = new Parse.ACL(ann);
  shared.setRoleReadAccess('managers', true);
  secret.setACL(shared);
  await secret.save(null, sessionOf(ann));
  assert.equal(await notes().count(sessionOf(bob)), 1);

  const staff = new Parse.Role('staff', acl);
  staff.getRoles().add(managers);
  await staff.save(null, master);
  shared.setRoleReadAccess('managers', false);
  shared.setRoleWriteAccess('staff', true);
  secret.setACL(shared);
  await secret.save(null, sessionOf(ann));
  await secret.save({ text: 'by bob' }, sessionOf(bob));
});

test('schemas and class-level permissions', async () => {
  const schema = new Parse.Schema('Invoice');
  schema.addString('number', { required: true }).addNumber('total', { defaultValue: 5 }).addPointer('payer', '_User');
  schema.setCLP({ find: { requiresAuthentication: true }, get: { '*': true }, create: { '*': true } });
  await schema.save();
  assert.equal(await codeOf(() => new Parse.Object('Invoice', {}).save()), Parse.Error.VALIDATION_ERROR);
  const invoice = await new Parse.Object('Invoice', { number: '1' }).save();
  assert.equal((await new Parse.Query('Invoice').get(invoice.id)).get('total'), 5);
  assert.equal(await codeOf(() => new Parse.Query('Invoice').find()), Parse.Error.OBJECT_NOT_FOUND);
  await signUp('ann');
  assert.equal((await new Parse.Query('Invoice').find()).length, 1);
  const { fields } = await new Parse.Schema('Invoice').get();
  assert.deepEqual(fields.payer, { type: 'Pointer', targetClass: '_User' });
  const change = new Parse.Schema('Invoice');
  change.deleteField('total').addIndex('by_number', { number: 1 });
  await change.update();
  assert.equal((await new Parse.Schema('Invoice').get()).fields.total, undefined);
  assert.ok((await Parse.Schema.all()).some(one => one.className === 'Invoice'));
  await new Parse.Schema('Invoice').purge();
  await new Parse.Schema('Invoice').delete();
});

test('configuration', async () => {
  await Parse.Config.save({ welcome: 'hello', inside: 1 }, { inside: true });
  assert.equal((await Parse.Config.get()).get('welcome'), 'hello');
  assert.equal((await Parse.Config.get()).get('inside'), undefined);
  assert.equal((await Parse.Config.get(master)).get('inside'), 1);
});

test('files', async () => {
  const user = await signUp('ann');
  const file = new Parse.File('hello.txt', { base64: Buffer.from('hello files').toString('base64') }, 'text/plain');
  await file.save(sessionOf(user));
  assert.match(file.name(), /_hello\.txt$/);
  const note = await new Parse.Object('Note', { file }).save();
  const stored = (await new Parse.Query('Note').get(note.id)).get('file');
  const response = await fetch(stored.url());
  assert.equal(response.headers.get('content-type').split(';')[0], 'text/plain');
  assert.equal(await response.text(), 'hello files');
  await stored.destroy();
  assert.equal((await fetch(stored.url())).status, 404);
});

test('functions and triggers behind webhooks', async () => {
  const calls = [];
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', part => parts.push(part));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(parts));
      calls.push(request.url);
      const answers = {
        '/hello': () => ({ success: `hello ${body.params.name}` }),
        '/refuse': () => ({ error: 'not this one' }),
        '/before': () => ({ success: { ...body.object, title: body.object.title.toUpperCase() } }),
      };
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(answers[request.url]()));
    });
  });
  await new Promise(ready => server.listen(0, '127.0.0.1', ready));
  const hook = path => `http://127.0.0.1:${server.address().port}${path}`;
  try {
    await Parse.Hooks.createFunction('hello', hook('/hello'));
    await Parse.Hooks.createFunction('refuse', hook('/refuse'));
    await Parse.Hooks.createTrigger('Deal', 'beforeSave', hook('/before'));
    assert.equal(await Parse.Cloud.run('hello', { name: 'Ann' }), 'hello Ann');
    await assert.rejects(Parse.Cloud.run('refuse'), { code: Parse.Error.SCRIPT_FAILED, message: 'not this one' });
    const deal = await new Parse.Object('Deal', { title: 'small' }).save();
    assert.equal(deal.get('title'), 'SMALL');
    assert.deepEqual(calls, ['/hello', '/refuse', '/before']);
    assert.equal((await Parse.Hooks.getFunctions()).length, 2);
    await Parse.Hooks.removeFunction('hello');
    assert.equal(await codeOf(() => Parse.Cloud.run('hello')), Parse.Error.SCRIPT_FAILED);
  } finally {
    server.close();
  }
});

test('health, and an event', async () => {
  assert.equal(await Parse.getServerHealth().then(answer => answer.status), 'ok');
  await Parse.Analytics.track('opened', { by: 'test' });
});

test('a wrong key is refused', async () => {
  const response = await fetch(`${url}/classes/Deal`, { headers: { 'X-Parse-Application-Id': `${keys.appId}x` } });
  assert.equal(response.status, 403);
  assert.deepEqual(await response.json(), { error: 'unauthorized' });
});
