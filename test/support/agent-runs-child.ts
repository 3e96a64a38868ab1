import { Registry } from "prom-client";
import { startAgentRunsRole } from "../../workers/agent-runs.ts";
import { buildWorkflowBundle } from "../../workers/bundle.ts";

/** The agent runs' part of one worker, as a process that can be killed: `agent-runs-child.ts DATABASE_URL TEMPORAL_ADDRESS`. Says when it polls. */
const [databaseUrl = "", temporalAddress = ""] = process.argv.slice(2);
const say = (fields: unknown, message?: string): void => void process.stderr.write(`${JSON.stringify([fields, message])}\n`);
const log = { info: say, warn: say, error: say } as never;
const workflowBundle = await buildWorkflowBundle();
const role = startAgentRunsRole({ databaseUrl, temporalAddress, temporalNamespace: "default", workflowBundle, log, metrics: new Registry() });
await role.polls;
process.stdout.write("polls\n");
