/** Owns the reports of vendors that can be reconciled: each format by its name, read into the lines of ReconcileUsage. */
import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { VendorLineSchema } from "#gen/weir/metering/v1/reconciliation_pb.ts";
import { anthropicCost, anthropicUsage } from "./anthropic-report.ts";
import { csvReader, type CsvMapping } from "./csv-report.ts";
import { openaiCosts, openaiUsage } from "./openai-report.ts";
import type { ReportLine } from "./report-line.ts";
import { readReport, type BucketFormat } from "./report-pages.ts";

export type VendorLine = MessageInitShape<typeof VendorLineSchema>;

interface VendorReport {
  /** Undefined where the caller names it. */
  readonly vendor?: string;
  readonly read: (text: string) => ReportLine[];
}

const bucketed = (vendor: string, format: BucketFormat): VendorReport => ({ vendor, read: (text) => readReport(text, format) });

/** By the name that `--format` takes. */
export const vendorReports: Readonly<Record<string, (mapping: CsvMapping) => VendorReport>> = {
  "openai-usage": () => bucketed("openai", openaiUsage),
  "openai-costs": () => bucketed("openai", openaiCosts),
  "anthropic-usage": () => bucketed("anthropic", anthropicUsage),
  "anthropic-cost": () => bucketed("anthropic", anthropicCost),
  csv: (mapping) => ({ read: csvReader(mapping) }),
};

/** The lines of one of the vendor's accounts with their ids: of alike ones, the first, the second, … */
export function withIds(lines: readonly ReportLine[], account = ""): VendorLine[] {
  const seen = new Map<string, number>();
  return lines.map(({ identity, startMs, endMs, quantities = [], ...line }) => {
    const digest = createHash("sha256").update(JSON.stringify(account === "" ? identity : [{ account }, ...identity])).digest("hex").slice(0, 32);
    const count = (seen.get(digest) ?? 0) + 1;
    seen.set(digest, count);
    return {
      ...line,
      lineId: `${digest}-${count}`,
      startTime: timestampFromMs(startMs),
      ...(endMs === undefined ? {} : { endTime: timestampFromMs(endMs) }),
      quantities: quantities.filter(([, quantity]) => quantity !== 0n).map(([meter, quantity]) => ({ meter, quantity })),
    };
  });
}
