/** Owns what `npm run check` demands of every RPC method: a rule that says who may call it, of whose tenancy, and how it is audited. */
import { type DescMethod, type DescService, getOption } from "@bufbuild/protobuf";
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

export function missingInRule({ input }: DescMethod, { exposure, permission, audit, tenancy }: MethodRule): string[] {
  return [
    ...(exposure === Exposure.UNSPECIFIED ? ["exposure"] : []),
    ...(permission === Permission.UNSPECIFIED ? ["permission"] : []),
    ...(audit === AuditClass.UNSPECIFIED ? ["audit"] : []),
    ...(exposure === Exposure.ADMIN && tenancy === Tenancy.UNSPECIFIED ? ["tenancy"] : []),
    ...(tenancy === Tenancy.REQUEST && input.field["organizationId"] === undefined ? ["organization_id in its request, to which its tenancy refers"] : []),
  ];
}
