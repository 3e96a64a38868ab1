import { buildWorkflowBundle } from "./bundle.ts";

// The process of `bundleApart`: tells its parent the bundle and ends.
process.send?.(await buildWorkflowBundle(), () => process.disconnect());
