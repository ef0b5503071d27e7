/** Owns what `npm run check` demands of every RPC method: a rule that says who may call it, of whose tenancy, and how it is audited. */
import { type DescMessage, type DescMethod, type DescService, getOption } from "@bufbuild/protobuf";
import { AuditClass, Exposure, type MethodRule, Permission, rule as ruleOption, Tenancy } from "#gen/weir/types/v1/method_pb.ts";

/** What is missing in the rules of these services, one line each; empty when nothing is. */
export function missingRules(services: readonly DescService[]): string[] {
  return services
    .flatMap(({ methods }) => methods)
    .flatMap((method) => {
      const missing = missingInRule(method, getOption(method, ruleOption));
      if (missing.length === 0) return [];
      return [`${method.parent.typeName}.${method.name}: its option (weir.types.v1.rule) lacks ${missing.join(", ")}; see proto/README.md`];
    });
}

/** Names of fields that hold a secret. */
const secretName = /(^|_)(secret|password|passphrase|private_key|api_key|access_key|access_token|credential)$/;

/** What of the request would stand in the audit log in clear, though its name says that it is a secret. */
function unredactedIn(message: DescMessage, seen: ReadonlySet<DescMessage> = new Set()): string[] {
  if (seen.has(message)) return [];
  return message.fields.flatMap((field) => {
    if (field.proto.options?.debugRedact === true) return [];
    if (field.message !== undefined) return unredactedIn(field.message, new Set([...seen, message]));
    return secretName.test(field.name) ? [`debug_redact of ${message.name}.${field.name}, which would stand in the audit log`] : [];
  });
}

export function missingInRule({ input, methodKind }: Pick<DescMethod, "input" | "methodKind">, { exposure, permission, audit, tenancy }: MethodRule): string[] {
  return [
    ...(exposure === Exposure.UNSPECIFIED ? ["exposure"] : []),
    ...(permission === Permission.UNSPECIFIED ? ["permission"] : []),
    ...(audit === AuditClass.UNSPECIFIED ? ["audit"] : []),
    ...(exposure === Exposure.ADMIN && tenancy === Tenancy.UNSPECIFIED ? ["tenancy"] : []),
    ...(tenancy === Tenancy.REQUEST && input.field["organizationId"] === undefined ? ["organization_id in its request, to which its tenancy refers"] : []),
    ...(audit === AuditClass.WRITE && methodKind !== "unary" ? ["another audit class: a stream has no one outcome to record"] : []),
    ...(audit === AuditClass.WRITE ? unredactedIn(input) : []),
  ];
}
