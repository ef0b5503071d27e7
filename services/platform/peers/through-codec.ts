/** Owns the wrapper that sends each message of a service in the same process through the codec, so that tests see what a wire would change. */
import { fromBinary, toBinary, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { asUntyped, type ServiceInterface, type UntypedMethod } from "../rpc/service-types.ts";

export function throughCodec<Service extends DescService>(descriptor: Service, service: ServiceInterface<Service>): ServiceInterface<Service> {
  const methods = asUntyped(service);
  const wrapped: Record<string, UntypedMethod> = {};
  for (const { localName, input, output, methodKind } of descriptor.methods) {
    const call = methods[localName]!;
    wrapped[localName] =
      methodKind === "unary"
        ? async (request, context) => copy(output, await (call(copy(input, request), context) as Promise<Message>))
        : (request, context) => copies(output, call(copy(input, request), context) as AsyncIterable<Message>);
  }
  return wrapped as unknown as ServiceInterface<Service>;
}

async function* copies(schema: DescMessage, messages: AsyncIterable<Message>): AsyncIterable<Message> {
  for await (const message of messages) yield copy(schema, message);
}

function copy(schema: DescMessage, message: Message): Message {
  return fromBinary(schema, toBinary(schema, message));
}
