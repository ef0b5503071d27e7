/** Proves the columns of the exports, and that what a running Weir exports can be read and sums up to its ledger. */
import { create } from "@bufbuild/protobuf";
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { UsageRowSchema } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { runWeir } from "../../../test/harness/run-weir.ts";
import { startWeir } from "../../../test/harness/start-weir.ts";
import { focusRecord, plainRecord } from "./chargeback.ts";

const row = create(UsageRowSchema, {
  group: ["2026-12-31", "org_a", "team_a", "key_a", "openai", "main/gpt-6-sol", "chat", "shop", ""],
  attempts: 12n,
  unpricedAttempts: 1n,
  costNanos: 1_500_000_000n,
  chargeNanos: 1_650_000_001n,
  quantities: [{ meter: Meter.OUTPUT_TOKENS, quantity: 7n }],
});
const labels = ["application", "cost_center"];
const nameOf = (id: string): string => `the ${id}`;

// The column library of https://focus.finops.org/focus-specification/v1-2/.
const mandatoryColumns = [
  "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass",
  "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity",
  "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
];

test("a FOCUS record has all mandatory columns, periods that end where the next begin, and amounts to the last digit", () => {
  const record = focusRecord(row, labels, nameOf);
  expect(Object.keys(record)).toEqual(expect.arrayContaining(mandatoryColumns));
  expect(record).toMatchObject({
    BilledCost: "1.650000001",
    ListCost: "1.50",
    BillingPeriodStart: "2026-12-01T00:00:00Z",
    BillingPeriodEnd: "2027-01-01T00:00:00Z",
    ChargePeriodStart: "2026-12-31T00:00:00Z",
    ChargePeriodEnd: "2027-01-01T00:00:00Z",
    ConsumedQuantity: "7",
    ConsumedUnit: "Tokens",
    BillingAccountName: "the org_a",
    ResourceName: "the key_a",
    SubAccountId: "team_a",
    SubAccountName: "the team_a",
    Tags: '{"application":"shop"}',
    x_UnpricedAttempts: "1",
  });
  expect(focusRecord({ ...row, quantities: [] }, labels, nameOf)).toMatchObject({ ConsumedQuantity: "12", ConsumedUnit: "Requests" });
});

test("a plain record has each meter and label as a column", () => {
  expect(plainRecord(row, labels, nameOf)).toMatchObject({ day: "2026-12-31", key: "key_a", key_name: "the key_a", label_application: "shop", label_cost_center: "", output_tokens: "7", input_tokens: "0", charge_usd: "1.650000001" });
});

test("weir usage export writes what the ledger holds, in every format", { timeout: 120_000 }, async () => {
  const weir = await startWeir({ config: "cache: { rules: [{ models: [demo/demo-chat], lifetime: 3600s }] }" });
  const usageExport = async (...words: string[]): Promise<string> => {
    const { stdout, stderr } = await runWeir(["usage", "export", "--from", "2020-01-01", "--until", "2100-01-01", ...words, "--data", weir.dataDirectory]);
    return stdout + stderr;
  };
  try {
    const ask = (label: string, content: string) =>
      fetch(`${weir.origin}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json", "x-weir-labels": `application=${label}` },
        body: JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content }] }),
      });
    for (const format of ["csv", "focus"]) expect(parse(await usageExport("--format", format)), `${format} of nothing`).toMatchObject([expect.arrayContaining([format === "csv" ? "charge_usd" : "BilledCost"])]);
    expect(await usageExport("--format", "ndjson")).toBe("");
    expect(await usageExport("--from", "2026-11-01T00:00:00+01:00")).toContain("whole days");
    await ask("=shop()", "Hello");
    await ask("shop", "Hello again");
    // Of this nothing was called, so that there is nothing to charge.
    expect((await ask("cached", "Hello")).headers.get("x-weir-cache")).toBe("hit");
    const attempts = await weir.attempts(2);
    await expect.poll(async () => (await weir.client(MeteringService).queryUsage({ groupByLabels: ["application"] })).rows.length, { timeout: 10_000 }).toBe(3);
    const cost = attempts.reduce((sum, { costNanos }) => sum + costNanos!, 0n);
    const nanosOf = (records: Record<string, string>[], column: string) => records.reduce((sum, record) => sum + BigInt(Math.round(Number(record[column]) * 1e9)), 0n);

    const csv = parse(await usageExport("--label", "application"), { columns: true }) as Record<string, string>[];
    expect(csv.map(({ label_application }) => label_application!).toSorted((left, right) => left.localeCompare(right))).toEqual(["'=shop()", "shop"]);
    expect(nanosOf(csv, "cost_usd")).toBe(cost);
    const focus = parse(await usageExport("--format", "focus"), { columns: true }) as Record<string, string>[];
    expect(nanosOf(focus, "BilledCost")).toBe(cost);
    expect(focus).toMatchObject([{ BillingAccountName: "default", SubAccountName: "default", ResourceName: "first inference key" }]);
    const lines = (await usageExport("--format", "ndjson")).trim().split("\n").map((line) => JSON.parse(line) as Record<string, string>);
    expect(lines).toMatchObject([{ attempts: "2", organization_name: "default", team_name: "default", key_name: "first inference key", model: "demo/demo-chat" }]);
    for (const words of [["usage", "export", "--from", "2020-01-01", "--until", "2100-01-01"], ["usage"], ["--help"]]) expect(await runWeir(words, { environment: { WEIR_DATA: weir.dataDirectory }, closesOutput: true })).toEqual({ code: 141, stdout: "", stderr: "" });
  } finally {
    await weir.stop();
  }
});
