import { Registry } from "prom-client";
import { startAlerts } from "../../workers/alerts.ts";

/** Alerts of one worker, as a process that can be killed: `alerts-child.ts DATABASE_URL HOME`. */
const [databaseUrl = "", home = ""] = process.argv.slice(2);
const say = (fields: unknown, message?: string): void => void process.stderr.write(`${JSON.stringify([fields, message])}\n`);
startAlerts({ databaseUrl, home, runbooksUrl: null, log: { info: say, warn: say, error: say } as never, metrics: new Registry() });
