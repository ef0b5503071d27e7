import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerateRequestSchema, GenerateResponseSchema, InferenceService, type GenerateRequest } from "#gen/weir/inference/v1/inference_service_pb.ts";

const client = new Client(new URL(process.env.WEIR_ADDRESS!).host, credentials.createInsecure());
const metadata = new Metadata();
metadata.set("authorization", `Bearer ${process.env.WEIR_KEY}`);

const request = create(GenerateRequestSchema, {
  generation: {
    model: "demo/demo-chat",
    messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "Hello" } } }] }],
  },
});

client.makeUnaryRequest(
  `/${InferenceService.typeName}/Generate`,
  (message: GenerateRequest) => Buffer.from(toBinary(GenerateRequestSchema, message)),
  (bytes) => fromBinary(GenerateResponseSchema, bytes),
  request,
  metadata,
  { deadline: Date.now() + 60_000 },
  (error, response) => {
    client.close();
    if (error) throw error;
    for (const { kind } of response?.candidates[0]?.message?.parts ?? []) {
      if (kind.case === "text") console.log(kind.value.text);
    }
  },
);
