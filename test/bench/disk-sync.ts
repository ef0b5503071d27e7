/** Owns what the disk alone costs: how long one small durable write takes. */
import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { median } from "./statistics.ts";

const syncs = 200;
const recordBytes = 512;

/** The p50 of writing a record to a file that has its room already, as the journal's has, and fdatasync. Blocks this process. */
export function measureSyncMs(directory: string): number {
  const path = join(directory, "sync-probe");
  const file = openSync(path, "w");
  writeSync(file, Buffer.alloc(syncs * recordBytes));
  fsyncSync(file);
  const record = Buffer.alloc(recordBytes, "x");
  const samples = Array.from({ length: syncs }, (_, place) => {
    const startMs = performance.now();
    writeSync(file, record, 0, recordBytes, place * recordBytes);
    fdatasyncSync(file);
    return performance.now() - startMs;
  });
  closeSync(file);
  rmSync(path);
  return median(samples);
}
