/** Proves that whatever path is asked for, the admin port answers. */
import { connect, type IncomingHttpHeaders } from "node:http2";
import { once } from "node:events";
import { expect, test } from "vitest";
import { createLogger } from "#platform/logger.ts";
import { openAdminDoor } from "./admin-door.ts";

test("paths that are members of every object are none of its own", async () => {
  const admin = await openAdminDoor({ adminAddress: "127.0.0.1", adminPort: 0 }, { contentType: "text/plain", read: () => Promise.resolve("") }, createLogger("silent"));
  const session = connect(`http://127.0.0.1:${admin.listener.port}`);
  // With a scheme of its own a path need not begin with a slash.
  for (const path of ["constructor", "toString", "__proto__", "valueOf"]) {
    const stream = session.request({ ":scheme": "other", ":path": path });
    const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
    expect(headers[":status"]).toBe(404);
    stream.close();
  }
  session.destroy();
  await admin.close();
});
