/** Owns how a usage event is a NATS message: its subject, its id, its bytes, and where its confirmation goes. Emitters write it, metering reads it. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { UsageEventSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";

/** Every event is `weir.usage.<organization>.<event id>`. */
export const eventSubjects = "weir.usage.>";

/** Where emitters report how far their journals are (ReportJournalRequest); metering answers with a ReportJournalResponse. */
export const journalReportSubject = "weir.journals";

/** The header with the subject to which metering publishes an EventConfirmation. */
export const confirmHeader = "Weir-Confirm";

/** The header by which NATS knows an event again. */
export const eventIdHeader = "Nats-Msg-Id";

/**
 * How long NATS drops an event whose id it has just seen. Shorter than `confirmationTimeoutMs`: an event is handed over again when
 * its confirmation did not come, and if NATS dropped that one too, metering could never repeat the confirmation.
 */
export const duplicateWindowMs = 2_000;

/** How long the ledger may be silent on a batch before its rest is handed over again. */
export const confirmationTimeoutMs = 5_000;

export interface EventMessage {
  /** The event's id: the attempt's, and the rank. */
  readonly id: string;
  readonly subject: string;
  readonly bytes: Uint8Array;
}

export function toEventMessage(event: UsageEvent): EventMessage {
  const id = eventIdOf(event);
  return { id, subject: eventSubjectOf(event), bytes: toBinary(UsageEventSchema, event) };
}

/** The event of a message, or why it is none. Its subject and id must be its own: by them NATS has let it pass, and it is confirmed. */
export function readEventMessage({ id, subject, bytes }: EventMessage): UsageEvent | { readonly fault: string } {
  let event: UsageEvent;
  try {
    event = fromBinary(UsageEventSchema, bytes);
  } catch {
    return { fault: "it is no usage event" };
  }
  if (subject !== eventSubjectOf(event)) return { fault: `it came on the subject ${subject}, which is not its organization's or not its own` };
  if (id !== eventIdOf(event)) return { fault: "its message id is not its own" };
  return event;
}

export function confirmSubjectOf(instance: string): string {
  return `weir.confirmed.${instance}`;
}

/** True for the subjects that confirmations may go to; metering has the right to publish, and emitters must not borrow it. */
export function isConfirmSubject(subject: string): boolean {
  return /^weir[.]confirmed[.][A-Za-z0-9_-]{1,64}$/.test(subject);
}

function eventIdOf({ intent, rank }: UsageEvent): string {
  return `${intent?.attemptId ?? ""}-${rank}`;
}

function eventSubjectOf(event: UsageEvent): string {
  return `weir.usage.${subjectToken(event.intent?.attribution?.organizationId ?? "")}.${subjectToken(eventIdOf(event))}`;
}

/** The text as one token of a subject; different texts are different tokens. Weir's own ids are tokens as they are. */
function subjectToken(text: string): string {
  if (text === "") return "=";
  return text.replace(/[^A-Za-z0-9_-]/gu, (character) => Array.from(Buffer.from(character), (byte) => `=${byte.toString(16).padStart(2, "0")}`).join(""));
}
