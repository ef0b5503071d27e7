import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";

/** Asks Weir at this address and calls `show` with each piece of the answer. */
export async function ask(address: string, token: string, question: string, show: (text: string) => void): Promise<void> {
  const client = createClient(InferenceService, createConnectTransport({ baseUrl: address }));
  const generation = {
    model: "demo/demo-chat",
    messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: question } } }] }],
  };
  for await (const { event } of client.streamGenerate({ generation }, { headers: { authorization: `Bearer ${token}` } })) {
    if (event.case === "partDelta" && event.value.delta.case === "text") show(event.value.delta.value);
  }
}
