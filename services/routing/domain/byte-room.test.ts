import { expect, test } from "vitest";
import { ByteRoom, smallBytes } from "./byte-room.ts";

function openRequest() {
  const callbacks: (() => void)[] = [];
  return { whenOver: (callback: () => void) => void callbacks.push(callback), end: () => callbacks.forEach((callback) => callback()) };
}

const overloaded = expect.objectContaining({ reason: "OVERLOADED", retryAfterMs: 1_000 });

test("holds no more than its bound at once, as requests grow and end", () => {
  const room = new ByteRoom(() => 5 * smallBytes);
  const [first, second, third] = [openRequest(), openRequest(), openRequest()];
  const growFirst = room.countFor(first);
  const growSecond = room.countFor(second);
  growFirst(2 * smallBytes);
  growSecond(2 * smallBytes);
  growSecond(3 * smallBytes);
  expect(() => growFirst(2 * smallBytes + 1)).toThrow(overloaded);
  expect(() => room.countFor(third)(2 * smallBytes)).toThrow(overloaded);
  second.end();
  room.countFor(third)(3 * smallBytes);
  expect(() => growFirst(2 * smallBytes + 1)).toThrow(overloaded);
  third.end();
  growFirst(5 * smallBytes);
  first.end();
  room.countFor(openRequest())(5 * smallBytes);
});

test("does not count what is small, and lets one through that is larger than the bound, alone", () => {
  const room = new ByteRoom(() => 2 * smallBytes);
  room.countFor(openRequest())(smallBytes);
  room.countFor(openRequest())(3 * smallBytes);
  room.countFor(openRequest())(smallBytes);
  expect(() => room.countFor(openRequest())(smallBytes + 1)).toThrow(overloaded);
});
