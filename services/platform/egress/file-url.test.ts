/** Owns the proof of which addresses of files are refused at sight. */
import { describe, expect, it } from "vitest";
import { FileRefused, readFileUrl } from "./file-url.ts";

const anywhere = { allowedHosts: [], allowHttp: false };

describe("readFileUrl", () => {
  it.each([
    ["http://files.example/cat.png", "https alone"],
    ["ftp://files.example/cat.png", "https alone"],
    ["file:///etc/passwd", "https alone"],
    ["gopher://files.example:70/_x", "https alone"],
    ["s3://bucket/cat.png", "https alone"],
    ["data:image/png;base64,AAAA", "https alone"],
    ["https://user:secret@files.example/cat.png", "a password"],
    ["https://token@files.example/cat.png", "a user name"],
    ["https://files.example:22/", "port 22"],
    ["https://files.example:80/", "port 80"],
    ["https://files.example:6379/", "port 6379"],
    ["//files.example/cat.png", "no URL"],
    ["https://", "no URL"],
    ["https://[::1", "no URL"],
    ["", "no URL"],
  ])("refuses %s", (text, why) => {
    expect(() => readFileUrl(text, anywhere)).toThrow(FileRefused);
    expect(() => readFileUrl(text, anywhere)).toThrow(why);
  });

  it("keeps what may be secret in a URL to itself", () => {
    expect(() => readFileUrl("https://user:hunter2@files.example/secret-path?token=abc", anywhere)).toThrow(expect.not.stringMatching(/hunter2|secret-path|abc/));
  });

  it.each(["https://files.example/cat.png", "https://files.example:443/cat.png?signature=abc#part", "HTTPS://FILES.EXAMPLE/cat.png"])("takes %s", (text) => {
    expect(readFileUrl(text, anywhere).host).toBe("files.example");
  });

  it("takes plain http where it is allowed", () => {
    expect(readFileUrl("http://files.example/cat.png", { ...anywhere, allowHttp: true }).protocol).toBe("http:");
    expect(() => readFileUrl("ftp://files.example/", { ...anywhere, allowHttp: true })).toThrow("http and https alone");
  });

  it.each([
    ["https://files.example/", true],
    ["https://FILES.example/", true],
    ["https://a.cdn.example/", true],
    ["https://a.b.cdn.example/", true],
    ["https://internal.example:8443/", true],
    ["https://cdn.example/", false],
    ["https://evilcdn.example/", false],
    ["https://files.example.evil.example/", false],
    ["https://files.example./", false],
    ["https://files.example:8443/", false],
    ["https://internal.example/", false],
    ["https://evil.example/?https://files.example", false],
    ["https://files.example@evil.example/", false],
    ["https://evil.example#@files.example/", false],
    ["https://evil.example\\@files.example/", false],
    ["https://1.1.1.1/", false],
  ])("holds %s to the list of hosts", (text, isAllowed) => {
    const rules = { allowedHosts: ["files.example", "*.cdn.example", "internal.example:8443"], allowHttp: false };
    if (isAllowed) expect(readFileUrl(text, rules)).toBeInstanceOf(URL);
    else expect(() => readFileUrl(text, rules)).toThrow(FileRefused);
  });
});
