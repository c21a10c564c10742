// The protocol over gRPC, by a stream or by polling. GRPC_HOST, GRPC_PORT.
import { fileURLToPath } from 'node:url';
import { setTimeout as wait } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const proto = fileURLToPath(new URL('../Grpc/federated_learning.proto', import.meta.url));
const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

// Connects, and hands every message of the server to `take`. way: 'stream' or 'poll'.
export async function join({ id, way, take, lost }) {
  const { GRPC_HOST = '127.0.0.1', GRPC_PORT = '50051' } = process.env;
  const definition = loader.loadSync(proto, { keepCase: true, defaults: true });
  const { FederatedLearningService } = grpc.loadPackageDefinition(definition).federated_learning;
  const address = `${GRPC_HOST}:${GRPC_PORT}`;
  const client = new FederatedLearningService(address, grpc.credentials.createInsecure(), unlimited);
  return way === 'poll' ? poll({ client, id, take, lost }) : stream({ client, id, take, lost });
}

function stream({ client, id, take, lost }) {
  const call = client.Connect();
  call.on('data', message => take(JSON.parse(message.json.toString('utf8'))));
  call.on('error', error => lost(error.details));
  call.on('end', lost);
  const send = (type, message) => new Promise((done, failed) => {
    const json = Buffer.from(JSON.stringify({ client_id: id, ...message }));
    call.write({ message_type: type, json }, error => error ? failed(error) : done());
  });
  return {
    register: () => send('register', {}),
    update: update => send('update', update),
    metrics: metrics => send('metrics', metrics),
    close: async () => { call.end(); client.close(); },
  };
}

// Asks again and again what there is to do, and makes of the answers the messages that others get.
function poll({ client, id, take, lost }) {
  const ask = (method, message) => new Promise((done, failed) =>
    client[method]({ client_id: id, ...message }, (error, answer) => error ? failed(error) : done(answer)));
  let isOver = false, heard = -1, done = '';

  async function loop() {
    while (!isOver) {
      const status = await ask('CheckTrainingStatus', {});
      if (status.rejected) return take({ message_type: 'rejected', reason: status.reason });
      if (status.training_complete) return take({ message_type: 'training_complete' });
      const order = status.start_training ? 'start_training' : status.start_evaluation ? 'start_evaluation' : null;
      if (order && `${order} ${status.current_round}` !== done) {
        done = `${order} ${status.current_round}`;
        const model = await ask('GetGlobalModel', {});
        if (model.round !== heard) {
          heard = model.round;
          const { batch_size, local_epochs } = model;
          take({ message_type: 'training_config', batch_size, local_epochs });
          take({
            message_type: 'global_model', round: model.round, weights: model.weights.toString('base64'),
            model_config: JSON.parse(model.model_config),
          });
        }
        take({ message_type: order, round: status.current_round });
      }
      await wait(50);
    }
  }

  const say = async (method, message) => {
    const answer = await ask(method, message);
    if (!answer.success) take({ message_type: 'error', reason: answer.message });
  };
  return {
    register: async () => {
      await say('RegisterClient', {});
      loop().catch(error => lost(error.details ?? error.stack));
    },
    update: ({ round, weights, num_samples, metrics }) =>
      say('SendModelUpdate', { round, weights: Buffer.from(weights, 'base64'), num_samples, ...metrics }),
    metrics: ({ round, num_samples, metrics }) => say('SendEvaluationMetrics', { round, num_samples, ...metrics }),
    close: async () => { isOver = true; client.close(); },
  };
}
