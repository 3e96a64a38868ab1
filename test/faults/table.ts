import { AGENT_FAULTS } from "./agents.ts";
import { BATCH_JOB_FAULTS } from "./batch-jobs.ts";
import { CRASHES } from "./crashes.ts";
import { DEFERRED_FAULTS } from "./deferred.ts";
import { DEPLOYMENT_FAULTS } from "./deployments.ts";
import type { Fault } from "./fault.ts";
import { GATEWAY_FAULTS } from "./gateways.ts";
import { GOVERNANCE_FAULTS } from "./governance.ts";
import { HOSTILE_FAULTS } from "./hostile.ts";
import { LEDGER_FAULTS } from "./ledger.ts";
import { UPDATE_FAULTS } from "./many-updates.ts";
import { PACKAGE_FAULTS } from "./packages.ts";
import { DATABASE_FAULTS } from "./postgres.ts";
import { PRESSURE_FAULTS } from "./pressure.ts";
import { PROVIDER_FAULTS } from "./provider.ts";
import { RACES } from "./races.ts";
import { REQUEST_FAULTS } from "./requests.ts";
import { SERVER_FAULTS } from "./server-faults.ts";
import { SLOW_CALLER_FAULTS } from "./slow-callers.ts";
import { TIME_FAULTS } from "./time.ts";

/** Every fault of the table that has a system to run on, by its id. */
export const FAULTS: readonly Fault[] = [
	...RACES,
	...CRASHES,
	...DATABASE_FAULTS,
	...SERVER_FAULTS,
	...GATEWAY_FAULTS,
	...TIME_FAULTS,
	...PROVIDER_FAULTS,
	...REQUEST_FAULTS,
	...HOSTILE_FAULTS,
	...LEDGER_FAULTS,
	...GOVERNANCE_FAULTS,
	...UPDATE_FAULTS,
	...PRESSURE_FAULTS,
	...SLOW_CALLER_FAULTS,
	...DEPLOYMENT_FAULTS,
	...PACKAGE_FAULTS,
	...AGENT_FAULTS,
	...BATCH_JOB_FAULTS,
	...DEFERRED_FAULTS,
].sort((one, other) => numberOf(one) - numberOf(other));

function numberOf({ id }: Fault): number {
	return Number(id.slice(1));
}
