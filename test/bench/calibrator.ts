/** Owns telling whether the gateway's CPU is in a slow phase: a process beside the gateway that does a fixed piece of work when asked. */
import { readFileSync } from "node:fs";
import { median } from "./statistics.ts";

const block = Buffer.alloc(1 << 20, 7);

process.on("message", () => process.send!({ tookMs: median(Array.from({ length: 5 }, fixedWorkMs)) }));
process.on("disconnect", () => process.exit());
process.send!({});

/** Arithmetic, memory and system calls. */
function fixedWorkMs(): number {
  const startMs = performance.now();
  let hash = 0;
  for (let step = 0; step < 2_000_000; step++) hash = (Math.imul(hash, 31) + step) | 0;
  for (let copy = 0; copy < 10; copy++) block.copyWithin(hash & 1, 1);
  for (let call = 0; call < 200; call++) readFileSync("/proc/self/stat");
  return performance.now() - startMs;
}
