/** Owns what `npm run bench` measures by name: each in a process of its own. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

interface Measurement {
  readonly title: string;
  readonly file: string;
  readonly words?: readonly string[];
}

const ingest: readonly Measurement[] = [
  { title: "ingest, alone", file: "ingest.ts" },
  { title: "ingest, beside 200 calls a second", file: "ingest.ts", words: ["--calls", "200"] },
];
const reports: readonly Measurement[] = [{ title: "reports", file: "reports.ts" }];
const leases: readonly Measurement[] = [{ title: "leases", file: "leases.ts" }];
const admission: readonly Measurement[] = [{ title: "admission", file: "admission.ts" }];
const journal: readonly Measurement[] = [{ title: "journal", file: "journal.ts" }];

const measurements: ReadonlyMap<string, readonly Measurement[]> = new Map(Object.entries({ ingest, reports, leases, admission, journal, ledger: [...ingest, ...reports] }));
const quickAttempts = "100000";

export const measurementNames: readonly string[] = [...measurements.keys()];

/** Prints what each prints, in turn; throws when one fails. */
export function measureByName(name: string, { quick }: { readonly quick: boolean }): void {
  const environment = quick ? { WEIR_BENCH_ATTEMPTS: quickAttempts, ...process.env } : process.env;
  for (const { title, file, words = [] } of measurements.get(name)!) {
    console.log(`\n${title}`);
    execFileSync(process.execPath, [join(import.meta.dirname, file), ...words], { stdio: "inherit", env: environment });
  }
}
