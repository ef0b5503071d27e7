/** Owns `npm run bench -- --ledger`: the measurements of the ledger in turn, each in a process of its own. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

interface Measurement {
  readonly name: string;
  readonly file: string;
  readonly words?: readonly string[];
}

const measurements: readonly Measurement[] = [
  { name: "ingest, alone", file: "ingest.ts" },
  { name: "ingest, beside 200 calls a second", file: "ingest.ts", words: ["--calls", "200"] },
  { name: "reports", file: "reports.ts" },
];
const quickAttempts = "100000";

/** Prints what each prints; throws when one fails. */
export function measureLedger({ quick }: { readonly quick: boolean }): void {
  const environment = quick ? { WEIR_BENCH_ATTEMPTS: quickAttempts, ...process.env } : process.env;
  for (const { name, file, words = [] } of measurements) {
    console.log(`\n${name}`);
    execFileSync(process.execPath, [join(import.meta.dirname, file), ...words], { stdio: "inherit", env: environment });
  }
}
