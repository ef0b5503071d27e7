import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { RequestOutcome, RequestRecordSchema } from "#gen/weir/metering/v1/request_record_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { GatewayError, type Reason } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { validateMessage } from "#platform/rpc/validation.ts";
import { CallNotes } from "./call-notes.ts";
import type { Call } from "../call.ts";
import type { PlanningView, Route, Target } from "../targets/plan.ts";
import { isNotable, requestRecordOf } from "./request-record.ts";

const requestId = newId("req", { now: () => 1_234, monotonicMs: () => 0 });
const view: PlanningView = { routes: new Map([["chat", {} as Route]]), providers: new Map() };
const grant = create(GrantSchema, { organizationId: "org_a", teamId: "team_a", keyId: "key_a", labels: { application: "of the key" } });
const target = { name: "up/m" } as Target;

function notesOf(changes: Partial<CallNotes> = {}, call: Partial<Call> = {}): CallNotes {
  return Object.assign(new CallNotes(), { grant, call: { model: "chat", operation: "countTokens", labels: { application: "of the call", step: "1" }, ...call } as Call, ...changes });
}

const recordOf = (notes: CallNotes, error?: GatewayError) => requestRecordOf({ requestId, operation: "embed", notes, durationMs: 12.4, error }, view);

describe("requestRecordOf", () => {
  test("tells who called what, when, and what came of it", () => {
    const record = recordOf(notesOf(), new GatewayError("RATE_LIMITED", "Too often."))!;
    expect(record).toMatchObject({ requestIds: [requestId], count: 1n, attribution: { organizationId: "org_a", teamId: "team_a", keyId: "key_a", labels: { application: "of the key", step: "1" } }, operation: "count_tokens", model: "chat", route: "chat", outcome: RequestOutcome.REFUSED, errorReason: ErrorReason.RATE_LIMITED, errorMessage: "Too often." });
    expect([timestampMs(record.startTime!), timestampMs(record.lastTime!)]).toEqual([1_234, 1_234]);
  });

  test("of one that was refused before it was read, it tells what was called; of nobody's request nothing", () => {
    const error = new GatewayError("KEY_EXPIRED", "It ended.");
    expect(recordOf(notesOf({ call: undefined }), error)).toMatchObject({ operation: "embed", model: "", route: "", attribution: { labels: { application: "of the key" } } });
    expect(recordOf(notesOf({ grant: undefined }), error)).toBeUndefined();
  });

  test.each<[Reason, RequestOutcome]>([
    ["BUDGET_EXCEEDED", RequestOutcome.REFUSED],
    ["MODEL_NOT_FOUND", RequestOutcome.REFUSED],
    ["GUARDRAIL_BLOCKED", RequestOutcome.REFUSED],
    ["UPSTREAM_REJECTED", RequestOutcome.FAILED],
    ["CIRCUIT_OPEN", RequestOutcome.FAILED],
    ["CANCELLED", RequestOutcome.FAILED],
    ["INTERNAL", RequestOutcome.FAILED],
  ])("%s is outcome %s", (reason, outcome) => {
    expect(recordOf(notesOf(), new GatewayError(reason, "No."))!.outcome).toBe(outcome);
  });

  test("what the cache answered is told as such, unless it was blocked then", () => {
    const notes = notesOf({ target, cacheUse: { outcome: "similar", ageMs: 1, similarity: 0.9 } });
    expect(recordOf(notes)).toMatchObject({ outcome: RequestOutcome.CACHED, target: "up/m", errorReason: ErrorReason.UNSPECIFIED });
    expect(recordOf(notes, new GatewayError("GUARDRAIL_BLOCKED", "No."))!.outcome).toBe(RequestOutcome.REFUSED);
  });

  test("words that may quote the call are left out, of the targets that were passed over, too", () => {
    const notes = notesOf();
    notes.passOver(target, new GatewayError("UPSTREAM_REJECTED", "cannot read SECRET"));
    notes.passOver(target, new GatewayError("UNSUPPORTED_FIELD", "It reads no images."));
    notes.passOver(target, new TypeError("SECRET is not a function"));
    const record = recordOf(notes, new GatewayError("UNSUPPORTED_FIELD", "All 3 targets failed. SECRET", { metadata: { tried: "up/m" } }))!;
    expect(record.errorMessage).toBe("");
    expect(record.passedOver.map(({ message }) => message)).toEqual(["", "It reads no images.", expect.stringContaining("log")]);
    expect(JSON.stringify(record.passedOver)).not.toContain("SECRET");
  });

  test("whatever callers write, it fits its contract", () => {
    const long = "\u{1F30A}".repeat(3_000);
    const notes = notesOf({ target: { name: `up/${long}` } as Target }, { model: `a\uD800${long}` });
    for (let other = 0; other < 100; other++) {
      notes.passOver({ name: long } as Target, new GatewayError("MODEL_NOT_FOUND", long));
      notes.find({ rule: "r".repeat(63), mode: "block", detector: `topic:${long}`, side: "input" });
    }
    const record = recordOf(notes, new GatewayError("INVALID_REQUEST", `${"x".repeat(999)}${long}`))!;
    expect(() => validateMessage(RequestRecordSchema, record)).not.toThrow();
    expect([record.model, record.errorMessage].map((text) => text.isWellFormed())).toEqual([true, true]);
    expect([record.passedOver.length, record.findings.length]).toEqual([64, 64]);
  });
});

test("only what its attempts do not tell of is notable", () => {
  const found = notesOf();
  found.find({ rule: "r", mode: "mask", detector: "email", side: "input" });
  const passedOver = notesOf({ target });
  passedOver.passOver(target, new GatewayError("UPSTREAM_UNAVAILABLE", "Down."));
  const withUse = (outcome: "hit" | "miss" | "bypass") => notesOf({ target, cacheUse: outcome === "hit" ? { outcome, ageMs: 1 } : { outcome } });
  expect([notesOf({ target }), passedOver, withUse("miss"), withUse("bypass"), withUse("hit"), found].map((notes) => isNotable(notes, undefined))).toEqual([false, false, false, false, true, true]);
  expect(isNotable(notesOf(), new GatewayError("CANCELLED", "Gone."))).toBe(true);
});
