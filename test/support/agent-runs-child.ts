import { readFileSync } from "node:fs";
import { Registry } from "prom-client";
import { startAgentRunsRole } from "../../workers/agent-runs.ts";

/** The agent runs' part of one worker, as a process that can be killed: `agent-runs-child.ts DATABASE_URL TEMPORAL_ADDRESS BUNDLE_FILE`. Says when it polls. */
const [databaseUrl = "", temporalAddress = "", bundleFile = ""] = process.argv.slice(2);
const say = (fields: unknown, message?: string): void => void process.stderr.write(`${JSON.stringify([fields, message])}\n`);
const log = { info: say, warn: say, error: say } as never;
const workflowBundle = { code: readFileSync(bundleFile, "utf8") };
const role = startAgentRunsRole({ databaseUrl, temporalAddress, temporalNamespace: "default", workflowBundle, log, metrics: new Registry() });
await role.polls;
process.stdout.write("polls\n");
