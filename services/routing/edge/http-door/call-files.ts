/** Owns the endpoints for the files and batches that callers have in the account at a vendor. */
import { AccountFiles } from "../../domain/account/account-files.ts";
import type { Dialect, FilesEndpoint, StreamWriter } from "../../domain/dialect.ts";
import { bodyOf, ownHeaders, runArrived, type Arrived } from "./arrived-request.ts";
import { streamReply } from "./stream-reply.ts";
import { answerJson, requestIdHeaders } from "./write-answer.ts";

export async function callFiles(arrived: Arrived, dialect: Dialect, endpoint: FilesEndpoint): Promise<void> {
  const { request, response, scope, grant, dependencies, target } = arrived;
  const files = new AccountFiles({
    dialects: [dialect.name],
    ids: dependencies.fileIds(grant.organizationId),
    grant,
    view: dependencies.pipeline.view(),
    headers: ownHeaders(dialect, request),
    providerField: "x-weir-provider",
    run: (call) => runArrived(arrived, call),
    breathe: dependencies.pipeline.breathe,
  });
  const named = request.headers["x-weir-provider"];
  const asked = { id: target.model, query: target.query ?? "", provider: named === undefined ? undefined : String(named), contentType: request.headers["content-type"] ?? "", body: () => bodyOf(arrived) };
  const given = await endpoint.answer(asked, files);
  if ("json" in given) answerJson(response, JSON.stringify(given.json), requestIdHeaders(scope));
  else await streamReply(arrived, dialect, given.reply, (first) => bytesWriter(first.start?.contentType ?? ""), () => []);
}

/** A file's own bytes, which can tell of nothing else. */
function bytesWriter(contentType: string): StreamWriter {
  return { contentType, keepAlive: "", write: () => "", writeError: () => "" };
}
