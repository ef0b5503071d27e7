/** Owns the estimate of how long a recording is, for replies that do not say. */

/** 128 kbit/s, as MP3 is mostly made. */
const usualBytesPerSecond = 16_000;
/** 48 kHz, 16 bit, stereo. A header that says more, which its caller could have made up to pay less, is taken at that. */
const mostBytesPerSecond = 192_000;

/**
 * In milliseconds, of a request that holds one recording and little else. WAV says in its header how many bytes a second has
 * (http://soundfile.sapp.org/doc/WaveFormat); the others are taken as usual.
 */
export function estimateRecordingMs(request: Uint8Array): bigint {
  const bytes = Buffer.from(request.buffer, request.byteOffset, request.byteLength);
  const start = bytes.indexOf("WAVEfmt ") - 8;
  const isWav = start >= 0 && bytes.length >= start + 44 && bytes.toString("latin1", start, start + 4) === "RIFF";
  const bytesPerSecond = isWav ? Math.min(bytes.readUInt32LE(start + 28), mostBytesPerSecond) : usualBytesPerSecond;
  const soundBytes = isWav ? bytes.length - start - 44 : bytes.length;
  return BigInt(Math.ceil((soundBytes * 1000) / (bytesPerSecond || usualBytesPerSecond)));
}
