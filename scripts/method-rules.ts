/** Owns what `npm run check` demands of every RPC method: a rule that says who may call it and how it is audited. */
import { type DescService, getOption } from "@bufbuild/protobuf";
import { AuditClass, Exposure, Permission, rule } from "#gen/weir/types/v1/method_pb.ts";

/** What is missing in the rules of these services, one line each; empty when nothing is. */
export function missingRules(services: readonly DescService[]): string[] {
  return services
    .flatMap(({ methods }) => methods)
    .flatMap((method) => {
      const { exposure, permission, audit } = getOption(method, rule);
      const missing = [
        ...(exposure === Exposure.UNSPECIFIED ? ["exposure"] : []),
        ...(permission === Permission.UNSPECIFIED ? ["permission"] : []),
        ...(audit === AuditClass.UNSPECIFIED ? ["audit"] : []),
      ];
      if (missing.length === 0) return [];
      return [`${method.parent.typeName}.${method.name}: its option (weir.types.v1.rule) lacks ${missing.join(", ")}; see proto/README.md`];
    });
}
