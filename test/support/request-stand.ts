import type { Authority } from "#activities/authority/port.ts";
import type { Attempt, KeyIdentity } from "#activities/request/port.ts";
import { insertBudget, insertKey, insertTeam, withClient } from "./authority-rows.ts";
import { createTestDatabase } from "./postgres.ts";
import { startTestGateway, type TestGateway } from "./request-authority.ts";

export type RequestTeam = { readonly teamId: string; readonly budgetId: string; readonly secret: string };

export type RequestStand = {
	readonly databaseUrl: string;
	/** Those that a test has started and nobody has closed yet. */
	readonly gateways: readonly TestGateway[];
	/** A name that no other thing of this stand has. */
	newName(prefix: string): string;
	/** A team with one budget a day and one key; `policy` by default does not let a call wait. */
	team(limitNanoUsd: bigint, policy?: Record<string, unknown>): Promise<RequestTeam>;
	start(through?: (authority: Authority) => Authority): Promise<TestGateway>;
	/** After each test. */
	closeGateways(): Promise<void>;
	close(): Promise<void>;
};

/** Teams on a database of their own, and the request layers of gateways beside it. */
export async function openRequestStand(): Promise<RequestStand> {
	const database = await createTestDatabase();
	const gateways: TestGateway[] = [];
	let number = 0;
	const newName = (prefix: string): string => `${prefix}${++number}`;
	return {
		databaseUrl: database.url,
		gateways,
		newName,
		async team(limit, policy = { admissionWaitMs: 0 }) {
			const teamId = newName("team");
			return withClient(database.url, async (client) => {
				await insertTeam(client, teamId, policy);
				return { teamId, budgetId: await insertBudget(client, { teamId, limit }), secret: await insertKey(client, teamId) };
			});
		},
		async start(through) {
			const gateway = await startTestGateway(database.url, newName("g"), through);
			gateways.push(gateway);
			return gateway;
		},
		async closeGateways() {
			await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
		},
		close: () => database.close(),
	};
}

/** Who has this key; an error with the words of the refusal where nobody has. */
export async function identify({ authority }: TestGateway, secret: string): Promise<KeyIdentity> {
	const resolved = await authority.resolveKey(secret);
	if (resolved.kind === "refused") throw new Error(resolved.message);
	return resolved.key;
}

/** Ends the attempt at this cost: one nano-dollar a token, see `TEST_LINE`. */
export function settleAt(attempt: Attempt, costNanoUsd: bigint): void {
	const usage = { inputTokens: Number(costNanoUsd), cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 0, reasoningTokens: 0 };
	attempt.settle({ reported: { kind: "usable", usage, model: undefined, serviceTier: undefined }, providerRequestId: null, httpStatus: 200, durationMs: 1 });
}
