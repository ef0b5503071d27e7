/** Owns RecordUsage: each attempt stands in the ledger once, whatever is sent twice, at once, or out of order. */
import { create } from "@bufbuild/protobuf";
import { RecordUsageResponseSchema, RejectedEventSchema, type RecordUsageRequest, type RecordUsageResponse } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { MeteringConfig } from "../../config.ts";
import { correctLine, openLine, rejectForeign, strongestPerAttempt, type LedgerChange } from "../../domain/ledger.ts";
import { isRejection, readEvent, type PostableEvent, type Rejection } from "../../domain/usage-event.ts";
import { keepRejectedEvents } from "../../store/dead-letters.ts";
import { selectLost } from "../../store/journals.ts";
import { correctLines, insertLines, lockLines } from "../../store/ledger-store.ts";
import type { Partitions } from "../../store/partitions.ts";
import type { PriceVersions } from "../../store/price-versions.ts";
import { postChanges } from "../ledger/post-changes.ts";

export interface RecordUsageDependencies {
  readonly database: Database;
  readonly config: LiveValue<MeteringConfig>;
  readonly partitions: Partitions;
  readonly priceVersions: PriceVersions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of what has been posted. */
  readonly onPosted: (posted: readonly LedgerChange[]) => void;
}

const maximumEvents = 1000;
const maximumTries = 5;

/**
 * Posts the events in one transaction. Throws INVALID_REQUEST for too many events; any other error means that nothing was
 * posted, and the emitter sends the events again.
 */
export async function recordUsage(dependencies: RecordUsageDependencies, request: RecordUsageRequest): Promise<RecordUsageResponse> {
  if (request.events.length > maximumEvents) {
    throw new GatewayError("INVALID_REQUEST", `A batch has at most ${maximumEvents} events; this one has ${request.events.length}: split it.`);
  }
  const { postable: sound, rejected } = readEvents(request, dependencies.clock.now());
  const { postable, fenced } = await splitFenced(dependencies, sound);
  rejected.push(...(await post(dependencies, postable)));
  if (rejected.length > 0) await setAside(dependencies, rejected, "a usage event cannot be posted; it is kept as a dead letter");
  const doubtful = postable.flatMap(({ attemptId, event, doubt }) => (doubt === undefined ? [] : [{ attemptId, event, reason: doubt }]));
  if (doubtful.length > 0) await setAside(dependencies, doubtful, "the usage of an attempt cannot be true; it stands as unreported, and the event is kept as a dead letter");

  const refused = new Set(rejected.map(({ event }) => event));
  const confirmed = new Set<string>();
  for (const { attemptId, event } of postable) if (!refused.has(event)) confirmed.add(attemptId);
  return create(RecordUsageResponseSchema, {
    confirmedAttemptIds: [...confirmed],
    rejected: rejected.map(({ attemptId, reason }) => create(RejectedEventSchema, { attemptId, reason })),
    fencedAttemptIds: fenced.map(({ attemptId }) => attemptId),
  });
}

/** Takes out what comes from journals that were declared lost. */
async function splitFenced({ database }: RecordUsageDependencies, events: readonly PostableEvent[]): Promise<{ postable: readonly PostableEvent[]; fenced: readonly PostableEvent[] }> {
  const journalIds = new Set(events.map(({ event }) => event.journalId).filter((journalId) => journalId !== ""));
  const lost = journalIds.size === 0 ? journalIds : await selectLost(database, [...journalIds]);
  if (lost.size === 0) return { postable: events, fenced: [] };
  return { postable: events.filter(({ event }) => !lost.has(event.journalId)), fenced: events.filter(({ event }) => lost.has(event.journalId)) };
}

function readEvents({ events }: RecordUsageRequest, nowMs: number): { postable: PostableEvent[]; rejected: Rejection[] } {
  const postable: PostableEvent[] = [];
  const rejected: Rejection[] = [];
  for (const event of events) {
    const read = readEvent(event, nowMs);
    if (isRejection(read)) rejected.push(read);
    else postable.push(read);
  }
  return { postable, rejected };
}

