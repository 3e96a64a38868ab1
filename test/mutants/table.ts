import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { AGENT_MUTANTS } from "./agents.ts";
import { ALERT_MUTANTS } from "./alerts.ts";
import { ASKING_MUTANTS } from "./asking.ts";
import { AUDIT_MUTANTS } from "./audit.ts";
import { SQL_CHECKS, SQL_CHECKS_FAIL_BY, SQL_MUTANTS, type SqlMutant } from "./authority.ts";
import { BATCH_DECISION_MUTANTS } from "./batch-decisions.ts";
import { BATCH_JOB_MUTANTS } from "./batch-job.ts";
import { BATCH_LINE_MUTANTS } from "./batch-lines.ts";
import { BATCH_PROVIDER_MUTANTS } from "./batch-providers.ts";
import { BATCH_SUBMIT_MUTANTS } from "./batch-submit.ts";
import { BATCH_MUTANTS } from "./batches.ts";
import { BLOB_MUTANTS } from "./blobs.ts";
import { BOOK_MUTANTS } from "./books.ts";
import { BOUND_MUTANTS } from "./bounds.ts";
import { CHARGEBACK_MUTANTS } from "./chargeback.ts";
import { COLLECTOR_MUTANTS } from "./collector.ts";
import { CONSOLE_MUTANTS } from "./console.ts";
import { CONSOLE_PAGE_MUTANTS } from "./console-pages.ts";
import { DECISION_MUTANTS } from "./decisions.ts";
import { DEFERRED_MUTANTS } from "./deferred.ts";
import { DEFERRED_END_MUTANTS } from "./deferred-ends.ts";
import { DEFERRED_GROUP_MUTANTS } from "./deferred-groups.ts";
import { DELIVERY_MUTANTS } from "./delivery.ts";
import { DURABLE_AGENT_MUTANTS } from "./durable-agent.ts";
import { EXPECTATION_MUTANTS } from "./expectation.ts";
import { FORECAST_MUTANTS } from "./forecast.ts";
import { GATEWAY_MUTANTS } from "./gateway.ts";
import { GATEWAY_BATCH_MUTANTS } from "./gateway-batches.ts";
import { GATEWAY_DEFERRED_MUTANTS } from "./gateway-deferred.ts";
import { INCREASE_MUTANTS } from "./increases.ts";
import { LANE_MUTANTS } from "./lanes.ts";
import { LIMIT_MUTANTS } from "./limits.ts";
import { METRICS_MUTANTS } from "./metrics.ts";
import type { Mutant } from "./mutant.ts";
import { OPERATION_MUTANTS } from "./operations.ts";
import { POLICY_MUTANTS } from "./policy.ts";
import { POLICY_FILE_MUTANTS } from "./policy-file.ts";
import { REPORT_MUTANTS } from "./reports.ts";
import { REQUEST_MUTANTS } from "./request.ts";
import { RUN_BOOK_MUTANTS } from "./run-books.ts";
import { RUN_BUDGET_MUTANTS } from "./run-budgets.ts";
import { RUN_GOVERNANCE_MUTANTS } from "./run-governance.ts";
import { RUN_GUARD_MUTANTS } from "./run-guard.ts";
import { RUN_ROUTE_MUTANTS } from "./run-routes.ts";
import { RUN_STORE_MUTANTS } from "./run-store.ts";
import { SPEND_MUTANTS } from "./spend.ts";
import { TELEMETRY_MUTANTS } from "./telemetry.ts";

const SQL_TEST = "test/integration/authority/mutations.test.ts";
const GRANT_TEST = "test/integration/authority/grant.test.ts";

