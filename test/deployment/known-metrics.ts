/** Owns what Weir's metrics are called, and how they are labelled, as docs/metrics.md has it; a test holds that against a running Weir. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./compose-file.ts";

/** The labels of each metric. */
export const labelsByMetric: ReadonlyMap<string, readonly string[]> = new Map(
  readFileSync(join(root, "docs/metrics.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `weir_"))
    .flatMap((line) => {
      const [, names, labels] = line.split("|");
      return wordsOf(names!).map((name) => [name, wordsOf(labels!)] as const);
    }),
);

/** Weir's metrics in a query of Prometheus: of a histogram's series, the histogram. */
export function metricsIn(query: string): readonly string[] {
  return [...new Set(Array.from(query.matchAll(/\bweir_\w+/g), ([name]) => (labelsByMetric.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ""))))];
}

/** The labels that a query groups by or looks at, but for those that Prometheus adds, and the bounds of a histogram. */
export function labelsIn(query: string): readonly string[] {
  const grouped = Array.from(query.matchAll(/by \(([\w, ]+)\)/g), ([, labels]) => labels!.split(", ")).flat();
  const matched = Array.from(query.matchAll(/\{(\w+)[=!~]/g), ([, label]) => label!);
  return [...grouped, ...matched].filter((label) => label !== "le");
}

function wordsOf(cell: string): string[] {
  return Array.from(cell.matchAll(/`(\w+)`/g), ([, word]) => word!);
}
