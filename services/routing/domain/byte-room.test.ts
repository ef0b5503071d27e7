import { expect, test } from "vitest";
import { ByteRoom } from "./byte-room.ts";

test("holds no more than its bound at once, whatever becomes of what is held", async () => {
  const room = new ByteRoom(() => 100);
  const { promise, reject } = Promise.withResolvers<void>();
  const first = room.hold(60, () => promise);
  await expect(room.hold(41, () => Promise.resolve())).rejects.toMatchObject({ reason: "OVERLOADED", retryAfterMs: 1_000 });
  await expect(room.hold(40, () => Promise.resolve("held"))).resolves.toBe("held");
  reject(new Error("broken"));
  await expect(first).rejects.toThrow("broken");
  await expect(room.hold(100, () => Promise.resolve("held"))).resolves.toBe("held");
});

test("lets one through that is larger than the bound, alone", async () => {
  await expect(new ByteRoom(() => 100).hold(101, () => Promise.resolve("held"))).resolves.toBe("held");
});
