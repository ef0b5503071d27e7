/** Owns an account at OpenAI for tests, as far as files and batches go: https://developers.openai.com/api/reference/resources/batches */
import { readForm } from "#platform/formats/multipart.ts";
import { json, type Answer, type UpstreamRequest } from "./scripted-provider.ts";

/** A batch as the vendor has it. */
export type KeptBatch = { readonly id: string; status: string; readonly [member: string]: unknown };

export class BatchAccount {
  readonly files = new Map<string, { readonly filename: string; readonly content: Buffer }>();
  /** Oldest first. */
  readonly batches: KeptBatch[] = [];

  readonly answer: Answer = async (request, response) => {
    const [, , resource, id, action] = new URL(request.path, "http://vendor").pathname.split("/");
    const reply = resource === "files" ? await this.#files(request, id, action) : resource === "batches" ? this.#batches(request, id, action) : undefined;
    if (Buffer.isBuffer(reply)) response.writeHead(200, { "content-type": "application/octet-stream" }).end(reply);
    else if (reply === undefined) await json(404, { error: { message: "No such object", type: "invalid_request_error", param: "id", code: null } })(request, response);
    else await json(200, reply)(request, response);
  };

  /** The batch is over, and has consumed this. */
  end(id: string, usage: { readonly input: number; readonly cached: number; readonly output: number; readonly reasoning: number }): void {
    const output = this.#keep("batch_output.jsonl", Buffer.from('{"custom_id":"a"}\n'));
    Object.assign(this.batches.find((batch) => batch.id === id)!, {
      status: "completed",
      completed_at: Math.floor(Date.now() / 1_000),
      output_file_id: output,
      request_counts: { total: 2, completed: 2, failed: 0 },
      usage: {
        input_tokens: usage.input,
        input_tokens_details: { cached_tokens: usage.cached },
        output_tokens: usage.output,
        output_tokens_details: { reasoning_tokens: usage.reasoning },
        total_tokens: usage.input + usage.output,
      },
    });
  }

  async #files(request: UpstreamRequest, id = "", action: string | undefined): Promise<object | undefined> {
    if (request.method === "POST") {
      const file = (await readForm(request.body, request.headers["content-type"]!)).part("file")!;
      return this.#shown(this.#keep(file.filename!, Buffer.from(file.content)));
    }
    if (!this.files.has(id)) return undefined;
    return action === "content" ? this.files.get(id)!.content : this.#shown(id);
  }

  #keep(filename: string, content: Buffer): string {
    const id = `file-${this.files.size + 1}`;
    this.files.set(id, { filename, content });
    return id;
  }

  #shown(id: string): object {
    const { filename, content } = this.files.get(id)!;
    return { id, object: "file", bytes: content.length, created_at: 1_790_000_000, filename, purpose: "batch" };
  }

  #batches(request: UpstreamRequest, id: string | undefined, action: string | undefined): object | undefined {
    if (request.method === "POST" && id === undefined) {
      const asked = JSON.parse(request.body.toString()) as object;
      this.batches.push({ object: "batch", status: "in_progress", created_at: Math.floor(Date.now() / 1_000), errors: null, output_file_id: null, request_counts: { total: 2, completed: 0, failed: 0 }, ...asked, id: `batch_${this.batches.length + 1}` });
      return this.batches.at(-1);
    }
    const batch = this.batches.find((one) => one.id === id);
    if (id !== undefined) {
      if (batch !== undefined && action === "cancel") Object.assign(batch, { status: "cancelled", cancelled_at: Math.floor(Date.now() / 1_000) });
      return batch;
    }
    const { searchParams } = new URL(request.path, "http://vendor");
    const newest = this.batches.toReversed();
    const start = newest.findIndex((one) => one.id === searchParams.get("after")) + 1;
    const page = newest.slice(start, start + 2);
    return { object: "list", data: page, has_more: start + 2 < newest.length };
  }
}
