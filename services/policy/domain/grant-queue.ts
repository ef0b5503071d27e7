/** Owns what one watcher of grants still has to be told: a snapshot page by page, then changes, never more than a bound of them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { GrantSchema, type Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { WatchGrantsResponseSchema, type WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";

/** The most grants that wait for a watcher; one that is slower gets a new snapshot instead of what it missed. */
export const longestGrantQueue = 2_000;

/** The largest message in bytes, unless a single grant exceeds it: well under gRPC's usual 4 MiB. */
const largestMessageBytes = 1024 * 1024;

export class GrantQueue {
  #messages: WatchGrantsResponse[] = [];
  #grantCount = 0;
  #isWaiting = false;
  // The last key id of the snapshot so far: "" before it begins, undefined when it is complete.
  #snapshotPosition: string | undefined = "";
  #hasSnapshot = false;

  /** Forgets what waits and begins a new snapshot. */
  restart(): void {
    this.#messages = [];
    this.#grantCount = 0;
    this.#snapshotPosition = "";
    this.#hasSnapshot = false;
  }

  /** The next message, if one is there; if not, the watcher counts as waiting. */
  take(): WatchGrantsResponse | undefined {
    const message = this.#messages.shift();
    this.#isWaiting = message === undefined;
    this.#grantCount -= message?.grants.length ?? 0;
    this.#hasSnapshot ||= message?.snapshotComplete === true;
    return message;
  }

  /** Whether the watcher has taken a whole snapshot, so that what it knows is as new as the changes it takes. */
  get hasSnapshot(): boolean {
    return this.#hasSnapshot;
  }

  /** The key id after which the watcher now needs a page of the snapshot; undefined while it needs none. */
  get wantedPage(): string | undefined {
    return this.#isWaiting && this.#messages.length === 0 ? this.#snapshotPosition : undefined;
  }

  /** Adds the page that was wanted, in order of key ids; `isLast` ends the snapshot. */
  addPage(grants: readonly Grant[], isLast: boolean): void {
    const beginsSnapshot = this.#snapshotPosition === "";
    const messages = messagesOf(grants);
    // Also an empty page, which is the last, has to be told.
    if (messages.length === 0) messages.push([]);
    messages.forEach((message, index) => {
      const snapshotComplete = isLast && index === messages.length - 1;
      this.#add(create(WatchGrantsResponseSchema, { snapshot: beginsSnapshot && index === 0, snapshotComplete, grants: message }));
    });
    this.#snapshotPosition = isLast ? undefined : grants.at(-1)?.keyId;
  }

  /** Adds grants that changed. */
  addChanges(grants: readonly Grant[]): void {
    // A snapshot that has not begun will contain them.
    if (this.#snapshotPosition === "") return;
    if (this.#grantCount + grants.length > longestGrantQueue) {
      this.restart();
      return;
    }
    for (const message of messagesOf(grants)) this.#add(create(WatchGrantsResponseSchema, { grants: message }));
  }

  #add(message: WatchGrantsResponse): void {
    this.#messages.push(message);
    this.#grantCount += message.grants.length;
  }
}

/** The grants, cut into what fits one message. */
function messagesOf(grants: readonly Grant[]): Grant[][] {
  const messages: Grant[][] = [];
  let roomBytes = 0;
  for (const grant of grants) {
    const bytes = toBinary(GrantSchema, grant).length;
    if (messages.length === 0 || bytes > roomBytes) {
      messages.push([]);
      roomBytes = largestMessageBytes;
    }
    messages.at(-1)!.push(grant);
    roomBytes -= bytes;
  }
  return messages;
}
