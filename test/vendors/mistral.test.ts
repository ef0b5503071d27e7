import { testVendor } from "../harness/vendor-suite.ts";

// Mistral ends its streams with the usage unasked; the mock wants to be asked.
testVendor({ vendor: "mistral", basePath: "/v1", needsKey: true, mockReportsUsage: "in_whole_replies", mockHasEmbeddings: true });
