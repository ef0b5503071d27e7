import { expect, test } from "vitest";
import { estimateRecordingMs } from "./recording-length.ts";

function wav(samplesPerSecond: number, soundBytes: number, format = 1): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.write("WAVEfmt ", 8);
  header.writeUInt16LE(format, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(samplesPerSecond, 24);
  header.writeUInt32LE(0xffff_ffff, 28);
  header.writeUInt16LE(16, 34);
  return Buffer.concat([header, Buffer.alloc(soundBytes)]);
}

test.each([
  ["a WAV by its header", wav(16_000, 48_000), 1500n],
  ["a WAV whose header says nothing as usual", wav(0, 16_000 - 44), 1000n],
  ["a WAV whose header says more than sound has as the most", wav(0xffff_ffff, 192_000), 1000n],
  ["a WAV that is cut in its header as usual", wav(16_000, 0).subarray(0, 40), 3n],
  ["a WAV whose sound is compressed as usual", wav(96_000, 16_000 - 44, 0x55), 1000n],
  ["what only holds a WAV as usual", Buffer.concat([Buffer.alloc(32_000 - 44), wav(96_000, 0)]), 2000n],
  ["others as usual", Buffer.alloc(32_000), 2000n],
  ["nothing", Buffer.alloc(0), 0n],
])("measures %s", (_, bytes, expectedMs) => {
  expect(estimateRecordingMs(bytes)).toBe(expectedMs);
});