/** Fences of the authority that its own tests find gone. */
const FENCE_MUTANTS: readonly Mutant[] = [
	{
		rule: "a later boot fences the earlier ones",
		file: "migrations/0002_authority_functions.sql",
		within: "CREATE FUNCTION tollgate.register_gateway(",
		from: "  UPDATE tollgate.gateway_epoch SET fenced_at = clock_timestamp() WHERE gateway_id = p_gateway AND fenced_at IS NULL;\n",
		to: "",
		test: GRANT_TEST,
		titles: ["fences the earlier boot of a gateway that starts again: when it wakes it is granted nothing"],
	},
	{
		rule: "a fenced gateway is told so by its heartbeat",
		file: "migrations/0002_authority_functions.sql",
		within: "CREATE FUNCTION tollgate.heartbeat(",
		from: " AND fenced_at IS NULL AND closed_at IS NULL;",
		to: ";",
		test: GRANT_TEST,
		titles: ["refuses a fenced epoch everything but settles"],
	},
	{
		rule: "a fenced gateway is granted nothing ahead",
		file: "migrations/0009_next_windows.sql",
		within: "CREATE FUNCTION tollgate.grant_ahead(",
		from: "IF NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE",
		to: "IF false AND NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE",
		test: GRANT_TEST,
		titles: ["refuses a fenced epoch everything but settles"],
	},
];

/** Every rule that `npm run test:mutants` takes out, one after another. */
export const MUTANTS: readonly Mutant[] = [
	...SQL_MUTANTS.map(inMigration),
	...FENCE_MUTANTS,
	...BATCH_JOB_MUTANTS,
	...COLLECTOR_MUTANTS,
	...BOOK_MUTANTS,
	...BATCH_MUTANTS,
	...BATCH_SUBMIT_MUTANTS,
	...ASKING_MUTANTS,
	...REQUEST_MUTANTS,
	...RUN_BUDGET_MUTANTS,
	...BOUND_MUTANTS,
	...BATCH_LINE_MUTANTS,
	...GATEWAY_MUTANTS,
	...GATEWAY_BATCH_MUTANTS,
	...GATEWAY_DEFERRED_MUTANTS,
	...INCREASE_MUTANTS,
	...CONSOLE_MUTANTS,
	...CONSOLE_PAGE_MUTANTS,
	...DECISION_MUTANTS,
	...EXPECTATION_MUTANTS,
	...REPORT_MUTANTS,
	...FORECAST_MUTANTS,
	...SPEND_MUTANTS,
	...AUDIT_MUTANTS,
	...TELEMETRY_MUTANTS,
	...CHARGEBACK_MUTANTS,
	...OPERATION_MUTANTS,
	...POLICY_FILE_MUTANTS,
	...POLICY_MUTANTS,
	...ALERT_MUTANTS,
	...LANE_MUTANTS,
	...LIMIT_MUTANTS,
	...METRICS_MUTANTS,
	...AGENT_MUTANTS,
	...RUN_BOOK_MUTANTS,
	...RUN_ROUTE_MUTANTS,
	...RUN_STORE_MUTANTS,
	...RUN_GOVERNANCE_MUTANTS,
	...RUN_GUARD_MUTANTS,
	...DEFERRED_MUTANTS,
	...DELIVERY_MUTANTS,
	...DEFERRED_END_MUTANTS,
	...DEFERRED_GROUP_MUTANTS,
	...DURABLE_AGENT_MUTANTS,
	...BATCH_DECISION_MUTANTS,
	...BLOB_MUTANTS,
	...BATCH_PROVIDER_MUTANTS,
];

/** A mutant of a SQL function as one of the migration that makes it, found by the check on the functions as they are. */
function inMigration({ within, check, ...edit }: SqlMutant): Mutant {
	const head = `CREATE FUNCTION tollgate.${within}(`;
	const folder = path.join(PROJECT_FOLDER, "migrations");
	const name = readdirSync(folder).find((file) => readFileSync(path.join(folder, file), "utf8").includes(head));
	if (name === undefined) throw new Error(`no migration makes tollgate.${within}`);
	const redBy = SQL_CHECKS_FAIL_BY[check];
	return { ...edit, file: `migrations/${name}`, within: head, test: SQL_TEST, titles: [SQL_CHECKS[check]], ...(redBy !== undefined && { redBy }) };
}
