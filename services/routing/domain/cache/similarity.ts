/** Owns how near two texts are in meaning: the cosine of the angle between the vectors that an embedding model gave them. */

/** More numbers than any embedding model gives. */
export const maximumDimensions = 16_384;

/** The vector with the length 1; undefined for none, or one that has no direction or is too long. */
export function unitVector(values: readonly number[]): Float32Array | undefined {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  if (values.length > maximumDimensions || !Number.isFinite(length) || length === 0) return undefined;
  return Float32Array.from(values, (value) => value / length);
}

/** Of two vectors of the length 1, and of as many numbers. */
export function similarityOf(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  // By index: it is the inner loop of the search, and takes a nanosecond for each number.
  for (let at = 0; at < one.length; at++) sum += one[at]! * other[at]!;
  return Math.min(1, sum);
}
