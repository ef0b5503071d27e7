/** Owns counting the tokens of a prompt, as far as vendors do it alike. */
import { create } from "@bufbuild/protobuf";
import { CountTokensResponseSchema, GenerationSchema, type CountTokensResponse, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../adapter.ts";
import { freeSummary } from "./free-operation.ts";
import { asCount, parseVendorJson, textOf } from "../translation/vendor-json.ts";

/** What of a generation is its prompt. The rest bears on the reply alone: it is not counted, and there is nothing to warn of. */
export function promptOf({ messages, tools, toolChoice, parallelToolCalls, outputFormat, reasoning, strict }: Generation): Generation {
  return create(GenerationSchema, {
    messages,
    tools,
    strict,
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(parallelToolCalls === undefined ? {} : { parallelToolCalls }),
    ...(outputFormat === undefined ? {} : { outputFormat }),
    ...(reasoning === undefined ? {} : { reasoning }),
  });
}

/** Reads the count where the vendor's reply has it under this name. The reader throws UPSTREAM_PROTOCOL when it is not there. */
export function readCount(member: string): (body: Uint8Array) => { readonly response: CountTokensResponse; readonly summary: ReplySummary } {
  return (body) => {
    const count = asCount(parseVendorJson(textOf(body))[member]);
    if (count === undefined) throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor's reply has no count in ${member}; use another target.`);
    return { response: create(CountTokensResponseSchema, { inputTokens: BigInt(count) }), summary: freeSummary() };
  };
}
