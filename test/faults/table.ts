import { CRASHES } from "./crashes.ts";
import type { Fault } from "./fault.ts";
import { GATEWAY_FAULTS } from "./gateways.ts";
import { GOVERNANCE_FAULTS } from "./governance.ts";
import { HOSTILE_FAULTS } from "./hostile.ts";
import { LEDGER_FAULTS } from "./ledger.ts";
import { DATABASE_FAULTS } from "./postgres.ts";
import { PROVIDER_FAULTS } from "./provider.ts";
import { RACES } from "./races.ts";
import { REQUEST_FAULTS } from "./requests.ts";
import { SERVER_FAULTS } from "./server-faults.ts";
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
].sort((one, other) => numberOf(one) - numberOf(other));

function numberOf({ id }: Fault): number {
	return Number(id.slice(1));
}
