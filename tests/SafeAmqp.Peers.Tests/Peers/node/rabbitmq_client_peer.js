// rabbitmq-client as a peer: publishes, gets, serves and calls as it is told to, line by line.
'use strict';
const { Connection } = require('rabbitmq-client');
const { tableToNative, tableFromNative, own, until, run } = require('./lines');

const names = {
  content_type: 'contentType', content_encoding: 'contentEncoding', delivery_mode: 'durable', priority: 'priority',
  correlation_id: 'correlationId', reply_to: 'replyTo', expiration: 'expiration', message_id: 'messageId',
  timestamp: 'timestamp', type: 'type', user_id: 'userId', app_id: 'appId',
};

const special = { int: value => BigInt(value) };

function envelope(asked) {
  const headers = tableToNative(asked.headers, special);
  const given = { mandatory: true, routingKey: asked.key, exchange: asked.exchange, headers };
  for (const [name, value] of Object.entries(asked.properties || {})) {
    given[names[name]] = name === 'delivery_mode' ? value === 2 : value;
  }
  return given;
}

function described(message) {
  const properties = {};
  for (const [name, own] of Object.entries(names)) {
    if (message[own] !== undefined && message[own] !== null) properties[name] = message[own];
  }
  properties.delivery_mode = message.durable ? 2 : 1;
  const body = Buffer.isBuffer(message.body) ? message.body
    : Buffer.from(typeof message.body === 'string' ? message.body : JSON.stringify(message.body));
  return { properties, headers: tableFromNative(message.headers, () => undefined), body: body.toString('base64') };
}

(async () => {
  const connection = new Connection({ url: process.argv[2], frameMax: 131072 });
  connection.on('error', error => console.error(error));
  const channel = await connection.acquire();
  await channel.confirmSelect();
  const body = asked => Buffer.from(asked.body, 'base64');

  run({
    publish: asked => channel.basicPublish(envelope(asked), body(asked)),
    get: async asked => described(await until(() => channel.basicGet({ queue: asked.queue, noAck: true }))),
    async serve(asked) {
      let consumer;
      const request = await new Promise((resolve, reject) => {
        const options = { queue: asked.queue, queueOptions: { passive: true } };
        consumer = connection.createConsumer(options, async (message, reply) => {
          await reply(message.body, { headers: own(message.headers), contentType: message.contentType });
          resolve(message);
        });
        consumer.on('error', reject);
      });
      await consumer.close();
      return described(request);
    },
    async call(asked) {
      const caller = connection.createRPCClient({ confirm: true, timeout: 20000 });
      const answer = described(await caller.send(envelope(asked), body(asked)));
      await caller.close();
      return answer;
    },
  });
})();
