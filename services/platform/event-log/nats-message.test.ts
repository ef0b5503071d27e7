/** Proves that an event is itself again after its way through NATS, and that no message passes under another's name. */
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AttemptIntentSchema, AttributionSchema, UsageEventSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { isConfirmSubject, readEventMessage, toEventMessage } from "./nats-message.ts";

function eventOf(organizationId: string, attemptId: string, rank = UsageSource.PROVIDER): UsageEvent {
  return create(UsageEventSchema, { rank, intent: create(AttemptIntentSchema, { attemptId, attribution: create(AttributionSchema, { organizationId }) }) });
}

const anyText = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.toWellFormed());

test("Weir's own ids stand in the subject as they are; the id says attempt and rank", () => {
  expect(toEventMessage(eventOf("org_1", "att_1"))).toMatchObject({ id: "att_1-3", subject: "weir.usage.org_1.att_1-3" });
});

test("any ids make a subject of four tokens, which are others for other ids, and the event is read as it was", () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, (organization, other, attempt) => {
      const message = toEventMessage(eventOf(organization, attempt));
      expect(message.subject).toMatch(/^weir[.]usage([.][A-Za-z0-9_=-]+){2}$/);
      expect(readEventMessage(message)).toEqual(eventOf(organization, attempt));
      expect(toEventMessage(eventOf(other, attempt)).subject === message.subject).toBe(other === organization);
    }),
  );
});

test("an event under another's subject or id, or no event, is a fault", () => {
  const message = toEventMessage(eventOf("org_1", "att_1"));
  const faults = [
    { ...message, subject: message.subject.replace("org_1", "org_2") },
    { ...message, subject: message.subject.replace("att_1", "att_2") },
    { ...message, id: "att_1-2" },
    { ...message, bytes: Buffer.from("\u00ff\u00ff") },
  ];
  for (const faulty of faults) expect(readEventMessage(faulty)).toHaveProperty("fault");
});

test("confirmations go to subjects of their own alone", () => {
  expect(["weir.confirmed.a-1", "weir.confirmed.*", "weir.confirmed.>", "weir.confirmed.a.b", "weir.confirmed.", "$JS.API.STREAM.DELETE.WEIR_USAGE", ""].map(isConfirmSubject)).toEqual([true, false, false, false, false, false, false]);
});
