// IDX files in MNIST's format: images as fractions, labels as numbers.
import { readFileSync } from 'node:fs';

export function readImages(path) {
  const bytes = readFileSync(path);
  if (bytes.readUInt32BE(0) !== 0x803) throw new Error(`${path} holds no images`);
  const count = bytes.readUInt32BE(4), size = bytes.readUInt32BE(8) * bytes.readUInt32BE(12);
  return Array.from({ length: count }, (_, i) =>
    Float32Array.from(bytes.subarray(16 + i * size, 16 + (i + 1) * size), pixel => pixel / 255));
}

export function readLabels(path) {
  const bytes = readFileSync(path);
  if (bytes.readUInt32BE(0) !== 0x801) throw new Error(`${path} holds no labels`);
  return bytes.subarray(8, 8 + bytes.readUInt32BE(4));
}
