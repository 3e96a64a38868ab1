import { readFileSync } from "node:fs";
import { pino } from "pino";
import { startReportsRole } from "../../workers/reports.ts";

/** The role that writes reports as a process of its own, which tests kill: URL of the database, address of Temporal, file of the bundle. */
const [databaseUrl = "", temporalAddress = "", bundleFile = ""] = process.argv.slice(2);
const role = startReportsRole({
	databaseUrl,
	temporalAddress,
	temporalNamespace: "default",
	workflowBundle: { code: readFileSync(bundleFile, "utf8") },
	reports: { timeZone: "UTC", hour: 6, minute: 0 },
	log: pino({ level: "warn" }, pino.destination(2)),
});
await role.polls;
process.stdout.write("polls\n");
