import { connect, constants } from "node:http2";
import { expect, test } from "vitest";
import { listen } from "#platform/http/listener.ts";
import { createLogger } from "#platform/logger.ts";
import { endUnfinished } from "./unfinished-request.ts";

const silenceMs = 50;
const logger = createLogger("silent");

test("a request over HTTP/2 whose end does not come is ended, answered or not, and one that is whole may take its time", async () => {
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", logger, handler: (request, response) => {
    endUnfinished(request, silenceMs);
    request.resume();
    if (request.url === "/answered") response.end("too large");
    else request.once("end", () => setTimeout(() => response.end("whole"), 4 * silenceMs));
  } });
  const session = connect(`http://127.0.0.1:${listener.port}`);
  const codeOf = (path: string, isWhole: boolean): Promise<number> => {
    const stream = session.request({ ":method": "POST", ":path": path });
    stream.on("error", () => undefined);
    stream.resume();
    stream.write("body");
    if (isWhole) stream.end();
    return new Promise((resolve) => stream.once("close", () => resolve(stream.rstCode)));
  };
  expect(await Promise.all([codeOf("/", false), codeOf("/answered", false), codeOf("/", true)])).toEqual([constants.NGHTTP2_CANCEL, constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR]);
  session.close();
  await listener.close(0);
});
