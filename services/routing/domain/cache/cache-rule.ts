/** Owns which calls have their replies kept, and between whom they are shared. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { isFor } from "../grant-rules.ts";
import { isMeant } from "../guardrails/guard-for.ts";
import type { OperationName } from "../targets/capability.ts";
import type { Call } from "../call.ts";
import type { Plan } from "../targets/plan.ts";

/** How replies are found by meaning. */
export interface Similarity {
  /** What gives texts their vectors: a route, or `provider/model`. */
  readonly model: string;
  /** The cosine of the angle between two vectors. */
  readonly minimumSimilarity: number;
  readonly timeoutMs: number;
}

/** A row of the configuration; an empty scope means everybody's calls. */
export interface CacheRule {
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  /** Routes, `provider/model`, `provider/*`; empty means all. */
  readonly models: readonly string[];
  readonly lifetimeMs: number;
  /** Whose calls are given the replies to each other's. */
  readonly share: "organization" | "team" | "key";
  /** Undefined where a reply is given again to the very same alone. */
  readonly similar: Similarity | undefined;
}

/** The first rule that is for the call; undefined where none is, or its reply is nothing to be given again. */
export function cacheRuleFor(call: Call, plan: Plan, rules: readonly CacheRule[]): CacheRule | undefined {
  if (!answersAgain[call.operation] || call.cacheControl === undefined || call.ownAccount !== undefined) return undefined;
  return rules.find((rule) => isFor(call.grant, rule) && (rule.models.length === 0 || rule.models.some((name) => isMeant(name, call.model, plan))));
}

/** Between whom the replies of the rule are shared: always inside one organization. */
export function sharersOf({ organizationId, teamId, keyId }: Grant, { share }: CacheRule): readonly string[] {
  return [organizationId, share === "team" ? teamId : "", share === "key" ? keyId : ""];
}

/** Whether the reply to an operation is all that comes of it, and text or numbers: what is made at a vendor is made each time. */
const answersAgain: Readonly<Record<OperationName, boolean>> = {
  generate: true,
  embed: true,
  rerank: true,
  countTokens: true,
  // A judgement is to be that of today's model.
  moderate: false,
  generateImages: false,
  editImages: false,
  synthesizeSpeech: false,
  transcribe: false,
  files: false,
  batches: false,
};
