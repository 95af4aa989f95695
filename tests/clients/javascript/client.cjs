// One place for what every file of tests needs: the SDK, pointed at the server that the environment names.
'use strict';

const Parse = require('parse/node');

const url = process.env.PARSE_URL;
const keys = { appId: process.env.PARSE_APP_ID, master: process.env.PARSE_MASTER_KEY };

Parse.initialize(keys.appId, process.env.PARSE_JAVASCRIPT_KEY, keys.master);
Parse.serverURL = url;
Parse.liveQueryServerURL = url.replace(/^http/, 'ws');
Parse.User.enableUnsafeCurrentUser();

const master = { useMasterKey: true };

async function reset() {
  await Parse.User.logOut().catch(() => {});
  const response = await fetch(`${url}/__reset`, {
    method: 'POST',
    headers: { 'X-Parse-Application-Id': keys.appId, 'X-Parse-Master-Key': keys.master },
  });
  if (!response.ok) {
    throw new Error(`__reset answered ${response.status}: ${await response.text()}`);
  }
}

// The Parse error code that `action` ends with; fails when it ends well.
async function codeOf(action) {
  try {
    await action();
  } catch (error) {
    return error.code;
  }
  throw new Error('expected a Parse error, and there was none');
}

const titles = objects => objects.map(object => object.get('title'));

module.exports = { Parse, url, keys, master, reset, codeOf, titles };
