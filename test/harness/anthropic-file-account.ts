/** Owns an account at Anthropic for tests, as far as files go: `Files` of @anthropic-ai/sdk. */
import { readForm } from "#platform/formats/multipart.ts";
import { json, type Answer, type UpstreamRequest } from "./scripted-provider.ts";

interface KeptFile {
  readonly id: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly content: Buffer;
}

/** Fewer than a caller's, so that Weir has to turn them. */
const pageSize = 4;

export class AnthropicFileAccount {
  /** Newest first. */
  files: KeptFile[] = [];
  #made = 0;

  readonly answer: Answer = async (request, response) => {
    const { pathname, searchParams } = new URL(request.path, "http://vendor");
    const [, , resource, id, part] = pathname.split("/");
    if (resource === "messages") return json(200, { id: "msg_1", type: "message", role: "assistant", model: "claude", content: [{ type: "text", text: "Read." }], stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } })(request, response);
    if (request.method === "POST") return json(200, shown(await this.#upload(request)))(request, response);
    if (id === undefined) return json(200, this.#page(searchParams.get("page")))(request, response);
    const file = this.files.find((one) => one.id === id);
    if (file === undefined) return json(404, { type: "error", error: { type: "not_found_error", message: `File ${id} not found` } })(request, response);
    if (request.method === "DELETE") {
      this.files = this.files.filter((one) => one !== file);
      return json(200, { id, type: "file_deleted" })(request, response);
    }
    if (part !== "content") return json(200, shown(file))(request, response);
    response.writeHead(200, { "content-type": file.mediaType }).end(file.content);
  };

  /** As what is done beside Weir, too, such as by a tool at the vendor. */
  keep(filename: string, content: Buffer, mediaType = "application/pdf"): KeptFile {
    const file = { id: `file_${++this.#made}`, filename, mediaType, content };
    this.files.unshift(file);
    return file;
  }

  async #upload({ body, headers }: UpstreamRequest): Promise<KeptFile> {
    const file = (await readForm(body, headers["content-type"]!)).part("file")!;
    return this.keep(file.filename!, Buffer.from(file.content), file.mediaType);
  }

  /** A page is asked for by how many files are before it, and nobody but the vendor knows that. */
  #page(token: string | null): object {
    const start = token === null ? 0 : Number(Buffer.from(token, "base64url").toString());
    const end = start + pageSize;
    return { data: this.files.slice(start, end).map(shown), next_page: end < this.files.length ? Buffer.from(String(end)).toString("base64url") : null };
  }
}

function shown({ id, filename, mediaType, content }: KeptFile): object {
  return { id, type: "file", filename, mime_type: mediaType, size_bytes: content.length, created_at: "2026-09-21T16:53:20Z", downloadable: false, of_tomorrow: 1 };
}
