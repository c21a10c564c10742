// The protocol over MQTT: topics. MQTT_HOST, MQTT_PORT, MQTT_USER, MQTT_PASSWORD.
import mqtt from 'mqtt';

const types = [
  'training_config', 'global_model', 'start_training', 'start_evaluation', 'training_complete', 'rejected', 'error',
];

// Connects, subscribes, and hands every message of the server to `take`.
export async function join({ id, take, lost }) {
  const { MQTT_HOST = '127.0.0.1', MQTT_PORT = '1883', MQTT_USER, MQTT_PASSWORD } = process.env;
  const client = await mqtt.connectAsync(`mqtt://${MQTT_HOST}:${MQTT_PORT}`, {
    protocolVersion: 4, username: MQTT_USER, password: MQTT_PASSWORD, keepalive: 600, reconnectPeriod: 0,
    will: { topic: `fl/client/${id}/left`, payload: '', qos: 1 },
  });
  client.on('message', (topic, body) => take(JSON.parse(body.toString('utf8'))));
  client.on('close', lost);
  await client.subscribeAsync(types.flatMap(type => [`fl/${type}`, `fl/${type}/${id}`]), { qos: 1 });
  const publish = (topic, message) =>
    client.publishAsync(topic, JSON.stringify({ client_id: id, ...message }), { qos: 1 });
  return {
    register: () => publish('fl/client_register', {}),
    update: update => publish(`fl/client/${id}/update`, update),
    metrics: metrics => publish(`fl/client/${id}/metrics`, metrics),
    close: () => client.endAsync(),
  };
}
