import { testVendor } from "../harness/vendor-suite.ts";

testVendor({ vendor: "cohere", basePath: "/v2", needsKey: true, mockReportsUsage: "everywhere", mockHasEmbeddings: true });
