/**
 * Owns merging the records of requests that are alike, so that a client that tries again and again costs little more than one that does
 * not: the first few of a minute are told of at once, and those that are like them at its end, as one.
 */
import { createHash } from "node:crypto";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";

/** From the first request of a record to the last, as the contract has it. */
const longestSpanMs = 60_000;

/** As many requests are named; those after them are counted. The field's bound in `RequestRecord`. */
const mostNamed = 100;

export interface MergedRecordsBounds {
  /** That wait. */
  readonly records: number;
  /** That wait; no organization takes the room of the others. */
  readonly recordsOfOrganization: number;
  /** Of an organization, whose every request may be unlike all others. */
  readonly recordsAMinute: number;
}

const defaultBounds: MergedRecordsBounds = { records: 5_000, recordsOfOrganization: 1_000, recordsAMinute: 1_000 };

/** So many records that are alike are handed out at once in a minute; what is like them waits for its end. */
const mostAtOnce = 10;
const minuteMs = 60_000;

/** How many records are remembered to be waited for; those of more are told of sooner. */
const mostRemembered = 10_000;

interface Waiting {
  readonly record: RequestRecord;
  readonly dueMs: number;
}

export class MergedRecords {
  readonly #nowMs: () => number;
  readonly #bounds: MergedRecordsBounds;
  /** By what makes them alike, oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #countOf = new Map<string, number>();
  /** What was handed out within a minute from the first, by what is alike, oldest first. */
  readonly #minutes = new Map<string, { handedOut: number; readonly endMs: number }>();
  readonly #begunOf = new Map<string, number>();
  #minute = 0;
  #closed = 0;

  /** The time is that of a clock which never goes back. */
  constructor(nowMs: () => number, bounds = defaultBounds) {
    this.#nowMs = nowMs;
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** False where there is no room. */
  add(record: RequestRecord): boolean {
    const likeness = likenessOf(record);
    const alike = this.#waiting.get(likeness);
    if (alike !== undefined && merge(record, alike.record)) return true;
    if (!this.#begin(record.attribution!.organizationId)) return false;
    if (alike !== undefined) this.#close(likeness, alike);
    const minute = this.#minutes.get(likeness);
    this.#waiting.set(likeness, { record, dueMs: minute === undefined || minute.handedOut < mostAtOnce ? 0 : minute.endMs });
    return true;
  }

  /** At most so many of the oldest that are due, or at the end of all; they wait no longer. */
  take(most: number, isEnd: boolean): RequestRecord[] {
    const nowMs = this.#nowMs();
    const taken: RequestRecord[] = [];
    for (const [likeness, { record, dueMs }] of this.#waiting) {
      if (taken.length >= most) break;
      if (!isEnd && dueMs > nowMs) continue;
      this.#waiting.delete(likeness);
      this.#forget(record.attribution!.organizationId);
      this.#remember(likeness, nowMs);
      taken.push(record);
    }
    return taken;
  }

  /** False where the organization's share, or all room, is taken. */
  #begin(organizationId: string): boolean {
    const minute = Math.floor(this.#nowMs() / minuteMs);
    if (minute !== this.#minute) this.#begunOf.clear();
    this.#minute = minute;
    const begun = this.#begunOf.get(organizationId) ?? 0;
    const count = this.#countOf.get(organizationId) ?? 0;
    const { records, recordsOfOrganization, recordsAMinute } = this.#bounds;
    if (this.#waiting.size >= records || count >= recordsOfOrganization || begun >= recordsAMinute) return false;
    this.#begunOf.set(organizationId, begun + 1);
    this.#countOf.set(organizationId, count + 1);
    return true;
  }

  #remember(likeness: string, nowMs: number): void {
    for (const [other, { endMs }] of this.#minutes) {
      if (endMs > nowMs && this.#minutes.size < mostRemembered) break;
      this.#minutes.delete(other);
    }
    const minute = this.#minutes.get(likeness);
    if (minute === undefined) this.#minutes.set(likeness, { handedOut: 1, endMs: nowMs + minuteMs });
    else minute.handedOut++;
  }

  /** It waits on, and nothing is like it any more. */
  #close(likeness: string, waiting: Waiting): void {
    this.#waiting.delete(likeness);
    this.#waiting.set(`closed ${this.#closed++}`, waiting);
  }

  #forget(organizationId: string): void {
    const left = this.#countOf.get(organizationId)! - 1;
    if (left === 0) this.#countOf.delete(organizationId);
    else this.#countOf.set(organizationId, left);
  }
}

/** All that a record says of its request, but for when that came, how long it took, and the numbers in the words by which it was refused, such as of seconds to wait. */
function likenessOf({ attribution, operation, model, route, outcome, errorReason, errorMessage, target, passedOver, findings }: RequestRecord): string {
  const { organizationId, teamId, keyId, labels } = attribution!;
  const others = passedOver.map(({ name, reason }) => [name, reason]);
  const found = findings.map(({ rule, mode, detector, side }) => [rule, mode, detector, side]);
  const facts = JSON.stringify([organizationId, teamId, keyId, labels, operation, model, route, outcome, errorReason, errorMessage.replaceAll(/\d+/g, "0"), target, others, found]);
  // Thousands are remembered, and callers make names as long as they like.
  return createHash("sha256").update(facts).digest("base64");
}

/** False where they are too far apart. */
function merge({ requestIds, count, startTime, lastTime }: RequestRecord, into: RequestRecord): boolean {
  // Those that come together end in any order.
  const first = timestampMs(startTime!) < timestampMs(into.startTime!) ? startTime! : into.startTime!;
  const last = timestampMs(lastTime!) > timestampMs(into.lastTime!) ? lastTime! : into.lastTime!;
  if (timestampMs(last) - timestampMs(first) > longestSpanMs) return false;
  into.startTime = first;
  into.lastTime = last;
  into.count += count;
  into.requestIds.push(...requestIds.slice(0, mostNamed - into.requestIds.length));
  return true;
}
