// What the peers in Node.js share: the lines that they are spoken to with, and values with their types, as lines.py has
// them.
'use strict';
const readline = require('readline');

// Each peer says how it writes what JavaScript has no type for, and how it recognises it again.
function toNative([type, value], special) {
  switch (type) {
    case 'int': return special.int ? special.int(value) : Number(value);
    case 'double': return Number(value);
    case 'bytes': return Buffer.from(value, 'base64');
    case 'list': return value.map(item => toNative(item, special));
    case 'table': return tableToNative(value, special);
    case 'null': case 'bool': case 'text': return value;
    default: return special[type](value);
  }
}

function tableToNative(table, special) {
  return Object.fromEntries(Object.entries(table || {}).map(([name, value]) => [name, toNative(value, special)]));
}

function fromNative(value, recognise) {
  const special = recognise(value);
  if (special) return special;
  if (value === null) return ['null', null];
  if (typeof value === 'boolean') return ['bool', value];
  if (typeof value === 'string') return ['text', value];
  if (typeof value === 'bigint' || Number.isInteger(value)) return ['int', BigInt(value).toString()];
  if (typeof value === 'number') return ['double', String(value)];
  if (Buffer.isBuffer(value)) return ['bytes', value.toString('base64')];
  if (Array.isArray(value)) return ['list', value.map(item => fromNative(item, recognise))];
  return ['table', tableFromNative(value, recognise)];
}

function tableFromNative(table, recognise) {
  return Object.fromEntries(Object.entries(table || {}).map(([name, value]) => [name, fromNative(value, recognise)]));
}

// Without those that a library or a broker has added.
function own(headers) {
  return Object.fromEntries(Object.entries(headers || {}).filter(([name]) => !name.startsWith('x-')));
}

// Asks again and again until there is something, or 20 s are over.
async function until(ask) {
  for (const end = Date.now() + 20000; Date.now() < end;) {
    const got = await ask();
    if (got) return got;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('no message');
}

function run(verbs) {
  let last = Promise.resolve();
  readline.createInterface({ input: process.stdin }).on('line', line => {
    const asked = JSON.parse(line);
    last = last.then(() => verbs[asked.do](asked))
      .catch(error => ({ error: `${error.name}: ${error.message}` }))
      .then(answer => process.stdout.write(JSON.stringify(answer || {}) + '\n'));
  }).on('close', () => process.exit(0));
}

module.exports = { tableToNative, tableFromNative, own, until, run };
