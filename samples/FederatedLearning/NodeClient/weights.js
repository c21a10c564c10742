// The weight encoding (ENCODING.md): base64 of a header that describes the tensors, and of their values, little-endian
// float32.
export function decode(text) {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('latin1', 0, 4) !== 'FLTW' || bytes[4] !== 1) throw new Error('not weights of version 1');
  const headerLength = bytes.readUInt32LE(8);
  const tensors = [];
  for (let i = 0, at = 12; i < bytes.readUInt16LE(6); i++) {
    if (bytes[at] !== 1) throw new Error('not float32');
    const dimensions = bytes[at + 1], nameLength = bytes.readUInt16LE(at + 2);
    const name = bytes.toString('utf8', at + 4, at + 4 + nameLength);
    at += 4 + nameLength;
    const shape = Array.from({ length: dimensions }, (_, d) => bytes.readUInt32LE(at + 4 * d));
    at += 4 * dimensions;
    tensors.push({ name, shape });
  }
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + headerLength, bytes.byteOffset + bytes.length));
  let from = 0;
  for (const tensor of tensors) {
    const length = tensor.shape.reduce((product, dimension) => product * dimension, 1);
    tensor.values = values.subarray(from, from += length);
  }
  return { header: Buffer.from(bytes.subarray(0, headerLength)), tensors, values };
}

// The header goes back as it came.
export function encode({ header, values }) {
  return Buffer.concat([header, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]).toString('base64');
}
