// What amqplib does and notes about a broker: `node cases.js amqp://…`. One line for each note, "case<TAB>note"; the
// tests run it against RabbitMQ and against the embedded broker and compare.
'use strict';
const amqp = require('amqplib');
const { randomUUID } = require('crypto');

const url = process.argv[2];
const cases = {};
const text = message =>
  message ? message.content.toString() + (message.fields.redelivered ? ' redelivered' : '') : 'nothing';

// Collects deliveries; next() is the next one.
function inbox() {
  const waiting = [], got = [];
  return {
    take: message => waiting.length ? waiting.shift()(message) : got.push(message),
    next: () => got.length ? Promise.resolve(got.shift()) : new Promise(resolve => waiting.push(resolve)),
  };
}

const once = (emitter, event) => new Promise(resolve => emitter.once(event, resolve));

cases['what the server says of itself'] = async s => {
  const { capabilities } = s.connection.connection.serverProperties;
  for (const name of Object.keys(capabilities).sort()) s.note(`${name} ${capabilities[name]}`);
  s.note(`${s.connection.connection.frameMax} ${s.connection.connection.heartbeat}`);
};

cases['confirmed publishes are consumed and acknowledged in order'] = async s => {
  const channel = await s.connection.createConfirmChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  for (let i = 0; i < 20; i++) channel.sendToQueue(s.name('q'), Buffer.from(`${i}`), { persistent: true });
  await channel.waitForConfirms();
  const box = inbox();
  await channel.prefetch(5);
  await channel.consume(s.name('q'), box.take);
  for (let i = 0; i < 20; i++) { const message = await box.next(); s.note(text(message)); channel.ack(message); }
  s.note((await channel.checkQueue(s.name('q'))).messageCount);
};

cases['properties and headers of every kind arrive'] = async s => {
  const channel = await s.connection.createChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  channel.sendToQueue(s.name('q'), Buffer.from('ü'), {
    contentType: 'text/plain', contentEncoding: 'utf-8',
    headers: {
      text: 'größe', number: 42, large: 2 ** 40, double: 1.5, yes: true, nothing: null, list: [1, 'two'],
      table: { a: { b: 1 } },
    },
    priority: 3, correlationId: 'c', replyTo: 'r', expiration: '60000', messageId: 'm', timestamp: 1700000000,
    type: 't', userId: 'guest', appId: 'a', persistent: true,
  });
  const box = inbox();
  await channel.consume(s.name('q'), box.take, { noAck: true });
  const { properties, content } = await box.next();
  s.note(content.toString());
  for (const key of Object.keys(properties).sort()) s.note(`${key} ${JSON.stringify(properties[key])}`);
};

cases['an unroutable mandatory message comes back'] = async s => {
  const channel = await s.connection.createConfirmChannel();
  const returned = once(channel, 'return');
  channel.publish('amq.direct', s.name('nowhere'), Buffer.from('m'), { mandatory: true });
  const { fields, content } = await returned;
  s.note(`${fields.replyCode} ${fields.replyText} ${fields.exchange} ${fields.routingKey} ${content}`);
  await channel.waitForConfirms();
};

cases['a message is nacked, rejected and dead-lettered'] = async s => {
  const channel = await s.connection.createChannel();
  await channel.assertQueue(s.name('dead'), { exclusive: true });
  await channel.assertQueue(s.name('q'),
    { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: s.name('dead') });
  channel.sendToQueue(s.name('q'), Buffer.from('m'));
  const box = inbox(), dead = inbox();
  await channel.consume(s.name('q'), box.take);
  await channel.consume(s.name('dead'), dead.take, { noAck: true });
  const first = await box.next();
  channel.nack(first);
  const second = await box.next();
  s.note(`${text(first)}, ${text(second)}`);
  channel.reject(second, false);
  const { properties } = await dead.next();
  const [death] = properties.headers['x-death'];
  s.note(`${death.queue} ${death.reason} ${death.count} ${death.exchange} ${death['routing-keys']}`);
};

cases['exchanges route by topic, headers and to each other'] = async s => {
  const channel = await s.connection.createConfirmChannel();
  await channel.assertExchange(s.name('topic'), 'topic', { autoDelete: true });
  await channel.assertExchange(s.name('headers'), 'headers', { autoDelete: true });
  await channel.bindExchange(s.name('headers'), s.name('topic'), 'to.#');
  for (const queue of ['star', 'hash', 'any']) await channel.assertQueue(s.name(queue), { exclusive: true });
  await channel.bindQueue(s.name('star'), s.name('topic'), '*.b');
  await channel.bindQueue(s.name('hash'), s.name('topic'), 'a.#');
  await channel.bindQueue(s.name('any'), s.name('headers'), '', { 'x-match': 'any', x: 1, y: 2 });
  for (const key of ['a', 'a.b', 'a.b.c', 'c.b', 'to.headers'])
    channel.publish(s.name('topic'), key, Buffer.from(key), { headers: { y: 2 } });
  await channel.waitForConfirms();
  for (const queue of ['star', 'hash', 'any'])
    for (let message; (message = await channel.get(s.name(queue), { noAck: true }));)
      s.note(`${queue} ${message.content} ${message.fields.messageCount}`);
};

