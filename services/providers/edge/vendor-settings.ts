/** Owns the settings of a provider that only some vendors have. */
import type { Provider } from "#gen/weir/config/v1/provider_pb.ts";

/** Empty where the operator has not set them. */
export type VendorSettings = Pick<Provider, "project" | "location" | "apiVersion">;

/** Their names in the configuration file. */
export const settingFields: Readonly<Record<keyof VendorSettings, string>> = { project: "project", location: "location", apiVersion: "api_version" };

export const noSettings: VendorSettings = { project: "", location: "", apiVersion: "" };

export function settingsOf({ project, location, apiVersion }: Provider): VendorSettings {
  return { project, location, apiVersion };
}
