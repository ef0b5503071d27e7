/** Owns the attacks that a caller can make with the address of a file, and what becomes of each. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { GatewayError } from "../errors.ts";
import { reasonToRefuse } from "./address.ts";
import { fetchFile, type FetchedFile, type FetchFileOptions, type Internet } from "./fetch-file.ts";
import { FileRefused } from "./file-url.ts";

let answer: (response: ServerResponse, request: IncomingMessage) => void;
let requests: IncomingMessage[] = [];
let closed: Promise<void>;
const server = createServer((request, response) => {
  requests.push(request);
  closed = new Promise((resolve) => request.socket.once("close", () => resolve()));
  answer(response, request);
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
afterAll(() => void server.close());
afterEach(() => void (requests = []));

const portOf = (): number => (server.address() as AddressInfo).port;

/** The internet of these tests: 127.0.0.1 stands for a public address, and every other one is judged as it is. */
function internetOf(names: Readonly<Record<string, readonly string[]>>): Internet & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    refuse: (address) => (address === "127.0.0.1" ? undefined : reasonToRefuse(address, false)),
    resolveAll: (hostname, callback) => {
      asked.push(hostname);
      callback(null, (names[hostname] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
    },
  };
}

const reachable = internetOf({ "files.example": ["127.0.0.1"] });

function fetchFrom(host: string, options: Partial<FetchFileOptions> = {}): Promise<FetchedFile> {
  return fetchFile(new URL(`http://${host}:${portOf()}/cat.png?size=1`), { maximumBytes: 1_000, reserve: () => {}, signal: AbortSignal.timeout(20_000), internet: reachable, ...options });
}

/** What it was refused with. */
async function refusal(fetched: Promise<FetchedFile>): Promise<string> {
  const error: unknown = await fetched.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(FileRefused);
  return (error as FileRefused).message;
}

