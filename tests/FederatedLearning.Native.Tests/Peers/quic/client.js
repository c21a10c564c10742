// node client.js PORT ALPN ID IMAGES LABELS: trains softmax regression over QUIC. Ends with 0 at training_complete.
import { webcrypto } from 'node:crypto';
import { QUICClient } from '@matrixai/quic';
import Logger, { LogLevel } from '@matrixai/logger';
import { readImages, readLabels } from '../../../../samples/FederatedLearning/NodeClient/data.js';
import { Softmax } from '../../../../samples/FederatedLearning/NodeClient/softmax.js';
import { decode, encode } from '../../../../samples/FederatedLearning/NodeClient/weights.js';

const [port, alpn, id, imagesFile, labelsFile] = process.argv.slice(2);
const images = readImages(imagesFile), labels = readLabels(labelsFile);
let config, learningRate, model;

const client = await QUICClient.createQUICClient({
  host: '127.0.0.1', port: Number(port), localHost: '127.0.0.1', serverName: 'localhost',
  logger: new Logger('quic', LogLevel.ERROR),
  crypto: { ops: { randomBytes: async data => { webcrypto.getRandomValues(new Uint8Array(data)); } } },
  config: {
    applicationProtos: [alpn], verifyPeer: false, maxIdleTimeout: 60_000, keepAliveIntervalTime: 15_000,
    initialMaxData: 16 << 20, initialMaxStreamDataBidiLocal: 8 << 20, readableChunkSize: 64 << 10,
  },
});
const stream = client.connection.newStream('bidi');
const writer = stream.writable.getWriter();
const send = message => writer.write(Buffer.from(JSON.stringify({ client_id: id, ...message }) + '\n'));
await send({ type: 'register' });
console.log(`Client ${id} registered`);

let rest = Buffer.alloc(0);
for await (const chunk of stream.readable) {
  rest = Buffer.concat([rest, chunk]);
  for (let at; (at = rest.indexOf(10)) >= 0;) {
    const line = rest.subarray(0, at).toString();
    rest = rest.subarray(at + 1);
    if (line.trim()) await take(JSON.parse(line));
  }
}
console.log('the stream ended');
process.exit(1);

async function take(message) {
  switch (message.type) {
    case 'training_config': config = message; break;
    case 'global_model':
      model = decode(message.weights);
      learningRate = message.model_config?.learning_rate ?? learningRate;
      break;
    case 'start_training':
      new Softmax(model).train(
        images, labels, { batchSize: config.batch_size, epochs: config.local_epochs, learningRate });
      await send({ type: 'update', round: message.round, num_samples: images.length, weights: encode(model) });
      break;
    case 'start_evaluation':
      await send({
        type: 'metrics', round: message.round, num_samples: images.length,
        metrics: new Softmax(model).evaluate(images, labels),
      });
      break;
    case 'training_complete':
      console.log('training_complete');
      await writer.close();
      await client.destroy({ force: true });
      process.exit(0);
  }
}
