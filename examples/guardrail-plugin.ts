import { createServer } from "node:http2";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { GuardrailPluginService, type CheckRequest, type CheckResponseSchema } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";

/** Refuses to speak of the merger, and hides the names of people it knows. */
function check({ texts }: CheckRequest): MessageInitShape<typeof CheckResponseSchema> {
  if (texts.some(({ text }) => /merger/i.test(text))) return { verdict: { case: "block", value: { reason: "the merger is not public" } } };
  const spans = texts.flatMap(({ id: textId, text }) =>
    [...text.matchAll(/Ada Lovelace|Grace Hopper/g)].map(({ 0: name, index }) => {
      const start = Array.from(text.slice(0, index)).length;
      return { textId, start, end: start + name.length, label: "PERSON" };
    }),
  );
  return { verdict: spans.length === 0 ? { case: "allow", value: {} } : { case: "mask", value: { spans } } };
}

const port = Number(process.argv[2] ?? 9000);
createServer(connectNodeAdapter({ routes: (router) => router.service(GuardrailPluginService, { check }) })).listen(port, "127.0.0.1", () => {
  console.log(`The plug-in listens on port ${port}.`);
});
