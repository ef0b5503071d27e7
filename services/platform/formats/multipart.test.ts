import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GatewayError } from "../errors.ts";
import { readForm, textPart, writeForm, type FormPart } from "./multipart.ts";

const crlf = (text: string): Buffer => Buffer.from(text.replaceAll("\n", "\r\n"));
const type = "multipart/form-data; boundary=B";

/** As every HTTP client of JavaScript writes it. */
async function byFetch(parts: readonly FormPart[]): Promise<{ readonly body: Buffer; readonly contentType: string }> {
  const form = new FormData();
  for (const { name, filename, mediaType, content } of parts) {
    if (filename === undefined) form.append(name, Buffer.from(content).toString());
    else form.append(name, new Blob([Buffer.from(content)], { type: mediaType }), filename);
  }
  const response = new Response(form);
  return { body: Buffer.from(await response.arrayBuffer()), contentType: response.headers.get("content-type")! };
}

const word = fc.stringMatching(/^[a-z_[\]]{1,12}$/);
const content = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom("\r\n", "--", "\r\n--", "\r\n\r\n", "-").map((text) => new Uint8Array(Buffer.from(text))));
const file = fc.record({ name: word, filename: fc.stringMatching(/^[a-zä ]{1,12}\.mp3$/), mediaType: fc.constantFrom("audio/mpeg", "application/octet-stream"), content });
const parts = fc.array(fc.oneof(file, fc.record({ name: word, filename: fc.constant(undefined), mediaType: fc.constant("text/plain"), content: fc.stringMatching(/^[a-zä-]{0,20}$/).map((text) => new Uint8Array(Buffer.from(text))) })), { minLength: 1, maxLength: 5 });
const plain = (all: readonly FormPart[]): object[] => all.map((part) => ({ ...part, content: Buffer.from(part.content).toString("hex") }));

describe("a form", () => {
  test.each([["fetch", byFetch], ["Weir", writeForm]] as const)("of %s is read as it was written", async (_, write) => {
    await fc.assert(
      fc.asyncProperty(parts, async (all) => {
        const { body, contentType } = await write(all);
        expect(plain((await readForm(body, contentType)).parts)).toEqual(plain(all));
      }),
    );
  });

  test("keeps every byte but those of the field that is set", async () => {
    await fc.assert(
      fc.asyncProperty(parts, fc.string(), async (all, value) => {
        const { body, contentType } = await byFetch([textPart("model", "a/b"), ...all.filter(({ name }) => name !== "model")]);
        const set = (await readForm(body, contentType)).withText("model", value);
        expect(set.toString("latin1")).toBe(body.toString("latin1").replace("\r\n\r\na/b\r\n", () => `\r\n\r\n${Buffer.from(value).toString("latin1")}\r\n`));
      }),
    );
  });

  test("is the same for the same parts, so that a retry is identical", () => {
    expect(writeForm([textPart("a", "1")])).toEqual(writeForm([textPart("a", "1")]));
  });

  test("cannot be broken out of by a name", async () => {
    const { body, contentType } = writeForm([{ ...textPart("file", "x"), filename: 'a"\r\nContent-Disposition: form-data; b="' }]);
    expect((await readForm(body, contentType)).parts).toHaveLength(1);
  });

  test("comes to an end wherever it is cut", async () => {
    const { body, contentType } = await byFetch([textPart("model", "m"), { ...textPart("file", "\r\n--x"), filename: "a.wav" }]);
    for (let length = 0; length < body.length - 4; length++) await expect(readForm(body.subarray(0, length), contentType)).rejects.toBeInstanceOf(GatewayError);
  });

  test.each([
    ["two names in a part", crlf('--B\nContent-Disposition: form-data; name="x"; name="model"\n\nm\n--B--\n'), type],
    ["two dispositions", crlf('--B\nContent-Disposition: form-data; name="x"\nContent-Disposition: form-data; name="model"\n\nm\n--B--\n'), type],
    ["a part without a name", crlf("--B\nContent-Disposition: form-data\n\nm\n--B--\n"), type],
    ["a part without a disposition", crlf("--B\nContent-Type: text/plain\n\nm\n--B--\n"), type],
    ["an encoding that some decode", crlf('--B\nContent-Disposition: form-data; name="x"\nContent-Transfer-Encoding: base64\n\nbQ==\n--B--\n'), type],
    ["text before its first boundary", crlf('hidden\n--B\nContent-Disposition: form-data; name="x"\n\nm\n--B--\n'), type],
    ["another boundary", crlf('--C\nContent-Disposition: form-data; name="x"\n\nm\n--C--\n'), type],
    ["its boundary within a line", crlf('--B\nContent-Disposition: form-data; name="x"\n\n\n--BC\nContent-Disposition: form-data; name="model"\n\nm\n--B--\n'), type],
    ["a further part behind its end", crlf('--B\nContent-Disposition: form-data; name="x"\n\nm\n--B--\n--B\nContent-Disposition: form-data; name="model"\n\nm\n--B--\n'), type],
    ["no boundary", crlf("--B--\n"), "multipart/form-data"],
    ["another type", crlf("{}"), "application/json"],
  ])("with %s is refused", async (_, body, contentType) => {
    await expect(readForm(body, contentType)).rejects.toMatchObject({ reason: "MALFORMED_BODY" });
  });

  // The form of one boundary lies within a part of the other's, with a model of its own.
  test.each(["boundary=B; boundary=C", "boundary=C; boundary=B", 'x="boundary=B"; boundary=C', "x-boundary=B; boundary=C", "charset=boundary=B; boundary=C", 'boundary=B"C'])("whose type is %s is refused, for readers differ in where its parts are", async (parameters) => {
    const part = (boundary: string, name: string, value: string): string => `--${boundary}\nContent-Disposition: form-data; name="${name}"\n\n${value}\n`;
    const inner = `${part("C", "model", "dear")}${part("C", "language", "de")}--C--`;
    const body = crlf(`${part("B", "model", "cheap")}${part("B", "prompt", `x\n${inner}`)}--B--\n`);
    await expect(readForm(body, `multipart/form-data; ${parameters}`)).rejects.toMatchObject({ reason: "MALFORMED_BODY" });
  });

  test.each(["boundary=B", 'boundary="B"', "charset=UTF-8; boundary=B", "boundary=B;charset=utf-8"])("whose type is %s is read", async (parameters) => {
    const form = await readForm(crlf('--B\nContent-Disposition: form-data; name="x"\n\nm\n--B--'), `multipart/form-data; ${parameters}`);
    expect(form.text("x")).toBe("m");
  });

  test("that has a field twice is refused where that field counts", async () => {
    const { body, contentType } = await byFetch([textPart("model", "a"), textPart("model", "b"), textPart("include[]", "x"), textPart("include[]", "y")]);
    const form = await readForm(body, contentType);
    expect(() => form.text("model")).toThrow("twice");
    expect(form.all("include[]")).toHaveLength(2);
  });
});
