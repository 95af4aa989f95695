// A Parse Server on PostgreSQL over loopback: node parse_server.js PACKAGES PORT DATABASE_URI. Ends with its standard input.
'use strict';

const http = require('http');
const { createRequire } = require('module');

const from = createRequire(process.argv[2] + '/');
const { ParseServer } = from('parse-server');
const express = from('express');

const port = Number(process.argv[3]);
const tell = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true; // what the server logs is no answer

async function main() {
  const server = new ParseServer({
    appId: 'bench',
    masterKey: 'master',
    databaseURI: process.argv[4],
    serverURL: `http://127.0.0.1:${port}/parse`,
    allowCustomObjectId: true,
    allowClientClassCreation: true,
    directAccess: true,
    silent: true,
    logsFolder: null,
    logLevel: 'error',
  });
  await server.start();
  const app = express();
  app.use('/parse', server.app);
  http.createServer({ keepAliveTimeout: 600000 }, app).listen(port, '127.0.0.1', () => tell('ready\n'));
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
main().catch(error => {
  tell(`failed: ${error && error.message || error}\n`);
  process.exitCode = 1;
  process.stdin.destroy();
});
