/** Proves that the vendors' reports, as their documentation shows them, become lines with exact amounts and ids that stay. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { readColumns } from "./csv-report.ts";
import { scaledDecimal } from "./decimal.ts";
import { vendorReports, withIds } from "./vendor-export.ts";

function read(format: string, report: unknown, columns = "time=at", period: "hour" | "day" = "hour") {
  const text = typeof report === "string" ? report : JSON.stringify(report);
  return withIds(vendorReports[format]!({ columns: readColumns(columns), period }).read(text)).map(({ startTime, endTime, quantities, ...line }) => ({
    ...line,
    startMs: timestampMs(startTime as Timestamp),
    ...(endTime === undefined ? {} : { endMs: timestampMs(endTime as Timestamp) }),
    quantities: Object.fromEntries(quantities!.map(({ meter, quantity }) => [meter!, quantity!])),
  }));
}

const page = (bounds: object, ...results: object[]) => ({ object: "page", data: [{ ...bounds, results }], has_more: false, next_page: null });
const unixBounds = { object: "bucket", start_time: 1_730_419_200, end_time: 1_730_505_600 };
const bounds = { starting_at: "2026-11-20T12:00:00Z", ending_at: "2026-11-20T13:00:00Z" };

test("OpenAI's usage: input without what the cache read and wrote, and sound apart", () => {
  const result = { object: "organization.usage.completions.result", input_tokens: 1_000, output_tokens: 500, input_cached_tokens: 800, input_cache_write_tokens: 50, input_audio_tokens: 20, output_audio_tokens: 5, num_model_requests: 5, model: "gpt-6-sol", project_id: "proj_a", batch: false };
  const [line] = read("openai-usage", page(unixBounds, result));
  expect(line).toMatchObject({ model: "gpt-6-sol", startMs: 1_730_419_200_000, endMs: 1_730_505_600_000 });
  expect(line!.quantities).toEqual({ [Meter.INPUT_TOKENS]: 130n, [Meter.CACHED_INPUT_TOKENS]: 800n, [Meter.CACHE_WRITE_5M_INPUT_TOKENS]: 50n, [Meter.AUDIO_INPUT_TOKENS]: 20n, [Meter.OUTPUT_TOKENS]: 495n, [Meter.AUDIO_OUTPUT_TOKENS]: 5n });
  expect(line!.costNanos).toBeUndefined();
});

test("OpenAI's costs: dollars to the nano-dollar, by the model of the line item; the id stays when the amount changes", () => {
  const result = (value: number, line_item: string | null) => ({ object: "organization.costs.result", amount: { value, currency: "usd" }, line_item, project_id: null });
  const lines = read("openai-costs", [{ ...page(unixBounds, result(0.06, "gpt-6-sol, input"), result(1.5e-7, "gpt-6-sol, output")), has_more: true }, page(unixBounds, result(2, null))]);
  expect(lines).toMatchObject([{ model: "gpt-6-sol", costNanos: 60_000_000n }, { model: "gpt-6-sol", costNanos: 150n }, { model: "", costNanos: 2_000_000_000n }]);
  expect(new Set(lines.map(({ lineId }) => lineId)).size).toBe(3);
  expect(read("openai-costs", page(unixBounds, result(0.07, "gpt-6-sol, input")))[0]!.lineId).toBe(lines[0]!.lineId);
  expect(() => read("openai-costs", { ...page(unixBounds), has_more: true })).toThrow("has_more");
  expect(() => read("openai-costs", page(unixBounds, { amount: { value: 1, currency: "eur" } }))).toThrow('"eur"');
});

test("Anthropic's usage and costs: caches by lifetime, and cents as text", () => {
  const usage = { uncached_input_tokens: 1_500, cache_creation: { ephemeral_1h_input_tokens: 1_000, ephemeral_5m_input_tokens: 500 }, cache_read_input_tokens: 200, output_tokens: 500, server_tool_use: { web_search_requests: 10 }, model: "claude-opus-5", service_tier: "standard", workspace_id: null };
  expect(read("anthropic-usage", page(bounds, usage))).toMatchObject([
    {
      model: "claude-opus-5",
      startMs: Date.UTC(2026, 10, 20, 12),
      quantities: { [Meter.INPUT_TOKENS]: 1_500n, [Meter.CACHED_INPUT_TOKENS]: 200n, [Meter.CACHE_WRITE_5M_INPUT_TOKENS]: 500n, [Meter.CACHE_WRITE_1H_INPUT_TOKENS]: 1_000n, [Meter.OUTPUT_TOKENS]: 500n, [Meter.WEB_SEARCHES]: 10n },
    },
  ]);
  const cost = (amount: string) => ({ amount, currency: "USD", cost_type: "tokens", token_type: "uncached_input_tokens", description: "Claude Opus 5 Usage - Input Tokens", model: "claude-opus-5", service_tier: "standard" });
  const [line] = read("anthropic-cost", page(bounds, cost("123.45")));
  expect(line).toMatchObject({ model: "claude-opus-5", costNanos: 1_234_500_000n });
  expect(read("anthropic-cost", page(bounds, cost("999.99"), cost("1"))).map(({ lineId }) => lineId === line!.lineId)).toEqual([true, false]);
  expect(() => read("anthropic-cost", { results: [] })).toThrow("`data` is no array");
});

test("a CSV file by its columns: requests as they are, other rows by hour or day, and faults by row", () => {
  const text = "\ufeffgeneration_id,created_at,model,cost,prompt\ngen-1,2026-11-20 12:34:56,acme/large,$0.0000015,12\n,2026-11-20T12:59:00Z,acme/small,2,\n";
  const columns = "time=created_at,request=generation_id,model=model,cost=cost,input=prompt";
  expect(read("csv", text, columns)).toMatchObject([
    { upstreamRequestId: "gen-1", model: "acme/large", startMs: Date.UTC(2026, 10, 20, 12, 34, 56), costNanos: 1_500n, quantities: { [Meter.INPUT_TOKENS]: 12n } },
    { upstreamRequestId: "", model: "acme/small", startMs: Date.UTC(2026, 10, 20, 12), endMs: Date.UTC(2026, 10, 20, 13), costNanos: 2_000_000_000n },
  ]);
  expect(read("csv", text, columns, "day")[1]).toMatchObject({ startMs: Date.UTC(2026, 10, 20), endMs: Date.UTC(2026, 10, 21) });
  expect(() => read("csv", text, "time=when")).toThrow('row 1: it has no column "when"');
  expect(() => read("csv", text.replace("$0.0000015", "free"), columns)).toThrow('row 1: "free" is no decimal number');
  expect(() => readColumns("time=at,price=cost")).toThrow('"price" is nothing');
});

test("a row that comes again with other figures has the same id, and of alike rows each has its own", () => {
  const ids = (...rows: string[]) => read("csv", ["at,model,cost,prompt,note", ...rows].join("\n"), "time=at,model=model,cost=cost,input=prompt").map(({ lineId }) => lineId);
  const [first, second] = ids("2026-11-20,large,5,10,", "2026-11-20,large,6,11,");
  expect(ids("2026-11-20,large,7,12,")).toEqual([first]);
  expect(new Set([first, second, ...ids("2026-11-21,large,5,10,"), ...ids("2026-11-20,large,5,10,batch")]).size).toBe(4);
});

test("a row that comes again with other numbers in columns that nobody named, or that were named since, has the same id", () => {
  const id = (text: string, columns: string) => read("csv", text, columns)[0]!.lineId;
  const first = id("at,model,cost,calls,share,tier\n2026-11-20,large-2,5,,50%,batch", "time=at,model=model,cost=cost");
  expect(id("at,model,cost,calls,share,tier\n2026-11-20,large-2,6,12,49.5%,batch", "time=at,model=model,cost=cost")).toBe(first);
  expect(id("at,model,cost,calls,share,tier\n2026-11-20,large-2,6,12,$1.5e3,batch", "time=at,model=model,cost=cost,input=calls")).toBe(first);
  expect(id("at,model,cost,calls,share,tier\n2026-11-20,large-2,5,,50%,flex", "time=at,model=model,cost=cost")).not.toBe(first);
  // What has a column that is no figure tells rows apart as a number, too.
  expect(id("at,model,cost\n2026-11-20,7,5", "time=at,model=model,cost=cost")).not.toBe(id("at,model,cost\n2026-11-20,8,5", "time=at,model=model,cost=cost"));
});

test("reports of two accounts of a vendor have lines of their own, and the same one again has not", () => {
  const lines = [{ identity: ["a"], model: "m", startMs: 0, endMs: 1 }];
  const ids = [undefined, "europe", "asia", "europe"].map((account) => withIds(lines, account)[0]!.lineId);
  expect(new Set(ids).size).toBe(3);
  expect(ids[1]).toBe(ids[3]);
});

test("a CSV file's times are read alike on every machine, or not at all", () => {
  const starts = (...times: string[]) => read("csv", ["at", ...times].join("\n"), "time=at").map(({ startMs }) => startMs);
  const noon = Date.UTC(2026, 10, 20, 12);
  expect(starts("2026-11-20 12:30:00 UTC", "2026-11-20T12:30Z", "2026-11-20 14:30:00+02:00", "2026-11-20 12:30:00.5", String(noon / 1_000))).toEqual(Array.from({ length: 5 }, () => noon));
  for (const time of ["11/12/2026", "20 Nov 2026", "2026-11-31", "2026-11-20T25:00:00Z", "item 7", "7"]) expect(() => starts(time), time).toThrow(`row 1: "${time}" is no time`);
});

test("a CSV file's sound is counted in milliseconds, whole seconds or not", () => {
  const lines = read("csv", "at,seconds\n2026-11-20 12:00:00,12.5\n2026-11-20 13:00:00,7\n2026-11-20 14:00:00,\n", "time=at,audio_seconds=seconds");
  expect(lines.map(({ quantities }) => quantities)).toEqual([{ [Meter.AUDIO_MILLISECONDS]: 12_500n }, { [Meter.AUDIO_MILLISECONDS]: 7_000n }, {}]);
  expect(() => read("csv", "at,seconds\n2026-11-20 12:00:00,-1.5\n", "time=at,audio_seconds=seconds")).toThrow('row 1: "-1.5" is no count');
});

test("amounts are exact, rounded once, and none is more than can be kept", () => {
  expect(() => scaledDecimal("1e900", 9)).toThrow('"1e900" is more than can be kept');
  expect(() => read("csv", "at,prompt\n2026-11-20,99999999999999999999\n", "time=at,input=prompt")).toThrow("row 1: \"99999999999999999999\" is more than can be kept");
  expect(["0.1", "1e-9", "5e-10", "4.9e-10", "-0.25", "12E2", "0.30000000000000004", "0E-6176"].map((text) => scaledDecimal(text, 9))).toEqual([100_000_000n, 1n, 1n, 0n, -250_000_000n, 1_200_000_000_000n, 300_000_000n, 0n]);
});
