/** Owns storing a credential for a vendor. */
import { useQuery } from "@connectrpc/connect-query";
import { useState, type ReactNode } from "react";
import { InferenceService, type ListModelsResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { CredentialSecretField, credentialSecretIn } from "../parts/credential-secret-field.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { Choice, Field, textOf } from "../parts/fields.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";
import { isInstallationAdmin, useSession } from "../session.ts";

export function StoreCredentialDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const mayChooseWhose = isInstallationAdmin(useSession());
  const models = useQuery(InferenceService.method.listModels, { pageSize: 1_000 });
  const organizations = useQuery(PolicyService.method.listOrganizations, { pageSize: 1_000 }, { enabled: mayChooseWhose });
  const { mutate, error, isPending } = useChange(ProvidersService.method.createCredential, ProvidersService.method.listCredentials, onClose);
  const store = (fields: FormData): void =>
    mutate({ requestId, provider: textOf(fields, "provider"), name: textOf(fields, "name"), secret: credentialSecretIn(fields), weight: Number(textOf(fields, "weight")), organizationId: textOf(fields, "organization") });
  return (
    <FormDialog title="Store credential" action="Store credential" isPending={isPending} error={error} deed="store credentials" onClose={onClose} onSubmit={store}>
      <Choice label="Provider" name="provider" required hint={<>One that has <code>stored_credentials: true</code> in weir.yaml.</>}>
        {providersIn(models.data).map((provider) => <option key={provider}>{provider}</option>)}
      </Choice>
      <Field label="Name" name="name" required maxLength={100} autoFocus placeholder="project key, production" />
      <CredentialSecretField />
      <Field label="Weight" name="weight" type="number" required min={1} max={1_000} step={1} defaultValue={1} hint="Its share of the calls, beside the weights of the provider's others." />
      {mayChooseWhose && (
        <Choice label="For calls of" name="organization">
          <option value="">everybody</option>
          {organizations.data?.organizations.map(({ id, name }) => <option key={id} value={id}>{name} alone</option>)}
        </Choice>
      )}
    </FormDialog>
  );
}

/** Also those that have no credential yet, and so no models that could be called. */
function providersIn({ models, providerProblems }: Pick<ListModelsResponse, "models" | "providerProblems"> = { models: [], providerProblems: [] }): string[] {
  const ofModels = models.filter(({ isRoute }) => !isRoute).map(({ name }) => name.slice(0, name.indexOf("/")));
  return [...new Set([...providerProblems.map(({ provider }) => provider), ...ofModels])].toSorted();
}
