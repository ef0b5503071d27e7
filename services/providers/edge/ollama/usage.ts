/** Owns the way from Ollama's counts to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { reportedUsage } from "../../domain/usage/reported-usage.ts";
import { asCount, type JsonObject } from "../../domain/translation/vendor-json.ts";

/** `prompt_eval_count` and `eval_count` stand in the last message alone, thinking included; a count of 0 is left out there. Undefined when neither is there. */
export function readUsage(reply: JsonObject): Usage | undefined {
  const input = asCount(reply["prompt_eval_count"]);
  const output = asCount(reply["eval_count"]);
  if (input === undefined && output === undefined) return undefined;
  return reportedUsage([
    [Meter.INPUT_TOKENS, input ?? 0],
    [Meter.OUTPUT_TOKENS, output ?? 0],
  ]);
}
