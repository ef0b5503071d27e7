/** Owns what the ledger is told of an operation that the vendor does not charge for: that nothing was consumed. */
import { create } from "@bufbuild/protobuf";
import { UsageSchema, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { ReplySummary } from "../adapter.ts";

export function freeSummary(servedModel = ""): ReplySummary {
  return { usage: create(UsageSchema, { source: UsageSource.PROVIDER }), finishReason: "", servedModel, serviceTier: "" };
}