/** Posts all that can be posted, and returns the rest. */
async function post(dependencies: RecordUsageDependencies, events: readonly PostableEvent[]): Promise<Rejection[]> {
  if (events.length === 0) return [];
  try {
    return await postTogether(dependencies, events);
  } catch (error) {
    dependencies.partitions.forget();
    if (!(error instanceof Error) || !isDataException(error)) throw error;
    // PostgreSQL cannot hold a value of one of them: halve the batch until that one is alone.
    if (events.length === 1) {
      const { attemptId, event } = events[0]!;
      return [{ attemptId, event, reason: `a value of it cannot be stored: ${error.message}` }];
    }
    const middle = events.length >> 1;
    return [...(await post(dependencies, events.slice(0, middle))), ...(await post(dependencies, events.slice(middle)))];
  }
}

async function postTogether(dependencies: RecordUsageDependencies, events: readonly PostableEvent[]): Promise<Rejection[]> {
  const { database, config, partitions, priceVersions, logger, onPosted } = dependencies;
  const { strongest, rejected } = strongestPerAttempt(events);
  await partitions.ensure(strongest.map(({ startTimeMs }) => startTimeMs));
  const versions = new Set(strongest.map(({ intent }) => intent.priceVersion));
  const books = await priceVersions.load(database, versions);
  for (const version of versions) {
    if (!books.has(version)) logger.warn({ priceVersion: version }, "events name an unknown price version; they are posted as unpriced");
  }
  const lines = strongest.map((event) => openLine(event, books, config.current.labels));

  const { posted, refused } = await retrySerialization(() => database.transaction((transaction) => postLines(transaction, lines, priceVersions)));
  onPosted(posted);
  const claimed = new Set(refused.map(({ attemptId }) => attemptId));
  // The weaker events of a refused one's attempt were not looked at, and claim the same.
  return [
    ...rejected.filter(({ attemptId }) => !claimed.has(attemptId)),
    ...events.filter(({ attemptId }) => claimed.has(attemptId)).map(rejectForeign),
  ];
}

async function postLines(transaction: Queryable, lines: readonly LedgerChange[], priceVersions: PriceVersions): Promise<{ posted: LedgerChange[]; refused: Rejection[] }> {
  const inserted = await insertLines(transaction, lines);
  const changes = lines.filter(({ identity }) => inserted.has(identity.attemptId));
  const known = lines.filter(({ identity }) => !inserted.has(identity.attemptId));
  const { corrections, refused } = await judgeKnown(transaction, known, priceVersions);
  if (corrections.length > 0) await correctLines(transaction, corrections);

  const posted = [...changes, ...corrections];
  await postChanges(transaction, posted);
  return { posted, refused };
}

/** What the events of attempts that stand already change; the rest of them are duplicates. */
async function judgeKnown(
  transaction: Queryable,
  known: readonly LedgerChange[],
  priceVersions: PriceVersions,
): Promise<{ corrections: LedgerChange[]; refused: Rejection[] }> {
  const corrections: LedgerChange[] = [];
  const refused: Rejection[] = [];
  if (known.length === 0) return { corrections, refused };
  const standing = await lockLines(transaction, known);
  const books = await priceVersions.load(transaction, standing.map(({ identity }) => identity.priceVersion));
  const sources = new Map(known.map(({ source }) => [source.attemptId, source]));
  for (const line of standing) {
    const correction = correctLine(sources.get(line.identity.attemptId)!, line, books);
    if (correction === undefined) continue;
    if (isRejection(correction)) refused.push(correction);
    else corrections.push(correction);
  }
  return { corrections, refused };
}

async function setAside({ database, logger }: RecordUsageDependencies, events: readonly Rejection[], message: string): Promise<void> {
  for (const { attemptId, reason } of events) logger.error({ attemptId, reason }, message);
  await keepRejectedEvents(database, events);
}

async function retrySerialization<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === maximumTries || !["40001", "40P01"].includes(sqlState(error))) throw error;
    }
  }
}

function isDataException(error: Error): boolean {
  return sqlState(error).startsWith("22");
}

/** PostgreSQL's code for what went wrong, also where the platform has said it in its own words. */
function sqlState(error: unknown): string {
  const { code } = (error instanceof GatewayError ? error.cause : error) as { readonly code?: unknown };
  return typeof code === "string" ? code : "";
}
