// The protocol over AMQP: exchanges, queues and keys. AMQP_HOST, AMQP_PORT, AMQP_USER, AMQP_PASSWORD, AMQP_VHOST.
import amqp from 'amqplib';

const types = ['training_config', 'global_model', 'start_training', 'start_evaluation', 'training_complete'];

// Connects, registers, and hands every message of the server to `take`. way: 'broadcast' or 'unified'.
export async function join({ id, way, take, lost }) {
  const {
    AMQP_HOST = 'localhost', AMQP_PORT = '5672', AMQP_USER = 'guest', AMQP_PASSWORD = 'guest', AMQP_VHOST = '/',
  } = process.env;
  const url = {
    protocol: 'amqp', hostname: AMQP_HOST, port: Number(AMQP_PORT), username: AMQP_USER, password: AMQP_PASSWORD,
    vhost: AMQP_VHOST,
  };
  const connection = await amqp.connect({ ...url, heartbeat: 600 });
  connection.on('close', lost);
  connection.on('error', error => console.error(`connection: ${error.message}`));
  const channel = await connection.createConfirmChannel();
  const sending = await connection.createConfirmChannel();
  await channel.assertExchange('fl_broadcast', 'fanout', { durable: true });
  await channel.assertExchange('fl_client_updates', 'direct', { durable: true });

  const consume = queue => channel.consume(queue, message => {
    if (message === null) return;
    take(JSON.parse(message.content.toString('utf8')));
    channel.ack(message);
  });
  if (way === 'unified') {
    for (const type of types) {
      const queue = `client_${id}_${type}`;
      await channel.assertQueue(queue, { durable: true });
      await channel.purgeQueue(queue); // what an earlier run left
      await consume(queue);
    }
  } else {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'fl_broadcast', '');
    await consume(queue);
  }

  const publish = (exchange, key, message) => new Promise((done, failed) =>
    sending.publish(exchange, key, Buffer.from(JSON.stringify(message)),
      { deliveryMode: 2, contentType: 'application/json' }, error => error ? failed(error) : done()));
  const prefix = way === 'unified' ? `client_${id}_` : 'client.';
  // The server's queue as well: a registration waits in it for a server that is not there yet.
  if (way === 'unified') {
    await channel.assertQueue('fl_client_register', { durable: true });
  } else {
    await channel.assertQueue('fl.client.register', { durable: true });
    await channel.bindQueue('fl.client.register', 'fl_client_updates', 'client.register');
  }
  return {
    register: () => way === 'unified'
      ? publish('', 'fl_client_register', { client_id: id })
      : publish('fl_client_updates', 'client.register', { client_id: id }),
    update: update => publish('fl_client_updates', `${prefix}update`, { client_id: id, ...update }),
    metrics: metrics => publish('fl_client_updates', `${prefix}metrics`, { client_id: id, ...metrics }),
    close: () => connection.close(),
  };
}
