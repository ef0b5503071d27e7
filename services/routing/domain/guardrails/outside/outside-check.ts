/** Owns what it is to have texts judged by others: what they are asked, and what they can say. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Call } from "../../call.ts";
import type { Side } from "../compiled-rules.ts";

/** Who judges, as a rule names it. */
export interface OutsideCheck {
  /** For people, metrics and logs: `plugin:toxicity`. */
  readonly name: string;
  readonly judge: Judge;
  readonly timeoutMs: number;
  /** Texts pass when there is no judgement in time. */
  readonly failOpen: boolean;
}

export type Judge = Extract<GuardrailRule["check"], { case: string }>;

/** The call whose texts are judged. */
export type CheckedCall = Pick<Call, "requestId" | "grant" | "model" | "operation" | "labels" | "signal" | "deadlineMs" | "span">;

export interface Question {
  /** The rule's name. */
  readonly rule: string;
  readonly side: Side;
  /** Never empty. */
  readonly texts: readonly string[];
  readonly call: CheckedCall;
  /** The call does not wait for the judgement, so that its own bounds are none for it; absent where it does. */
  readonly isBeside?: boolean;
}

/** Part of a text, as offsets into it, the end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** As it stands in a placeholder: `PERSON`. */
  readonly label: string;
}

/** Reasons are for callers, and may be empty. */
export type Judgement =
  | { readonly verdict: "allow" }
  | { readonly verdict: "block" | "annotate"; readonly reason: string }
  /** Of each text by its index: what stands in its place, or where placeholders stand, in order and apart from each other. */
  | { readonly verdict: "mask"; readonly changes: ReadonlyMap<number, string | readonly Span[]> };

/** Whoever judges had the rule's time, and used it up. */
export class JudgedTooLate extends GatewayError {
  constructor({ name, timeoutMs }: OutsideCheck) {
    super("DEADLINE_EXCEEDED", `${name} took longer than the ${timeoutMs} ms that the guardrail gives it.`);
  }
}

/** Rejects when there is no judgement in time, whatever the reason. */
export type AskOutside = (check: OutsideCheck, question: Question) => Promise<Judgement>;

const defaultTimeoutMs = 5_000;

/** Undefined where nobody else judges. */
export function outsideCheckOf({ check, timeout, failOpen }: Pick<GuardrailRule, "check" | "timeout" | "failOpen">): OutsideCheck | undefined {
  if (check.case === undefined) return undefined;
  return { name: check.case === "plugin" ? `plugin:${check.value}` : check.case, judge: check, timeoutMs: timeout === undefined ? defaultTimeoutMs : durationMs(timeout), failOpen };
}
