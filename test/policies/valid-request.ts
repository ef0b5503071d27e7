/** Owns requests that the rules of their contract let pass, and that are about nothing that there is: made from the rules themselves. */
import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { timestampNow, type FieldMask } from "@bufbuild/protobuf/wkt";
import { createValidator, type Violation } from "@bufbuild/protovalidate";

const validator = createValidator();
/** A field may have to be mended more than once: made first, then given what is in it. */
const mostRounds = 10;

/** `init` says what no rule tells. */
export function validRequest(schema: DescMessage, init: object = {}): Message {
  const request = reflect(schema, create(schema, init as never));
  for (let round = 0; round < mostRounds; round++) {
    const result = validator.validate(schema, request.message);
    if (result.kind !== "invalid") break;
    for (const violation of result.violations) mend(request, violation);
  }
  return request.message;
}

/** What cannot be mended stays as it is, and is refused where it is sent. */
function mend(request: ReflectMessage, { field: path, ruleId }: Violation): void {
  const fields = path.filter((element): element is DescField => element.kind === "field");
  const last = fields.pop();
  if (last === undefined || fields.length + 1 !== path.length) return;
  let owner = request;
  for (const field of fields) owner = owner.get(field) as ReflectMessage;
  if (last.fieldKind === "message" && !owner.isSet(last)) owner.set(last, reflect(last.message, messageFor(last.message, owner)));
  else if (last.fieldKind === "enum") owner.set(last, (owner.get(last) as number) + 1);
  else if (last.fieldKind === "scalar") owner.set(last, ruleId === "string.email" ? "nobody@example.com" : scalarLike(owner.get(last)));
}

function scalarLike(value: unknown): unknown {
  if (typeof value === "string") return "none";
  return typeof value === "bigint" ? 1n : 1;
}

function messageFor(schema: DescMessage, owner: ReflectMessage): Message {
  if (schema.typeName === "google.protobuf.Timestamp") return timestampNow();
  const message = create(schema);
  if (schema.typeName === "google.protobuf.FieldMask") (message as FieldMask).paths = [nameChanged(owner)];
  return message;
}

/** Changes the first field that is neither an id nor the mask itself. */
function nameChanged(owner: ReflectMessage): string {
  const field = owner.fields.find(({ name }) => !name.endsWith("_id") && name !== "update_mask")!;
  if (field.fieldKind === "scalar") owner.set(field, scalarLike(owner.get(field)));
  return field.name;
}
