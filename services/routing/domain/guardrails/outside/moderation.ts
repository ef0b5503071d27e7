/** Owns judging texts by a vendor's moderation model. */
import { create } from "@bufbuild/protobuf";
import { ModerateRequestSchema, type ModerateResponse, type ModerationResult } from "#gen/weir/inference/v1/moderation_pb.ts";
import type { GuardrailModeration } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { unaryCall, type AskedCall } from "../../asked-call.ts";
import type { Reply } from "../../call.ts";
import type { Judgement } from "./outside-check.ts";

/** Rejects when the model cannot be asked, or does not say what the thresholds are about. */
export async function judgeByModeration({ model, thresholds }: GuardrailModeration, texts: readonly string[], run: (asked: AskedCall) => Promise<Reply>): Promise<Judgement> {
  const request = create(ModerateRequestSchema, { model, inputs: texts.map((text) => ({ parts: [{ kind: { case: "text" as const, value: { text } } }] })) });
  const reply = await run(unaryCall({ operation: "moderate", model, native: undefined, strict: false, unknownFields: () => [], toRequest: () => request }));
  let response: ModerateResponse | undefined;
  for await (const { moderate } of reply.messages) response ??= moderate;
  const results = response?.results ?? [];
  if (results.length !== texts.length) throw new GatewayError("UPSTREAM_PROTOCOL", `${reply.target.name} judged ${results.length} of ${texts.length} texts.`);
  const broken = [...new Set(results.flatMap((result) => brokenCategories(result, thresholds, reply.target.name)))];
  return broken.length === 0 ? { verdict: "allow" } : { verdict: "block", reason: broken.join(", ") };
}

function brokenCategories({ flagged, categories }: ModerationResult, thresholds: Readonly<Record<string, number>>, target: string): readonly string[] {
  const counting = Object.entries(thresholds);
  if (counting.length === 0) {
    const broken = categories.filter((category) => category.flagged).map(({ name }) => name);
    return flagged && broken.length === 0 ? ["flagged"] : broken;
  }
  return counting.flatMap(([name, threshold]) => {
    const category = categories.find((one) => one.name === name);
    if (category === undefined) throw new GatewayError("UPSTREAM_PROTOCOL", `${target} says nothing of the category "${name}". It has ${categories.map((one) => one.name).join(", ") || "none"}.`);
    return (category.score === undefined ? category.flagged : category.score >= threshold) ? [name] : [];
  });
}
