/** Owns the estimate of how long a recording is, for replies that do not say. */

/** 128 kbit/s, as MP3 is mostly made. */
const usualBytesPerSecond = 16_000;
/** 48 kHz, 16 bit, stereo. A header that says more, which its caller could have made up to pay less, is taken at that. */
const mostBytesPerSecond = 192_000;
/** Where a WAV's sound begins at the earliest. */
const headerBytes = 44;
/** Samples as numbers, and as numbers with a fraction; others are compressed, and then a second has as many bytes as it likes. */
const plainFormats: readonly number[] = [1, 3, 0xfffe];

/**
 * In milliseconds. WAV says in its header how many samples a second has and how large they are (http://soundfile.sapp.org/doc/WaveFormat);
 * the others are taken as usual.
 */
export function estimateRecordingMs(recording: Uint8Array): bigint {
  const bytes = Buffer.from(recording.buffer, recording.byteOffset, recording.byteLength);
  const bytesPerSecond = plainBytesPerSecond(bytes);
  const soundBytes = bytesPerSecond === undefined ? bytes.length : bytes.length - headerBytes;
  return BigInt(Math.ceil((soundBytes * 1000) / (bytesPerSecond ?? usualBytesPerSecond)));
}

function plainBytesPerSecond(bytes: Buffer): number | undefined {
  const isWav = bytes.length >= headerBytes && bytes.toString("latin1", 0, 4) === "RIFF" && bytes.toString("latin1", 8, 16) === "WAVEfmt ";
  if (!isWav || !plainFormats.includes(bytes.readUInt16LE(20))) return undefined;
  const [channels, samplesPerSecond, bitsPerSample] = [bytes.readUInt16LE(22), bytes.readUInt32LE(24), bytes.readUInt16LE(34)];
  return Math.min((channels * samplesPerSecond * bitsPerSample) / 8, mostBytesPerSecond) || undefined;
}
