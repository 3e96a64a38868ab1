import { Registry } from "prom-client";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { TeamBudgetStatus } from "#workflows/team-budget/messages.ts";
import { type BudgetRole, startBudgetRole } from "../../workers/budget.ts";
import { type CuttableProxy, openCuttableProxy } from "./cuttable-proxy.ts";
import { startTestTemporal, type TestTemporal } from "./temporal.ts";
import { until } from "./until.ts";

export type CuttableGovernance = {
	readonly temporal: TestTemporal;
	/** Stands between the worker and Temporal. */
	readonly proxy: CuttableProxy;
	readonly role: BudgetRole;
	readonly metrics: Registry;
	/** What the worker logged as errors. */
	readonly errors: readonly string[];
	close(): Promise<void>;
};

const ANSWERED_WITHIN_MS = 60_000;

/** The worker's budget role on a database, polling a Temporal of its own that can be cut off. */
export async function openCuttableGovernance(databaseUrl: string): Promise<CuttableGovernance> {
	const temporal = await startTestTemporal();
	const proxy = await openCuttableProxy(Number(temporal.address.split(":")[1]));
	const metrics = new Registry();
	const errors: string[] = [];
	const log = { info: () => undefined, warn: () => undefined, error: (_fields: unknown, message?: string) => void errors.push(message ?? "") };
	const role = await startBudgetRole({ databaseUrl, temporalAddress: `127.0.0.1:${proxy.port}`, temporalNamespace: "default", log, metrics });
	await role.polls;
	return {
		temporal,
		proxy,
		role,
		metrics,
		errors,
		async close() {
			await role.stop();
			await proxy.close();
			await temporal.close();
		},
	};
}

/** Asks until there is an answer that is not false: a worker that comes back takes a moment. */
export function untilAnswered<Value>(what: string, ask: () => Promise<Value | false>): Promise<Value> {
	return until(
		what,
		async () => {
			try {
				return await ask();
			} catch (error) {
				if (error instanceof CostControlError && error.code === "governance.unreachable") return undefined;
				throw error;
			}
		},
		ANSWERED_WITHIN_MS,
	);
}

/** The first status of the team's workflow of which `isSo` is true. */
export function untilStatus(role: BudgetRole, teamId: string, what: string, isSo: (status: TeamBudgetStatus) => boolean): Promise<TeamBudgetStatus> {
	return untilAnswered(what, async () => {
		const status = await role.governance.status(teamId);
		return isSo(status) && status;
	});
}
