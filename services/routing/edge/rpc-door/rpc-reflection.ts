/** Owns grpc.reflection.v1 on the public port, so that `buf curl` and grpcurl need no proto files. */
import { create, toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection, ServerReflectionResponseSchema, type ServerReflectionRequest, type ServerReflectionResponse } from "#gen/grpc/reflection/v1/reflection_pb.ts";

type Answer = ServerReflectionResponse["messageResponse"];

export function addReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const files = withDependencies(services.map(({ file }) => file));
  const fileOfSymbol = symbolsOf(files);
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const originalRequest of requests) {
        yield create(ServerReflectionResponseSchema, { validHost: originalRequest.host, originalRequest, messageResponse: answer(originalRequest) });
      }
    },
  });

  function answer({ messageRequest }: ServerReflectionRequest): Answer {
    switch (messageRequest.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { $typeName: "grpc.reflection.v1.ListServiceResponse", service: services.map(({ typeName }) => ({ $typeName: "grpc.reflection.v1.ServiceResponse", name: typeName })) } };
      case "fileByFilename":
        return fileAnswer(files.get(messageRequest.value), messageRequest.value);
      case "fileContainingSymbol":
        return fileAnswer(fileOfSymbol.get(messageRequest.value), messageRequest.value);
      default:
        return notFound("extensions are not served");
    }
  }
}

function fileAnswer(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) return notFound(`nothing is called "${asked}"`);
  return {
    case: "fileDescriptorResponse",
    value: { $typeName: "grpc.reflection.v1.FileDescriptorResponse", fileDescriptorProto: [...withDependencies([file]).values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

function notFound(errorMessage: string): Answer {
  return { case: "errorResponse", value: { $typeName: "grpc.reflection.v1.ErrorResponse", errorCode: Code.NotFound, errorMessage } };
}

/** The files and all they import, by name; a file comes after what it imports. */
function withDependencies(roots: readonly DescFile[], found = new Map<string, DescFile>()): Map<string, DescFile> {
  for (const file of roots) {
    if (found.has(file.proto.name)) continue;
    withDependencies(file.dependencies, found);
    found.set(file.proto.name, file);
  }
  return found;
}

function symbolsOf(files: ReadonlyMap<string, DescFile>): Map<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  for (const file of files.values()) {
    for (const { typeName } of [...file.messages, ...file.enums, ...file.services]) symbols.set(typeName, file);
    for (const service of file.services) for (const method of service.methods) symbols.set(`${service.typeName}.${method.name}`, file);
    for (const message of file.messages) for (const { typeName } of [...message.nestedMessages, ...message.nestedEnums]) symbols.set(typeName, file);
  }
  return symbols;
}