describe("fetchFile", () => {
  it("asks for the file and nothing more, and says what the host says of it", async () => {
    answer = (response) => void response.writeHead(200, { "content-type": "Image/PNG; charset=x" }).end("bytes");
    const { bytes, mediaType } = await fetchFrom("files.example");
    expect(Buffer.from(bytes).toString()).toBe("bytes");
    expect(mediaType).toBe("image/png");
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatchObject({ method: "GET", url: "/cat.png?size=1" });
    expect(Object.keys(requests[0]!.headers).sort()).toEqual(["accept", "accept-encoding", "connection", "host", "user-agent"]);
    await closed;
  });

  it.each([
    ["an address of this machine", ["127.0.0.2"]],
    ["this machine over IPv6", ["::1"]],
    ["a private address", ["10.0.0.1"]],
    ["the metadata service", ["169.254.169.254"]],
    ["the metadata service of IPv6", ["fd00:ec2::254"]],
    ["a link-local address", ["fe80::1"]],
    ["an IPv4 address mapped into IPv6", ["::ffff:127.0.0.1"]],
    ["an IPv4 address in the old form of IPv6", ["::7f00:1"]],
    ["an address behind NAT64", ["64:ff9b::7f00:1"]],
    ["an address in 6to4", ["2002:7f00:1::"]],
    ["an address in Teredo", ["2001:0:7f00:1::"]],
    ["this network", ["0.0.0.0"]],
    ["a public address and a private one", ["127.0.0.1", "10.0.0.1"]],
    ["no address", []],
  ])("dials no name that leads to %s", async (_what, addresses) => {
    answer = (response) => void response.end("never");
    expect(await refusal(fetchFrom("evil.example", { internet: internetOf({ "evil.example": addresses }) }))).toBe("evil.example cannot be reached, or is not at a public address.");
    expect(requests).toEqual([]);
  });

  it.each(["127.0.0.2", "127.1.2", "2130706434", "0x7f000002", "0177.0.0.2", "0", "[::1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[fe80::1]", "169.254.169.254", "[::ffff:a9fe:a9fe]"])(
    "does not dial %s, in whatever way an address is written",
    async (host) => {
      answer = (response) => void response.end("never");
      const internet = internetOf({});
      expect(await refusal(fetchFrom(host, { internet }))).toContain("cannot be reached");
      expect(requests).toEqual([]);
      expect(internet.asked).toEqual([]);
    },
  );

  it("asks DNS once and dials what was checked, so that a second answer comes too late", async () => {
    answer = (response) => void response.end("bytes");
    const answers = [["127.0.0.1"], ["169.254.169.254"]];
    const asked: string[] = [];
    const internet: Internet = {
      ...reachable,
      resolveAll: (hostname, callback) => {
        asked.push(hostname);
        callback(null, answers[asked.length - 1]!.map((address) => ({ address, family: 4 })));
      },
    };
    expect(await fetchFrom("rebinding.example", { internet })).toMatchObject({ mediaType: "" });
    expect(asked).toEqual(["rebinding.example"]);
    expect(await refusal(fetchFrom("rebinding.example", { internet }))).toContain("cannot be reached");
    expect(requests).toHaveLength(1);
  });

  it.each([301, 302, 303, 307, 308])("follows no redirect of status %d, wherever it leads", async (status) => {
    answer = (response) => void response.writeHead(status, { location: "http://169.254.169.254/latest/meta-data/" }).end();
    expect(await refusal(fetchFrom("files.example"))).toContain("redirects");
    expect(requests).toHaveLength(1);
  });

  it.each([204, 206, 401, 404, 500])("takes no file from an answer of status %d", async (status) => {
    answer = (response) => void response.writeHead(status).end();
    expect(await refusal(fetchFrom("files.example"))).toBe(`files.example answered with status ${status}.`);
  });

  it("hangs up on a file that says it is too large", async () => {
    answer = (response) => void response.writeHead(200, { "content-length": String(2 ** 40) }).write("a");
    expect(await refusal(fetchFrom("files.example"))).toBe("it is larger than 1000 bytes.");
    await closed;
  });

  it("hangs up on a body that does not end", async () => {
    answer = (response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("a".repeat(100)));
      };
      response.on("drain", more);
      more();
    };
    let reserved = 0;
    expect(await refusal(fetchFrom("files.example", { reserve: (bytes) => void (reserved += bytes) }))).toBe("it is larger than 1000 bytes.");
    expect(reserved).toBeLessThanOrEqual(1_000);
    await closed;
  });

  it("unpacks nothing", async () => {
    answer = (response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(1_000_000)));
    expect(await refusal(fetchFrom("files.example"))).toContain("packed");
  });

  it("ends when its time is over, though bytes drip on", async () => {
    const deadline = new AbortController();
    const late = new Error("late");
    answer = (response) => {
      response.write("a");
      setTimeout(() => deadline.abort(late));
    };
    await expect(fetchFrom("files.example", { signal: deadline.signal })).rejects.toBe(late);
    await closed;
  });

  it("ends when its time is over, though no name server answers", async () => {
    const late = new Error("late");
    const deadline = new AbortController();
    const internet: Internet = { ...reachable, resolveAll: () => deadline.abort(late) };
    await expect(fetchFrom("silent.example", { signal: deadline.signal, internet })).rejects.toBe(late);
  });

  it("asks for nothing when its time was over before", async () => {
    await expect(fetchFrom("files.example", { signal: AbortSignal.abort(new Error("late")) })).rejects.toThrow("late");
    expect(requests).toEqual([]);
  });

  it("ends when there is no room for more", async () => {
    answer = (response) => void response.end("bytes");
    const full = new GatewayError("OVERLOADED", "full");
    const reserve = (): void => {
      throw full;
    };
    await expect(fetchFrom("files.example", { reserve })).rejects.toBe(full);
    await closed;
  });

  it("takes no file from a host that hangs up, or speaks something else", async () => {
    answer = (response) => void response.writeHead(200, { "content-length": "10" }).write("half", () => response.socket!.destroy());
    expect(await refusal(fetchFrom("files.example"))).toContain("cannot be reached");
    answer = (response) => void response.socket!.end("SSH-2.0-OpenSSH_9.6\r\n");
    expect(await refusal(fetchFrom("files.example"))).toContain("cannot be reached");
    answer = (response) => void response.writeHead(200, { "x-large": "a".repeat(60_000) }).end("bytes");
    expect(await refusal(fetchFrom("files.example"))).toContain("cannot be reached");
  });

  it("dials nothing on this machine unless a test says so", async () => {
    answer = (response) => void response.end("never");
    const url = new URL(`http://127.0.0.1:${portOf()}/`);
    expect(await refusal(fetchFile(url, { maximumBytes: 1_000, reserve: () => {}, signal: AbortSignal.timeout(20_000) }))).toContain("cannot be reached");
    expect(requests).toEqual([]);
  });
});
