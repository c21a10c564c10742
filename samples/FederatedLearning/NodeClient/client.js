// node client.js --id 7 --images train-images --labels train-labels [--test-images … --test-labels …]
//   [--protocol amqp|mqtt|grpc] [--way WAY]
// WAY over AMQP: broadcast or unified; over gRPC: stream or poll. Ends with 0 at training_complete.
import { parseArgs } from 'node:util';
import { readImages, readLabels } from './data.js';
import { Softmax } from './softmax.js';
import { decode, encode } from './weights.js';

const { values: options } = parseArgs({ options: {
  id: { type: 'string' }, protocol: { type: 'string', default: 'amqp' }, way: { type: 'string', default: '' },
  images: { type: 'string' }, labels: { type: 'string' },
  'test-images': { type: 'string' }, 'test-labels': { type: 'string' },
} });
if (!['amqp', 'mqtt', 'grpc'].includes(options.protocol)) throw new Error('--protocol must be amqp, mqtt or grpc');
const { join } = await import(`./${options.protocol}.js`);

const images = readImages(options.images), labels = readLabels(options.labels);
const testImages = options['test-images'] ? readImages(options['test-images']) : images;
const testLabels = options['test-labels'] ? readLabels(options['test-labels']) : labels;

// Different kinds of messages come over different queues, so an order may overtake the model that it is about.
let config = { batch_size: 32, local_epochs: 1 };
let learningRate = 0.1;
let model = null;
let order = null;
let ended;
const end = new Promise(done => ended = done);
const id = /^\d+$/.test(options.id) ? Number(options.id) : options.id;

const server = await join({ id, way: options.way, take, lost: () => ended('the connection was lost') });
await server.register();
console.log(`Client ${id} registered over ${options.protocol}`);
const why = await end;
if (why !== 'training_complete') {
  console.error(why);
  process.exit(1);
}
console.log('training_complete');
await server.close();

function take(message) {
  if (message.client_id !== undefined && String(message.client_id) !== String(id)) return;
  switch (message.message_type) {
    case 'training_config': config = message; break;
    case 'global_model':
      model = { round: message.round, ...decode(message.weights) };
      learningRate = message.model_config?.learning_rate ?? learningRate;
      console.log(`Client received global model for round ${message.round}`);
      break;
    case 'start_training': order = { round: message.round, needs: message.round - 1, run: train }; break;
    case 'start_evaluation': order = { round: message.round, needs: message.round, run: evaluate }; break;
    case 'training_complete': ended('training_complete'); return;
    case 'error': console.error(`The server refused something: ${message.reason}`); break;
    case 'rejected': ended(`rejected: ${message.reason}`); return;
  }
  if (order && model && model.round >= order.needs) {
    const { run, round } = order;
    order = null;
    run(round).catch(error => ended(error.stack));
  }
}

async function train(round) {
  new Softmax(model).train(images, labels, { batchSize: config.batch_size, epochs: config.local_epochs, learningRate });
  const metrics = new Softmax(model).evaluate(images, labels);
  await server.update({ round, weights: encode(model), num_samples: images.length, metrics });
  console.log(`Client trained for round ${round}`);
}

async function evaluate(round) {
  console.log(`Client starting evaluation for round ${round}`);
  const metrics = new Softmax(model).evaluate(testImages, testLabels);
  await server.metrics({ round, num_samples: testImages.length, metrics });
}
