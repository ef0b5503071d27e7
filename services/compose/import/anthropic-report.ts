/** Owns Anthropic's reports: `/v1/organizations/usage_report/messages` and `/v1/organizations/cost_report` (https://platform.claude.com/docs/en/api/admin/cost_report). */
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { scaledDecimal } from "./decimal.ts";
import { countOf, objectOf, textOf, type BucketFormat } from "./report-pages.ts";

const bucket = { start: "starting_at", end: "ending_at", timeMs: (value: unknown) => Date.parse(textOf(value)), figures: ["amount"] };

export const anthropicUsage: BucketFormat = {
  ...bucket,
  read(result) {
    const written = objectOf(result["cache_creation"] ?? {});
    const tools = objectOf(result["server_tool_use"] ?? {});
    return {
      model: textOf(result["model"]),
      quantities: [
        [Meter.INPUT_TOKENS, countOf(result["uncached_input_tokens"])],
        [Meter.CACHED_INPUT_TOKENS, countOf(result["cache_read_input_tokens"])],
        [Meter.CACHE_WRITE_5M_INPUT_TOKENS, countOf(written["ephemeral_5m_input_tokens"])],
        [Meter.CACHE_WRITE_1H_INPUT_TOKENS, countOf(written["ephemeral_1h_input_tokens"])],
        [Meter.OUTPUT_TOKENS, countOf(result["output_tokens"])],
        [Meter.WEB_SEARCHES, countOf(tools["web_search_requests"])],
      ],
    };
  },
};

/** Grouped by description, each line names its model. Amounts are cents, as text: "123.45" is $1.2345. */
export const anthropicCost: BucketFormat = {
  ...bucket,
  read(result) {
    if (result["currency"] !== "USD") throw new RangeError(`an amount is in ${JSON.stringify(result["currency"])}: only US dollars can be reconciled.`);
    return { model: textOf(result["model"]), costNanos: scaledDecimal(textOf(result["amount"]), 7) };
  },
};
