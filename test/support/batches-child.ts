import { readFileSync } from "node:fs";
import { DefaultLogger, Runtime } from "@temporalio/worker";
import { Registry } from "prom-client";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import { startBatchesRole } from "../../workers/batches.ts";

/**
 * The worker's part in batches as a process that can be killed, without an account that runs any:
 * `batches-child.ts DATABASE_URL TEMPORAL_ADDRESS BUNDLE_FILE BLOB_FOLDER PACE_PERMILLE`. Says when it polls.
 */
const [databaseUrl = "", temporalAddress = "", bundleFile = "", folder = "", pace = ""] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
const quiet = (): void => undefined;
const role = startBatchesRole({
	...{ databaseUrl, temporalAddress, temporalNamespace: "default", workflowBundle: { code: readFileSync(bundleFile, "utf8") } },
	...{ providers: [], blobs: await openBlobStore({ place: { kind: "folder", folder }, keys: new Map() }), retention: { keptDays: 30, keptDaysByPurpose: {} } },
	...{ log: { info: quiet, warn: quiet, error: quiet }, metrics: new Registry(), pacePermille: Number(pace) },
});
await role.polls;
process.stdout.write("polls\n");
