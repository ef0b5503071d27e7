import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.env.WEIR_ADDRESS, apiKey: process.env.WEIR_KEY });

const stream = client.messages.stream({
  model: "demo/demo-chat",
  max_tokens: 100,
  messages: [{ role: "user", content: "Hello" }],
});
stream.on("text", (text) => process.stdout.write(text));
await stream.done();
