/** Owns that a service which is called for a request that is recorded stands in its trace. */
import type { DescService, Message } from "@bufbuild/protobuf";
import type { LiveValue } from "../views/live-value.ts";
import { asUntyped, type ServiceInterface, type UntypedMethod } from "../rpc/service-types.ts";
import { endWith, type Tracer } from "./span.ts";

/** The same service, with a span for each call of a method that answers in one piece; streams tell of themselves. */
export function tracedService<Service extends DescService>(descriptor: Service, service: ServiceInterface<Service>, tracer: LiveValue<Tracer | undefined>): ServiceInterface<Service> {
  const methods = asUntyped(service);
  const traced: Record<string, UntypedMethod> = { ...methods };
  for (const { localName, name, methodKind } of descriptor.methods) {
    if (methodKind !== "unary") continue;
    const call = methods[localName]!;
    const spanName = `${descriptor.typeName}/${name}`;
    traced[localName] = (request, context) => {
      const span = context.trace === undefined ? undefined : tracer.current?.begin(spanName, "server", context.trace);
      const response = call(request, context) as Promise<Message>;
      return span === undefined ? response : endWith(span, response);
    };
  }
  return traced as unknown as ServiceInterface<Service>;
}
