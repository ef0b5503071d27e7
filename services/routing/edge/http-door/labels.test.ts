import { describe, expect, it } from "vitest";
import { readLabels } from "./labels.ts";

/** As Node gives a header whose bytes are these. */
const received = (bytes: Buffer): string => bytes.toString("latin1");

describe("labels of a header", () => {
  it("are read as UTF-8, as they are by RPC", () => {
    expect(readLabels(received(Buffer.from("end_user=日本, application=Café")))).toEqual({ end_user: "日本", application: "Café" });
    expect(readLabels(received(Buffer.from(`end_user=${"本".repeat(85)}`)))).toEqual({ end_user: "本".repeat(85) });
  });

  it("are read as Latin 1 where they are no UTF-8", () => {
    expect(readLabels(received(Buffer.from("end_user=Café", "latin1")))).toEqual({ end_user: "Café" });
  });

  it("are refused beyond 256 bytes of UTF-8", () => {
    expect(() => readLabels(received(Buffer.from(`end_user=${"本".repeat(86)}`)))).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });
});
