/** Owns that records of requests which are alike become one while they wait, so that a client that tries again and again costs as little as one that does not. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";

/** From the first request of a record to the last, as the contract has it. */
const longestSpanMs = 60_000;

/** As many requests are named; those after them are counted. The field's bound in `RequestRecord`. */
const mostNamed = 100;

export interface FoldedRecordsBounds {
  readonly records: number;
  /** No organization takes the room of the others. */
  readonly recordsOfOrganization: number;
}

const defaultBounds: FoldedRecordsBounds = { records: 5_000, recordsOfOrganization: 1_000 };

export class FoldedRecords {
  readonly #bounds: FoldedRecordsBounds;
  /** By what makes them alike, oldest first. */
  readonly #waiting = new Map<string, RequestRecord>();
  readonly #countOf = new Map<string, number>();
  #closed = 0;

  constructor(bounds = defaultBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** False where there is no room. */
  add(record: RequestRecord): boolean {
    const likeness = likenessOf(record);
    const alike = this.#waiting.get(likeness);
    if (alike !== undefined && fold(record, alike)) return true;
    const { organizationId } = record.attribution!;
    const count = this.#countOf.get(organizationId) ?? 0;
    if (this.#waiting.size >= this.#bounds.records || count >= this.#bounds.recordsOfOrganization) return false;
    if (alike !== undefined) this.#close(likeness, alike);
    this.#waiting.set(likeness, record);
    this.#countOf.set(organizationId, count + 1);
    return true;
  }

  /** At most so many of the oldest, which wait no longer. */
  take(most: number): RequestRecord[] {
    const taken: RequestRecord[] = [];
    for (const [likeness, record] of this.#waiting) {
      if (taken.length >= most) break;
      this.#waiting.delete(likeness);
      this.#forget(record.attribution!.organizationId);
      taken.push(record);
    }
    return taken;
  }

  /** It waits on, and nothing is like it any more. */
  #close(likeness: string, record: RequestRecord): void {
    this.#waiting.delete(likeness);
    this.#waiting.set(`closed ${this.#closed++}`, record);
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
  return JSON.stringify([organizationId, teamId, keyId, labels, operation, model, route, outcome, errorReason, errorMessage.replaceAll(/\d+/g, "0"), target, others, found]);
}

/** False where they are too far apart. */
function fold({ requestIds, count, startTime, lastTime }: RequestRecord, into: RequestRecord): boolean {
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
