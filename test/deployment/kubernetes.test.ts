/** Owns the proof that the Kubernetes manifests fit together, and start the same containers as docker-compose.yml. What Kubernetes makes of them, only a cluster can show. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { mountsOf, readComposeFile, root } from "./compose-file.ts";
import { imageOf, readStages } from "./dockerfile.ts";

interface Port {
  readonly name: string;
  readonly containerPort?: number;
  readonly port?: number;
  readonly targetPort?: string;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly ports: readonly Port[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly securityContext: unknown;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string; readonly items: readonly { readonly path: string }[] };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly selector: Readonly<Record<string, unknown>>;
    readonly clusterIP?: string;
    readonly serviceName?: string;
    readonly ports?: readonly Port[];
    readonly dnsNames?: readonly string[];
    readonly secretName?: string;
    readonly scaleTargetRef?: { readonly kind: string; readonly name: string };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly automountServiceAccountToken: boolean;
        readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number; readonly runAsGroup: number };
        readonly containers: readonly Container[];
        readonly volumes: readonly Volume[];
      };
    };
  };
}

const services = ["routing", "policy", "metering", "providers"];
const nameLabel = "app.kubernetes.io/name";
const kustomization = parse(readFileSync(join(root, "deploy/kustomization.yaml"), "utf8")) as { readonly resources: readonly string[]; readonly configMapGenerator: readonly { readonly name: string; readonly files: readonly string[] }[]; readonly images: readonly { readonly name: string }[] };
const config = parse(readFileSync(join(root, "deploy/weir.yaml"), "utf8")) as { readonly listen: { readonly admin_address: string }; readonly internal: { readonly tls: Readonly<Record<string, string>> }; readonly peers: Readonly<Record<string, string>> };
const manifests = kustomization.resources.flatMap((path) => parseAllDocuments(readFileSync(join(root, "deploy", path), "utf8")).map((document) => document.toJS() as Manifest));
const find = (name: string, ...kinds: readonly string[]): Manifest => manifests.find(({ kind, metadata }) => kinds.includes(kind) && metadata.name === name)!;
const workloadOf = (service: string): Manifest => find(service, "Deployment", "StatefulSet");

test("the kustomization has each manifest, the configuration and the image", () => {
  expect(kustomization.resources.toSorted()).toEqual(readdirSync(join(root, "deploy/kubernetes")).map((name) => `kubernetes/${name}`).toSorted());
  expect(kustomization.configMapGenerator).toEqual([{ name: "weir-config", files: ["weir.yaml"] }]);
  expect(new Set(services.map((service) => workloadOf(service).spec.template.spec.containers[0]!.image))).toEqual(new Set(kustomization.images.map(({ name }) => name)));
});

describe.each(services)("%s", (service) => {
  const { kind, spec } = workloadOf(service);
  const pod = spec.template.spec;
  const container = pod.containers[0]!;
  const compose = readComposeFile().services[service]!;
  const image = imageOf("service", readStages());

  test("is the container of docker-compose.yml", () => {
    expect(container.args).toEqual(compose.command);
    expect(`${pod.securityContext.runAsUser}:${pod.securityContext.runAsGroup}`).toBe(image.user);
    const targets = [...mountsOf(compose).map(({ target }) => (target === "/etc/weir/weir.yaml" ? "/etc/weir" : target)), "/data", "/tmp"];
    expect(new Set(container.volumeMounts.map(({ mountPath }) => mountPath))).toEqual(new Set(targets));
  });

  test("may do no more than it has to", () => {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext.runAsNonRoot).toBe(true);
    expect(container.securityContext).toEqual({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } });
    // A secret of its own, and none where there is nothing to keep.
    expect(container.envFrom!.map(({ secretRef }) => secretRef.name)).toEqual([service]);
  });

  test("mounts volumes that there are, with its own certificate where the configuration looks for it", () => {
    const volumes = [...pod.volumes.map(({ name }) => name), ...(spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name)];
    expect(container.volumeMounts.map(({ name }) => name).toSorted()).toEqual(volumes.toSorted());
    const { secretName, items } = pod.volumes.find(({ name }) => name === "certificate")!.secret!;
    const certificate = find(service, "Certificate");
    expect(certificate.spec).toMatchObject({ dnsNames: [service], secretName });
    const place = container.volumeMounts.find(({ name }) => name === "certificate")!.mountPath;
    expect(new Set(items.map(({ path }) => `${place}/${path}`))).toEqual(new Set(Object.values(config.internal.tls)));
    expect(pod.volumes.find(({ name }) => name === "config")!.configMap!.name).toBe(kustomization.configMapGenerator[0]!.name);
  });

  test("keeps what must outlive it on a volume", () => {
    expect(kind).toBe(["policy", "providers"].includes(service) ? "StatefulSet" : "Deployment");
    expect(spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name)).toEqual(kind === "StatefulSet" ? ["data"] : undefined);
    if (kind === "StatefulSet") expect(spec.serviceName).toBe(service);
  });

  test("is asked for its health where it listens, and has time to end", () => {
    const admin = container.ports.find(({ name }) => name === "admin")!;
    expect(image.healthCheck).toContain(`--admin-port=${admin.containerPort}`);
    // The kubelet asks the pod's address.
    expect(config.listen.admin_address).toBe("0.0.0.0");
    expect([container.startupProbe, container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet)).toEqual(["/healthz", "/healthz", "/readyz"].map((path) => ({ path, port: "admin" })));
    const drainSeconds = 30;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds + container.lifecycle.preStop.sleep.seconds + 10);
  });

  test("is found by its peers and callers", () => {
    expect(spec.template.metadata.labels[nameLabel]).toBe(service);
    expect(spec.selector).toEqual({ matchLabels: { [nameLabel]: service } });
    const { clusterIP, selector, ports } = find(service, "Service").spec;
    expect(selector).toEqual({ [nameLabel]: service });
    if (service === "routing") {
      expect(container.ports.find(({ name }) => name === ports![0]!.targetPort)!.containerPort).toBe(8080);
    } else {
      // Without an address of its own, so that each instance gets its share.
      expect(clusterIP).toBe("None");
      expect(config.peers[service]).toBe(`dns:///${service}:${ports![0]!.port}`);
      expect(container.ports).toContainEqual({ name: "internal", containerPort: ports![0]!.port });
    }
  });
});

test("what scales and what bounds disruptions is about workloads that there are", () => {
  for (const { kind, metadata, spec } of manifests) {
    if (kind === "HorizontalPodAutoscaler") expect(workloadOf(spec.scaleTargetRef!.name).kind).toBe(spec.scaleTargetRef!.kind);
    if (kind === "PodDisruptionBudget") expect(spec.selector).toEqual(workloadOf(metadata.name).spec.selector);
  }
});
