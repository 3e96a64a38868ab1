import { readFileSync } from "node:fs";
import { DefaultLogger, Runtime } from "@temporalio/worker";
import { pino } from "pino";
import type { ReportSettings } from "#config/load.ts";
import { startChargebackRole } from "../../workers/chargeback.ts";
import { startReportsRole } from "../../workers/reports.ts";
import { type HeldStatement, holdStatements } from "./held-statements.ts";

/** A role of the worker as a process of its own, which tests kill (role-process.ts): says "polls" when it does. */
export type RoleChild = {
	readonly role: "chargeback" | "reports";
	readonly databaseUrl: string;
	readonly temporalAddress: string;
	/** File of the workflow bundle. */
	readonly bundleFile: string;
	readonly held: readonly HeldStatement[];
	readonly reports: ReportSettings;
};

const { role, bundleFile, held, reports, ...to } = JSON.parse(process.argv[2] ?? "{}") as RoleChild;
Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
holdStatements(held);
const options = {
	...to,
	temporalNamespace: "default",
	workflowBundle: { code: readFileSync(bundleFile, "utf8") },
	log: pino({ level: "warn" }, pino.destination(2)),
};
const started = role === "chargeback" ? startChargebackRole(options) : startReportsRole({ ...options, reports });
await started.polls;
process.stdout.write("polls\n");
