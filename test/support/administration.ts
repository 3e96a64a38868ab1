import type { FastifyInstance } from "fastify";
import { createAdminKey } from "#activities/administration/admin-keys.ts";
import type { BudgetGovernor } from "#activities/administration/port.ts";
import { createHttpClient } from "#activities/alerts/http.ts";
import { createAlertSender } from "#activities/alerts/sender.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { loadPriceFile, readCurrentPriceBook } from "#activities/pricebooks/postgres.ts";
import { parsePriceFile } from "#activities/pricebooks/price-file.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type AdministrationDependencies, createAdministrationApp } from "#gateway/administration/app.ts";
import { secretsOf } from "./alert-secrets.ts";
import { createSqlIncreases } from "./increase-governor.ts";
import { TEST_HOME } from "./kept-places.ts";
import { openTestPool, type TestPool } from "./pool.ts";
import { createTestDatabase } from "./postgres.ts";

/** Stands in for the team workflows: the next revision, written at once as the workflow's activity would. */
export function createSqlGovernor(database: Queryable): BudgetGovernor & { isAway: boolean } {
	const nextRevision = async (teamId: string) => {
		if (governor.isAway) throw new CostControlError("governance.unreachable", "Temporal does not answer");
		return Number(
			(await database.query<{ next: string }>("SELECT coalesce(max(revision), 0) + 1 AS next FROM tollgate.team_governance WHERE team_id = $1", [teamId]))
				.rows[0]?.next,
		);
	};
	const governor: BudgetGovernor & { isAway: boolean } = {
		isAway: false,
		async applyPolicy(teamId: string, input: Parameters<BudgetGovernor["applyPolicy"]>[1]) {
			const revision = await nextRevision(teamId);
			await database.query("SELECT tollgate.apply_policy($1, $2, $3, $4, $5)", [
				teamId,
				revision,
				input.requestedBy,
				JSON.stringify(input.set),
				JSON.stringify(input.remove),
			]);
			return { revision };
		},
		freeze: async (teamId: string) => void (await nextRevision(teamId)),
		unfreeze: async (teamId: string) => void (await nextRevision(teamId)),
		...createSqlIncreases(database, () => {
			if (governor.isAway) throw new CostControlError("governance.unreachable", "Temporal does not answer");
		}),
	};
	return governor;
}

const tokens = {
	input: "2500000000",
	cachedInput: "1250000000",
	cacheWrite5m: "2500000000",
	cacheWrite1h: "2500000000",
	output: "10000000000",
	reasoning: "10000000000",
};
export const TEST_PRICE_LINE = {
	provider: "openai",
	model: "gpt-test",
	aliases: ["gpt-test-2026"],
	kind: "chat",
	protocol: "openai",
	tiers: { standard: [{ aboveInputTokens: 0, prices: tokens }] },
	perCall: {},
	contextWindowTokens: 128_000,
	maxOutputTokens: 16_384,
	hiddenTokensPerRequest: 3,
	hiddenTokensPerMessage: 4,
	outputCapField: "max_tokens",
	isReasoning: false,
};

export type TestAdministration = {
	readonly databaseUrl: string;
	readonly pool: TestPool["pool"];
	readonly governor: ReturnType<typeof createSqlGovernor>;
	readonly app: FastifyInstance;
	/** Key of "ada". */
	readonly adminKey: string;
	readonly unexpected: unknown[];
	/** What variables of the worker hold, for alert channels that name them. */
	readonly alertSecrets: Map<string, string>;
	close(): Promise<void>;
};

/** The administration API over a database of its own, with one priced model and one admin key. */
export async function openTestAdministration(
	options: Pick<AdministrationDependencies, "consoleFolder" | "now" | "temporalUiUrl" | "temporalNamespace" | "changeFeed" | "oidc" | "onSignInRefused"> = {},
): Promise<TestAdministration> {
	const database = await createTestDatabase();
	const connections = openTestPool(database.url);
	const governor = createSqlGovernor(connections.pool);
	const unexpected: unknown[] = [];
	const alertSecrets = new Map<string, string>();
	const http = createHttpClient();
	const app = createAdministrationApp({
		database: connections.pool,
		governor,
		readPrices: () => readCurrentPriceBook(connections.pool),
		alertSender: createAlertSender({ http, readSecret: secretsOf(alertSecrets), runbooksUrl: null, now: Date.now }),
		home: TEST_HOME,
		...options,
		onUnexpectedError: (error) => unexpected.push(error),
	});
	await loadPriceFile(connections.pool, parsePriceFile(JSON.stringify({ source: "test", lines: [{ line: TEST_PRICE_LINE }] }), "test"), "seed", "test");
	const { key } = await createAdminKey(connections.pool, { name: "ada" }, "test");
	return {
		databaseUrl: database.url,
		pool: connections.pool,
		governor,
		app,
		adminKey: key,
		unexpected,
		alertSecrets,
		async close() {
			await app.close();
			await http.close();
			await connections.close();
			await database.close();
		},
	};
}
