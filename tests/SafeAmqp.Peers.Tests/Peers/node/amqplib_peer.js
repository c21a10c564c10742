// amqplib as a peer: publishes, gets, serves and calls as it is told to, line by line.
'use strict';
const amqplib = require('amqplib');
const { tableToNative, tableFromNative, own, until, run } = require('./lines');

const names = {
  content_type: 'contentType', content_encoding: 'contentEncoding', delivery_mode: 'deliveryMode', priority: 'priority',
  correlation_id: 'correlationId', reply_to: 'replyTo', expiration: 'expiration', message_id: 'messageId',
  timestamp: 'timestamp', type: 'type', user_id: 'userId', app_id: 'appId',
};

// amqplib writes digits as they are in two's complement, and reads them without a sign.
const special = {
  int: value => BigInt(value) === BigInt(Number(value)) ? Number(value) : { '!': 'int64', value: BigInt(value) },
  time: value => ({ '!': 'timestamp', value: Number(value) }),
  decimal: value => {
    const [whole, rest = ''] = value.split('.');
    return { '!': 'decimal', value: { places: rest.length, digits: Number(whole + rest) >>> 0 } };
  },
};

function recognise(value) {
  if (!value || typeof value !== 'object' || !('!' in value)) return undefined;
  if (value['!'] === 'timestamp') return ['time', String(value.value)];
  const digits = String(value.value.digits).padStart(value.value.places + 1, '0');
  const point = digits.length - value.value.places;
  return ['decimal', value.value.places ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits];
}

function options(asked) {
  const given = { mandatory: true, headers: tableToNative(asked.headers, special) };
  for (const [name, value] of Object.entries(asked.properties || {})) given[names[name]] = value;
  return given;
}

function described(message) {
  const properties = {};
  for (const [name, own] of Object.entries(names)) {
    if (message.properties[own] !== undefined) properties[name] = message.properties[own];
  }
  const headers = tableFromNative(message.properties.headers, recognise);
  return { properties, headers, body: message.content.toString('base64') };
}

(async () => {
  const connection = await amqplib.connect(process.argv[2]);
  const channel = await connection.createConfirmChannel();
  const body = asked => Buffer.from(asked.body, 'base64');

  run({
    async publish(asked) {
      channel.publish(asked.exchange, asked.key, body(asked), options(asked));
      await channel.waitForConfirms();
    },
    get: async asked => described(await until(() => channel.get(asked.queue, { noAck: true }))),
    async serve(asked) {
      const request = await until(() => channel.get(asked.queue, { noAck: true }));
      const { replyTo, correlationId, contentType, headers } = request.properties;
      channel.sendToQueue(replyTo, request.content, { correlationId, contentType, headers: own(headers) });
      await channel.waitForConfirms();
      return described(request);
    },
    async call(asked) {
      const asking = await connection.createChannel();
      const reply = new Promise(resolve => asking.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }));
      asking.publish('', asked.key, body(asked), { ...options(asked), replyTo: 'amq.rabbitmq.reply-to' });
      const answer = described(await reply);
      await asking.close();
      return answer;
    },
  });
})();
