/** Owns the last check of every call: an owner answers only those whom the method's rule allows, whoever let them through. */
import { getOption, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { Exposure, Permission, PermissionSchema, Tenancy, rule as ruleOption, type MethodRule } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError } from "../errors.ts";
import { asUntyped, type Identity, type ServiceInterface, type UntypedMethod } from "./service-types.ts";

/** The rule a method declares; one without a rule is refused everywhere. */
export function ruleOf(method: DescMethod): MethodRule {
  let rule = rules.get(method);
  if (rule === undefined) {
    rule = getOption(method, ruleOption);
    rules.set(method, rule);
  }
  return rule;
}

// Reading an option decodes it anew each time, and every request asks.
const rules = new WeakMap<DescMethod, MethodRule>();

/** Throws PERMISSION_DENIED when the rule does not allow this identity. */
export function checkPermission(method: DescMethod, rule: MethodRule, identity: Identity): void {
  if (isAllowed(rule, identity)) return;
  const permission = PermissionSchema.value[rule.permission]?.name.replace("PERMISSION_", "") ?? "UNSPECIFIED";
  throw new GatewayError("PERMISSION_DENIED", `This key may not call ${method.parent.typeName}/${method.name}: it needs the permission ${permission}. Use an admin key, or ask your operator.`, {
    metadata: { permission },
  });
}

function isAllowed(rule: MethodRule, identity: Identity): boolean {
  if (rule.exposure === Exposure.UNSPECIFIED || rule.permission === Permission.UNSPECIFIED) return false;
  if (rule.permission === Permission.NONE || identity.kind === "service") return true;
  return rule.exposure !== Exposure.INTERNAL && identity.grant.permissions.includes(rule.permission);
}

/**
 * The request as this identity may make it of an admin method: where the rule says that the request names the organization, it is
 * the caller's own, named or not. Throws PERMISSION_DENIED for another one, and for a method that is of no single organization.
 */
function withinTenant(method: DescMethod, { exposure, tenancy }: MethodRule, request: Message, identity: Identity): Message {
  if (exposure !== Exposure.ADMIN || tenancy === Tenancy.OWNER || identity.kind === "service" || identity.grant.reach === Reach.INSTALLATION) return request;
  const { organizationId: own } = identity.grant;
  const { organizationId: named } = request as Message & { readonly organizationId?: unknown };
  const isOwn = own !== "" && (named === "" || named === own);
  if (tenancy === Tenancy.REQUEST && isOwn) return { ...request, organizationId: own } as Message;
  throw new GatewayError("PERMISSION_DENIED", `This key reaches its own organization alone, and ${method.parent.typeName}/${method.name} was called beyond it. Use a key of that organization, or of whoever runs this installation.`, {
    metadata: { organization_id: own },
  });
}

/** The same service, each method behind its rule. */
export function guardService<Service extends DescService>(descriptor: Service, service: ServiceInterface<Service>): ServiceInterface<Service> {
  const methods = asUntyped(service);
  const guarded: Record<string, UntypedMethod> = {};
  for (const method of descriptor.methods) {
    const call = methods[method.localName]!;
    const rule = ruleOf(method);
    guarded[method.localName] = (request, context) => {
      checkPermission(method, rule, context.identity);
      return call(withinTenant(method, rule, request, context.identity), context);
    };
  }
  return guarded as unknown as ServiceInterface<Service>;
}