cases['a call is answered over direct reply-to'] = async s => {
  const channel = await s.connection.createChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  await channel.consume(s.name('q'), ({ properties: { replyTo, correlationId }, content }) =>
    channel.sendToQueue(replyTo, Buffer.from(`re: ${content}`), { correlationId }), { noAck: true });
  const box = inbox();
  await channel.consume('amq.rabbitmq.reply-to', box.take, { noAck: true });
  for (let i = 0; i < 3; i++) {
    channel.sendToQueue(s.name('q'), Buffer.from(`${i}`), { correlationId: `${i}`, replyTo: 'amq.rabbitmq.reply-to' });
    const { content, properties } = await box.next();
    s.note(`${content} ${properties.correlationId}`);
  }
};

for (const [what, act] of Object.entries({
  'a missing queue': (s, channel) => channel.checkQueue(s.name('missing')),
  'a missing exchange': (s, channel) =>
    channel.publish(s.name('missing'), '', Buffer.from('m')) && channel.checkExchange('amq.direct'),
  'other arguments': async (s, channel) => {
    await channel.assertQueue(s.name('q'), { exclusive: true });
    await channel.assertQueue(s.name('q'), { exclusive: true, maxLength: 1 });
  },
  'an unknown tag': async (s, channel) => {
    channel.ack({ fields: { deliveryTag: 7 } });
    await channel.checkExchange('amq.direct');
  },
  'a reserved name': (s, channel) => channel.assertQueue('amq.mine'),
}))
  cases[`a channel is closed over ${what}, and its connection lives`] = async s => {
    const channel = await s.connection.createChannel();
    const closed = new Promise(resolve => channel.on('error', resolve));
    await Promise.resolve(act(s, channel)).catch(() => {});
    const error = await closed;
    s.note(`${error.code} ${error.message.replace(/^.*?: /, '')}`);
    await (await s.connection.createChannel()).checkExchange('amq.direct');
  };

cases['a consumer hears that its queue was deleted'] = async s => {
  const channel = await s.connection.createChannel(), other = await s.connection.createChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  const box = inbox();
  await channel.consume(s.name('q'), box.take);
  s.note((await other.deleteQueue(s.name('q'))).messageCount);
  s.note(text(await box.next()));
};

cases['an exclusive queue is its connection’s and goes with it'] = async s => {
  const other = await amqp.connect(url);
  const channel = await other.createChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  const mine = await s.connection.createChannel();
  const error = once(mine, 'error');
  await mine.checkQueue(s.name('q')).catch(() => {});
  s.note((await error).code);
  await other.close();
  const again = await s.connection.createChannel();
  s.note((await again.assertQueue(s.name('q'), { exclusive: true })).messageCount);
};

cases['a large body arrives whole'] = async s => {
  const channel = await s.connection.createConfirmChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  const body = Buffer.alloc(3_000_000, 'safeamqp');
  channel.sendToQueue(s.name('q'), body);
  await channel.waitForConfirms();
  s.note((await channel.get(s.name('q'), { noAck: true })).content.equals(body));
};

cases['a full queue nacks'] = async s => {
  const channel = await s.connection.createConfirmChannel();
  await channel.assertQueue(s.name('q'),
    { exclusive: true, maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } });
  channel.sendToQueue(s.name('q'), Buffer.from('1'));
  await channel.waitForConfirms();
  await new Promise(resolve => channel.sendToQueue(s.name('q'), Buffer.from('2'), {},
    error => resolve(s.note(error ? 'nacked' : 'acked'))));
  s.note((await channel.purgeQueue(s.name('q'))).messageCount);
};

cases['what was not acknowledged is recovered'] = async s => {
  const channel = await s.connection.createChannel();
  await channel.assertQueue(s.name('q'), { exclusive: true });
  channel.sendToQueue(s.name('q'), Buffer.from('m'));
  const box = inbox();
  await channel.consume(s.name('q'), box.take);
  s.note(text(await box.next()));
  await channel.recover();
  s.note(text(await box.next()));
};

cases['a wrong password is refused'] = async s => {
  const wrong = new URL(url);
  wrong.password = 'wrong';
  await amqp.connect(wrong.href).then(() => s.note('accepted'), error => s.note(error.message.replace(/^.*?: /, '')));
};

(async () => {
  for (const [name, play] of Object.entries(cases)) {
    const id = randomUUID().slice(0, 8);
    const s = {
      name: part => `${id}.${part}`,
      note: value => console.log(`${name}\t${String(value).replaceAll(id, 'T')}`),
      connection: await amqp.connect(url, { clientProperties: { connection_name: name } }),
    };
    s.connection.on('error', error => s.note(`connection: ${error.message}`));
    await play(s);
    await s.connection.close();
  }
  console.log('end\t' + Object.keys(cases).length);
})().catch(error => { console.error(error); process.exit(1); });
