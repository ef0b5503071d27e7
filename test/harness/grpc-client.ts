/** Owns typed grpc-js stubs from protobuf-es descriptors: what an internal service uses that speaks plain gRPC. */
import { create, fromBinary, toBinary, type DescMessage, type DescMethod, type DescMethodServerStreaming, type DescMethodUnary, type DescService, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { Client, credentials, type CallOptions, type ClientOptions, type ClientReadableStream, type Metadata, type ServiceError } from "@grpc/grpc-js";

export type GrpcStub<Service extends DescService> = {
  readonly [Method in keyof Service["method"]]: Service["method"][Method] extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, metadata: Metadata, options?: CallOptions) => Promise<MessageShape<Output>>
    : Service["method"][Method] extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageInitShape<Input>, metadata: Metadata, options?: CallOptions) => ClientReadableStream<MessageShape<Output>>
      : never;
} & { close(): void };

export function createGrpcStub<Service extends DescService>(service: Service, authority: string, options: ClientOptions = {}): GrpcStub<Service> {
  const client = new Client(authority, credentials.createInsecure(), options);
  const methods = Object.fromEntries(service.methods.map((method) => [method.localName, method.methodKind === "unary" ? unary(client, method) : stream(client, method)]));
  return { ...methods, close: () => client.close() } as unknown as GrpcStub<Service>;
}

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;
const serializerOf = (schema: DescMessage) => (message: MessageInitShape<DescMessage>): Buffer => Buffer.from(toBinary(schema, create(schema, message)));
const deserializerOf = (schema: DescMessage) => (bytes: Buffer): MessageShape<DescMessage> => fromBinary(schema, bytes);

function unary(client: Client, method: DescMethod) {
  return (request: MessageInitShape<DescMessage>, metadata: Metadata, options: CallOptions = {}): Promise<MessageShape<DescMessage>> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(pathOf(method), serializerOf(method.input), deserializerOf(method.output), request, metadata, options, (error: ServiceError | null, response) =>
        error === null ? resolve(response!) : reject(error),
      );
    });
}

function stream(client: Client, method: DescMethod) {
  return (request: MessageInitShape<DescMessage>, metadata: Metadata, options: CallOptions = {}): ClientReadableStream<MessageShape<DescMessage>> =>
    client.makeServerStreamRequest(pathOf(method), serializerOf(method.input), deserializerOf(method.output), request, metadata, options);
}
