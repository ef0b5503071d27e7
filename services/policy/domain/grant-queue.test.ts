import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { GrantSchema, type Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { GrantQueue, longestGrantQueue } from "./grant-queue.ts";

describe("a queue of grants", () => {
  it("wants the snapshot once its watcher waits, page after page", () => {
    const queue = new GrantQueue();
    expect(queue.wantedPage).toBeUndefined();
    expect(queue.take()).toBeUndefined();
    expect(queue.wantedPage).toBe("");

    queue.addPage([grant("key_1"), grant("key_2")], false);
    expect(queue.wantedPage).toBeUndefined();
    expect(drain(queue)).toEqual([["snapshot", "key_1", "key_2"]]);

    expect(queue.wantedPage).toBe("key_2");
    queue.addPage([grant("key_3")], true);
    expect(drain(queue)).toEqual([["change", "key_3"]]);
    expect(queue.wantedPage).toBeUndefined();
  });

  it("says that there is nothing, when there is nothing", () => {
    const queue = new GrantQueue();
    queue.take();
    queue.addPage([], true);
    expect(drain(queue)).toEqual([["snapshot"]]);
    expect(queue.wantedPage).toBeUndefined();
  });

  it("says of each message of the snapshot whether there is more, also where the last page turns out empty", () => {
    const queue = new GrantQueue();
    queue.take();
    queue.addPage([grant("key_1")], false);
    expect(queue.take()).toMatchObject({ snapshot: true, snapshotComplete: false });
    queue.addChanges([grant("key_9")]);
    expect(queue.take()!.snapshotComplete).toBeUndefined();
    queue.take();
    queue.addPage([], true);
    expect(queue.hasSnapshot).toBe(false);
    expect(queue.take()).toMatchObject({ snapshot: false, snapshotComplete: true, grants: [] });
    expect(queue.hasSnapshot).toBe(true);
    expect(queue.take()).toBeUndefined();
    expect(queue.wantedPage).toBeUndefined();
    queue.restart();
    expect(queue.hasSnapshot).toBe(false);
  });

  it("hands out changes before the page that was read after them", () => {
    const queue = new GrantQueue();
    queue.take();
    queue.addPage([grant("key_1")], false);
    queue.addChanges([grant("key_9")]);
    expect(queue.wantedPage).toBeUndefined();
    expect(drain(queue)).toEqual([["snapshot", "key_1"], ["change", "key_9"]]);
    expect(queue.wantedPage).toBe("key_1");
  });

  it("leaves out changes that the coming snapshot contains", () => {
    const queue = new GrantQueue();
    queue.addChanges([grant("key_1")]);
    expect(queue.take()).toBeUndefined();
  });

  it("replaces what a slow watcher missed by a new snapshot", () => {
    const queue = new GrantQueue();
    queue.take();
    queue.addPage([], true);
    queue.take();
    for (let index = 0; index < longestGrantQueue; index++) queue.addChanges([grant(`key_${index}`)]);
    queue.addChanges([grant("key_last")]);
    // Nothing is read for a watcher that does not take.
    expect(queue.wantedPage).toBeUndefined();
    expect(queue.take()).toBeUndefined();
    expect(queue.wantedPage).toBe("");
    queue.addPage([grant("key_last")], true);
    expect(drain(queue)).toEqual([["snapshot", "key_last"]]);
  });

  it("counts only what waits", () => {
    const queue = new GrantQueue();
    queue.take();
    queue.addPage([], true);
    for (let index = 0; index < longestGrantQueue * 2; index++) {
      queue.addChanges([grant(`key_${index}`)]);
      while (queue.take() !== undefined);
    }
    expect(queue.wantedPage).toBeUndefined();
  });

  it("cuts large pages into messages that pass, only the first of which begins the snapshot", () => {
    const queue = new GrantQueue();
    queue.take();
    const models = Array.from({ length: 1_000 }, () => "m".repeat(512));
    queue.addPage([1, 2, 3].map((number) => grant(`key_${number}`, models)), true);
    expect(drain(queue)).toEqual([["snapshot", "key_1", "key_2"], ["change", "key_3"]]);
  });
});

function grant(keyId: string, models: string[] = []): Grant {
  return create(GrantSchema, { keyId, scopes: [{ models }] });
}

function drain(queue: GrantQueue): string[][] {
  const messages: string[][] = [];
  for (let message = queue.take(); message !== undefined; message = queue.take()) messages.push(describeMessage(message));
  return messages;
}

function describeMessage({ snapshot, grants }: WatchGrantsResponse): string[] {
  return [snapshot ? "snapshot" : "change", ...grants.map(({ keyId }) => keyId)];
}
