/** Owns the proof that a file is taken for what its bytes are. */
import { describe, expect, it } from "vitest";
import { mediaTypeOf, sentTypeOf } from "./media-type.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const png = "\x89PNG\r\n\x1a\n";
const zip = "PK\x03\x04";

describe("mediaTypeOf", () => {
  it.each([
    [png, "image/png"],
    ["\xff\xd8\xff\xe0", "image/jpeg"],
    ["GIF89a", "image/gif"],
    ["RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"],
    ["\x00\x00\x00\x18ftypheic", "image/heic"],
  ])("knows a picture by %j, whatever is said of it", (start, mediaType) => {
    expect(mediaTypeOf(bytes(start), "image", ["text/html"])).toBe(mediaType);
  });

  it.each(["", "<html>", "%PDF-1.7", "<svg xmlns=", zip, "RIFF\x10\x00\x00\x00WAVEfmt ", "\x00\x00\x00\x18ftypisom", "\x89PN"])("takes %j for no picture, whatever is said of it", (start) => {
    expect(mediaTypeOf(bytes(start), "image", ["image/png"])).toBeUndefined();
  });

  it.each([
    ["RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"],
    ["ID3\x04", "audio/mpeg"],
    ["\xff\xfb\x90", "audio/mpeg"],
    ["OggS", "audio/ogg"],
    ["fLaC", "audio/flac"],
    ["\x00\x00\x00\x18ftypM4A ", "audio/mp4"],
    ["\x1a\x45\xdf\xa3", "audio/webm"],
    [png, undefined],
    ["%PDF-1.7", undefined],
    ["text", undefined],
  ])("judges a sound by %j", (start, mediaType) => {
    expect(mediaTypeOf(bytes(start), "audio", ["audio/wav"])).toBe(mediaType);
  });

  it.each([
    ["%PDF-1.7", ["text/plain"], "application/pdf"],
    ["\x00\x00\x00\x18ftypisom", [], "video/mp4"],
    ["a,b\n1,2", ["text/csv"], "text/csv"],
    ["a,b\n1,2", ["", "text/csv"], "text/csv"],
    ["a,b\n1,2", ["text/csv", "application/octet-stream"], "text/csv"],
    ["{}", ["application/ld+json"], "application/ld+json"],
    [zip, ["application/vnd.openxmlformats-officedocument.wordprocessingml.document"], "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    ["\xd0\xcf\x11\xe0", ["application/msword"], "application/msword"],
    [zip, ["text/plain"], undefined],
    ["\xff\xfe\x00", ["text/plain"], undefined],
    ["text", ["application/pdf"], undefined],
    ["text", ["application/octet-stream"], undefined],
    [zip, ["application/zip"], undefined],
    ["text", [], undefined],
  ])("judges a document by %j, and what is said of it where it can be so", (start, said, mediaType) => {
    expect(mediaTypeOf(bytes(start), "file", said)).toBe(mediaType);
  });
});

describe("sentTypeOf", () => {
  it.each([
    ["\xff\xd8\xff\xe0", "image/png", "image/jpeg"],
    ["\xff\xd8\xff\xe0", "image/jpg", "image/jpeg"],
    ["unknown", "image/JPG", "image/jpeg"],
    ["unknown", "image/tiff", "image/tiff"],
    ["%PDF-1.7", "", "application/pdf"],
    ["%PDF-1.7", "text/plain", "text/plain"],
    ["unknown", "", ""],
    ["unknown", "audio/L16;rate=24000", "audio/L16;rate=24000"],
  ])("of %j that is called %j is %j", (start, said, sent) => {
    expect(sentTypeOf(bytes(start), said)).toBe(sent);
  });
});
