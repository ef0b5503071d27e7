/** Owns the script of the page in connect-web.test.ts: what a web client of Weir looks like. */
import { createClient, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";

export interface PageReport {
  readonly whole: string;
  readonly streamed: string;
  readonly streamMessages: number;
  readonly error: string;
}

async function ask(protocol: "connect" | "grpc-web", baseUrl: string, key: string, model: string, question: string): Promise<PageReport> {
  const createTransport = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const client = createClient(InferenceService, createTransport({ baseUrl }));
  const generation = { model, messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: question } } }] }] };
  const headers = { authorization: `Bearer ${key}` };
  const response = await client.generate({ generation }, { headers });
  const whole = response.candidates[0]!.message!.parts.map(({ kind }) => (kind.case === "text" ? kind.value.text : "")).join("");
  let streamed = "";
  let streamMessages = 0;
  for await (const { event } of client.streamGenerate({ generation }, { headers })) {
    streamMessages++;
    if (event.case === "partDelta" && event.value.delta.case === "text") streamed += event.value.delta.value;
  }
  const error = await client.generate({ generation: { ...generation, model: "nobody" } }, { headers }).then(
    () => "",
    (thrown: unknown) => ConnectError.from(thrown).rawMessage,
  );
  return { whole, streamed, streamMessages, error };
}

Object.assign(globalThis, { ask });
