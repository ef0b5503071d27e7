/** Owns an upstream for tests that serves as slowly as it is asked to, and remembers which models it served. */
import type { ServerResponse } from "node:http";
import { startScriptedProvider, type ScriptedProvider } from "./scripted-provider.ts";

/** How long a chunk of a stream waits for the next. */
export const chunkIntervalMs = 100;

/**
 * It answers a chat completion at once; a stream with `max_tokens` chunks, one each `chunkIntervalMs`.
 * Both report 3 tokens in and 5 out. `beforeReply` is told of each request before anything is said to it.
 */
export function startPacingProvider(beforeReply: (body: Buffer) => void = () => undefined): Promise<ScriptedProvider> {
  return startScriptedProvider(async ({ body }, response) => {
    beforeReply(body);
    const { stream, max_tokens: olderName, max_completion_tokens: chunks = olderName } = JSON.parse(body.toString()) as { stream?: boolean; max_tokens?: number; max_completion_tokens?: number };
    if (stream === true) return playStream(response, chunks ?? 1);
    const choices = [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "drop" } }];
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices, usage }));
  });
}

const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };

async function playStream(response: ServerResponse, chunks: number): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let index = 0; index < chunks && !response.destroyed; index++) {
    response.write(chunkOf({ choices: [{ index: 0, delta: { content: "drop " }, finish_reason: null }] }));
    await new Promise((resolve) => setTimeout(resolve, chunkIntervalMs));
  }
  response.write(chunkOf({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
  response.end(`${chunkOf({ choices: [], usage })}data: [DONE]\n\n`);
}

function chunkOf(rest: object): string {
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...rest })}\n\n`;
}
