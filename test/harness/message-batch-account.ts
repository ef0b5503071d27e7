/** Owns an account at Anthropic for tests, as far as batches of messages go: https://platform.claude.com/docs/en/build-with-claude/batch-processing */
import type { ServerResponse } from "node:http";
import { json, type Answer, type UpstreamRequest } from "./scripted-provider.ts";

/** A batch as the vendor has it. */
export interface KeptMessageBatch {
  readonly id: string;
  readonly requests: readonly { readonly custom_id: string; readonly params: { readonly [member: string]: unknown } }[];
  readonly members: { [member: string]: unknown };
  /** Lines of its results; undefined until it is over. */
  results: readonly string[] | undefined;
}

/** What a message consumed, in Anthropic's words. */
export type MessageUsage = { readonly input_tokens: number; readonly output_tokens: number; readonly [member: string]: unknown };

/** As a line of results. */
export const succeeded = (customId: string, usage: MessageUsage): object => ({
  custom_id: customId,
  result: { type: "succeeded", message: { id: `msg_${customId}`, type: "message", role: "assistant", model: "claude-m", content: [{ type: "text", text: "Hi" }], stop_reason: "end_turn", stop_sequence: null, usage: { ...usage, service_tier: "batch" } } },
});
export const canceled = (customId: string): object => ({ custom_id: customId, result: { type: "canceled" } });
export const expired = (customId: string): object => ({ custom_id: customId, result: { type: "expired" } });
export const errored = (customId: string): object => ({ custom_id: customId, result: { type: "errored", error: { type: "error", error: { type: "invalid_request_error", message: "no" } } } });

export class MessageBatchAccount {
  /** Oldest first. */
  readonly batches: KeptMessageBatch[] = [];
  #made = 0;
  /** How many it lists at once, whatever it is asked for. */
  pageSize = 2;

  readonly answer: Answer = async (request, response) => {
    const [, , , resource, id, action] = new URL(request.path, "http://vendor").pathname.split("/");
    if (resource !== "batches") return refuse(404, "Not found")(request, response);
    if (id === undefined) return json(200, request.method === "POST" ? this.#make(request) : this.#list(request))(request, response);
    return this.#about(id, action)(request, response);
  };

  /** By the vendor's id. */
  find(id: string): KeptMessageBatch {
    return this.batches.find((batch) => batch.id === id)!;
  }

  /** The batch is over, with these results. */
  end(id: string, results: readonly object[], members: object = {}): void {
    const batch = this.find(id);
    batch.results = results.map((line) => JSON.stringify(line));
    const count = (type: string): number => results.filter((line) => (line as { result: { type: string } }).result.type === type).length;
    Object.assign(batch.members, {
      processing_status: "ended",
      ended_at: new Date().toISOString(),
      request_counts: { processing: 0, succeeded: count("succeeded"), errored: count("errored"), canceled: count("canceled"), expired: count("expired") },
      results_url: `https://api.anthropic.com/v1/messages/batches/${id}/results`,
      ...members,
    });
  }

  #make({ body }: UpstreamRequest): object {
    const { requests } = JSON.parse(body.toString()) as Pick<KeptMessageBatch, "requests">;
    const nowMs = Date.now();
    const batch: KeptMessageBatch = {
      id: `msgbatch_${++this.#made}`,
      requests,
      results: undefined,
      members: {
        type: "message_batch",
        processing_status: "in_progress",
        request_counts: { processing: requests.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
        created_at: new Date(nowMs).toISOString(),
        expires_at: new Date(nowMs + 86_400_000).toISOString(),
        ended_at: null,
        archived_at: null,
        cancel_initiated_at: null,
        results_url: null,
      },
    };
    this.batches.push(batch);
    return shown(batch);
  }

  #list({ path }: UpstreamRequest): object {
    const { searchParams } = new URL(path, "http://vendor");
    const newest = this.batches.toReversed();
    const placeOf = (name: string): number => newest.findIndex(({ id }) => id === searchParams.get(name));
    const before = placeOf("before_id");
    const start = before >= 0 ? Math.max(0, before - this.pageSize) : placeOf("after_id") + 1;
    const end = before >= 0 ? before : start + this.pageSize;
    const data = newest.slice(start, end).map(shown);
    return { data, has_more: before >= 0 ? start > 0 : end < newest.length, first_id: newest[start]?.id ?? null, last_id: newest.slice(start, end).at(-1)?.id ?? null };
  }

  #about(id: string, action: string | undefined): Answer {
    const batch = this.batches.find((one) => one.id === id);
    return (request, response) => {
      if (batch === undefined) return refuse(404, "No such batch")(request, response);
      if (action === "results") return batch.results === undefined ? refuse(400, "not ended")(request, response) : sendLines(batch.results, response);
      if (action === "cancel") Object.assign(batch.members, { processing_status: "canceling", cancel_initiated_at: new Date().toISOString() });
      if (request.method !== "DELETE") return json(200, shown(batch))(request, response);
      if (batch.results === undefined) return refuse(400, "in progress")(request, response);
      this.batches.splice(this.batches.indexOf(batch), 1);
      return json(200, { id, type: "message_batch_deleted" })(request, response);
    };
  }
}

function shown({ id, members }: KeptMessageBatch): object {
  return { id, ...members };
}

function sendLines(lines: readonly string[], response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-jsonl" });
  for (const line of lines) response.write(`${line}\n`);
  response.end();
}

function refuse(status: number, message: string): Answer {
  return json(status, { type: "error", error: { type: status === 404 ? "not_found_error" : "invalid_request_error", message } });
}
