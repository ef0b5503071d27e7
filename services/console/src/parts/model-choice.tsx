/** Owns the choice of what to call: routes, and each provider's models. */
import type { ReactNode } from "react";
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Choice } from "./fields.tsx";

interface ModelChoiceProps {
  readonly models: readonly Model[];
  /** A name that is not among them can be called, too: Weir says what it thinks of it. */
  readonly chosen: string;
  readonly onChoose: (name: string) => void;
}

export function ModelChoice({ models, chosen, onChoose }: ModelChoiceProps): ReactNode {
  const groups = Map.groupBy(models, groupOf);
  return (
    <Choice label="Model" name="model" value={chosen} onChange={({ target }) => onChoose(target.value)}>
      {models.every(({ name }) => name !== chosen) && <option value={chosen}>{chosen} (not listed)</option>}
      {[...groups].map(([group, members]) => (
        <optgroup key={group} label={group}>
          {members.map(({ name }) => <option key={name} value={name}>{name}</option>)}
        </optgroup>
      ))}
    </Choice>
  );
}

function groupOf({ name, isRoute }: Model): string {
  return isRoute ? "Routes" : name.slice(0, name.indexOf("/"));
}
