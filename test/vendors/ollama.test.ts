import { testVendor } from "../harness/vendor-suite.ts";

// The mock counts no tokens, and answers for vectors in the form of the older path.
testVendor({ vendor: "ollama", basePath: "", needsKey: false, mockReportsUsage: "nowhere", mockHasEmbeddings: false });
