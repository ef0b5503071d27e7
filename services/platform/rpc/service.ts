/** Owns what every service hands to `compose`: its descriptor, its implementation, and how to stop it. */
import type { DescService } from "@bufbuild/protobuf";
import type { ServiceInterface } from "./service-types.ts";

export interface RunningService<Service extends DescService> {
  readonly descriptor: Service;
  readonly implementation: ServiceInterface<Service>;
  /** Finishes what was begun and lets go of everything; resolves when nothing of the service is left running. */
  stop(): Promise<void>;
}
