// Softmax regression by mini-batch SGD, on a model of two tensors: a matrix and a vector with a value per class.
export class Softmax {
  constructor({ tensors }) {
    const matrix = tensors.find(tensor => tensor.shape.length === 2);
    const vector = tensors.find(tensor => tensor.shape.length === 1);
    if (tensors.length !== 2 || !matrix || !vector) throw new Error('this client trains softmax regression only');
    this.classes = vector.shape[0];
    const byClass = matrix.shape[0] === this.classes;
    if (!byClass && matrix.shape[1] !== this.classes) throw new Error('matrix and vector do not fit each other');
    this.inputs = byClass ? matrix.shape[1] : matrix.shape[0];
    // Where the weight from an input to a class lies.
    [this.perInput, this.perClass] = byClass ? [1, this.inputs] : [this.classes, 1];
    this.weights = matrix.values;
    this.bias = vector.values;
  }

  probabilities(image) {
    const scores = Float64Array.from(this.bias);
    for (let input = 0; input < this.inputs; input++) {
      const pixel = image[input];
      if (pixel === 0) continue;
      for (let c = 0; c < this.classes; c++)
        scores[c] += pixel * this.weights[input * this.perInput + c * this.perClass];
    }
    const highest = Math.max(...scores);
    let sum = 0;
    for (let c = 0; c < this.classes; c++) sum += scores[c] = Math.exp(scores[c] - highest);
    for (let c = 0; c < this.classes; c++) scores[c] /= sum;
    return scores;
  }

  train(images, labels, { batchSize, epochs, learningRate }) {
    const order = images.map((_, i) => i);
    for (let epoch = 0; epoch < epochs; epoch++) {
      shuffle(order);
      for (let from = 0; from < order.length; from += batchSize)
        this.step(order.slice(from, from + batchSize), images, labels, learningRate);
    }
  }

  step(batch, images, labels, learningRate) {
    const errors = batch.map(i => {
      const error = this.probabilities(images[i]);
      error[labels[i]] -= 1;
      return error;
    });
    const rate = learningRate / batch.length;
    batch.forEach((i, b) => {
      for (let c = 0; c < this.classes; c++) this.bias[c] -= rate * errors[b][c];
      for (let input = 0; input < this.inputs; input++) {
        const pixel = images[i][input];
        if (pixel === 0) continue;
        for (let c = 0; c < this.classes; c++)
          this.weights[input * this.perInput + c * this.perClass] -= rate * pixel * errors[b][c];
      }
    });
  }

  evaluate(images, labels) {
    let loss = 0, right = 0;
    images.forEach((image, i) => {
      const chances = this.probabilities(image);
      loss -= Math.log(Math.max(chances[labels[i]], 1e-12));
      if (chances.indexOf(Math.max(...chances)) === labels[i]) right++;
    });
    return { loss: loss / images.length, accuracy: right / images.length };
  }
}

function shuffle(order) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}
