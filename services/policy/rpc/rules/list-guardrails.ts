/** Owns ListGuardrails: those of the configuration file stand on the first page, before all others. */
import { create } from "@bufbuild/protobuf";
import { GuardrailSchema, ListGuardrailsResponseSchema, type ListGuardrailsRequest, type ListGuardrailsResponse } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectGuardrails } from "../../store/guardrails.ts";

export async function listGuardrails(request: ListGuardrailsRequest, { database, config }: PolicyDependencies): Promise<ListGuardrailsResponse> {
  const { organizationId } = request;
  const scope = ["guardrails", organizationId];
  const page = readPage(request, scope, 1);
  const found = await selectGuardrails(database, organizationId, page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ id }) => [id]);
  const configured = page.after === undefined ? config.current.guardrails.filter((rule) => organizationId === "" || rule.organizationId === "" || rule.organizationId === organizationId) : [];
  return create(ListGuardrailsResponseSchema, { guardrails: [...configured.map((rule) => create(GuardrailSchema, { rule })), ...entries], nextPageToken });
}
