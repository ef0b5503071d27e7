import { expect, test } from "vitest";
import { estimateRecordingMs } from "./recording-length.ts";

function wav(bytesPerSecond: number, soundBytes: number): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(bytesPerSecond, 28);
  return Buffer.concat([header, Buffer.alloc(soundBytes)]);
}

test.each([
  ["a WAV by its header", Buffer.concat([Buffer.from("form"), wav(32_000, 48_000)]), 1500n],
  ["a WAV whose header says nothing as usual", wav(0, 16_000), 1000n],
  ["a WAV whose header says more than sound has as the most", wav(0xffff_ffff, 192_000), 1000n],
  ["a WAV that is cut in its header as usual", wav(32_000, 0).subarray(0, 40), 3n],
  ["others as usual", Buffer.alloc(32_000), 2000n],
  ["nothing", Buffer.alloc(0), 0n],
])("measures %s", (_, bytes, expectedMs) => {
  expect(estimateRecordingMs(bytes)).toBe(expectedMs);
});
