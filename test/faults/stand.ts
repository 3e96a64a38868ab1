import type pg from "pg";
import { expect } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import type { TestDatabase } from "#test/support/postgres.ts";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";
import { type CallRecord, expectedCostNanoUsd, largestHoldNanoUsd, type PlannedCall, planCall } from "./call.ts";
import { DatabaseProxy } from "./database-proxy.ts";
import type { Counts } from "./fault.ts";
import { judgeTwice } from "./judge-twice.ts";
import { type Load, startLoad } from "./load.ts";
import type { Random } from "./random.ts";

/** Lease length of the gateways here; how long a fault lasts is stated in it. */
export const LEASE_MS = 2_000;
const RECOVERS_WITHIN_MS = 30_000;

export type FaultStandOptions = {
	/** Default 4. */
	readonly gateways?: number;
	/** Further settings of every gateway. */
	readonly environment?: Readonly<Record<string, string>>;
	/** Default: a database on the server of the test run. */
	readonly database?: TestDatabase;
	readonly providerEnvironment?: Readonly<Record<string, string>>;
	/** Of every team's budget. Default "lifetime": a run over midnight is no fault unless it is meant to be one. */
	readonly windowKind?: string;
};

export type Team = { readonly teamId: string; readonly key: string };

export type LoadOptions = {
	/** Calls in all; default 300. */
	readonly calls?: number;
	/** Default 50, of which a fifth has more money than it needs. */
	readonly teams?: number;
	readonly policy?: Record<string, unknown>;
	/** Changes calls of the plan as they are made. */
	readonly change?: (call: PlannedCall, random: Random) => PlannedCall;
	/** Called when the teams exist and no call was made yet. */
	readonly prepare?: (teams: readonly Team[]) => Promise<unknown>;
};

/** The share of its demand that a team's limit pays for is drawn between these: 60 % on the average. */
const SHARE_PERCENT = { lowest: 10, highest: 110 };
const LEAST_WAIT_MS = 200;

/** Gateway processes with short leases behind a database proxy, on real PostgreSQL, with the simulated provider. */
export class FaultStand {
	readonly base: GatewayStand;
	readonly proxy: DatabaseProxy;
	readonly gateways: GatewayProcess[] = [];
	private readonly environment: Record<string, string>;
	/** A team with more money than any workload needs. */
	ample: Team = { teamId: "", key: "" };
	/** Teams of workloads that have as much: none of their calls may be refused for money. */
	private readonly rich = new Set<string>();

	private constructor(base: GatewayStand, proxy: DatabaseProxy, options: FaultStandOptions) {
		this.base = base;
		this.proxy = proxy;
		this.environment = { DATABASE_URL: proxy.urlOf(base.database.url), NODE_OPTIONS: preloading("short-lease.mjs"), ...options.environment };
	}

	static async open(options: FaultStandOptions): Promise<FaultStand> {
		const base = await openGatewayStand({
			...(options.database && { database: options.database }),
			windowKind: options.windowKind ?? "lifetime",
			providerEnvironment: { TOLLGATE_SIMULATOR_LATENCY_MS: "5", ...options.providerEnvironment },
		});
		const proxy = await DatabaseProxy.open(Number(new URL(base.database.url).port));
		const stand = new FaultStand(base, proxy, options);
		await Promise.all(Array.from({ length: options.gateways ?? 4 }, (_, index) => stand.start(index)));
		stand.ample = await base.team(1_000_000_000_000n);
		return stand;
	}

	/** Starts, or starts again, the gateway at this place; its identity stays. */
	async start(index: number, environment: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
		const gateway = await this.base.start(`g${index}`, { ...this.environment, ...environment });
		this.gateways[index] = gateway;
		return gateway;
	}

	gateway(index: number): GatewayProcess {
		return this.gateways[index] ?? expect.fail(`there is no gateway ${index}`);
	}

	/** Teams, a plan over them whose limits bind at 60 % of the demand, and callers that begin at once. */
	async load(random: Random, options: LoadOptions = {}): Promise<Load> {
		const draws = random.fork();
		const policy = { admissionWaitMs: LEAST_WAIT_MS, ...options.policy };
		const shares = Array.from({ length: options.teams ?? 50 }, (_, index) =>
			index % 5 === 0 ? undefined : draws.integer(SHARE_PERCENT.lowest, SHARE_PERCENT.highest),
		);
		const names = shares.map((_, index) => ({ teamId: String(index), key: "" }));
		const change = options.change ?? ((call) => call);
		const drafts = Array.from({ length: options.calls ?? 300 }, () => change(planCall(draws.pick(names), draws), draws));
		const teams = await Promise.all(
			shares.map((share, index) =>
				this.base.team(
					limitFor(
						drafts.filter(({ teamId }) => teamId === String(index)),
						share,
					),
					policy,
				),
			),
		);
		const plan = drafts.map((call) => ({ ...call, ...(teams[Number(call.teamId)] ?? this.ample) }));
		for (const [index, { teamId }] of teams.entries()) if (shares[index] === undefined) this.rich.add(teamId);
		await options.prepare?.(teams);
		return startLoad(() => this.gateways, plan);
	}

	/** How long it takes until every gateway serves again. */
	async recover(): Promise<number> {
		const startedAtMs = performance.now();
		await Promise.all(
			this.gateways.map((gateway, index) =>
				until(`gateway ${index} to serve again`, async () => (await chat(gateway, this.ample.key).catch(() => undefined))?.status === 200, RECOVERS_WITHIN_MS),
			),
		);
		return Math.round(performance.now() - startedAtMs);
	}

	/** Ends every gateway in order, so that nothing may be pending, and has both checkers judge the books. */
	async finish(records: readonly CallRecord[], { shouldResolve = false }: { readonly shouldResolve?: boolean } = {}): Promise<Counts> {
		await Promise.all(this.gateways.map((gateway) => gateway.end()));
		const poor = records.filter(({ status, code, teamId }) => status === 402 && code === "budget.exceeded" && this.rich.has(teamId));
		expect(poor, "refusals of teams with money enough").toEqual([]);
		return judgeTwice({ databaseUrl: this.base.database.url, callLogPath: this.base.provider.callLogPath, records, shouldResolve });
	}

	async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
		return withClient(this.base.database.url, async (client) => (await client.query<Row>(text, [...values])).rows);
	}

	async close(): Promise<void> {
		await this.proxy.close();
		await this.base.close();
	}
}

function limitFor(calls: readonly PlannedCall[], sharePercent: number | undefined): bigint {
	const demand = calls.reduce((sum, call) => sum + expectedCostNanoUsd(call), 0n);
	const largest = calls.reduce((most, call) => (largestHoldNanoUsd(call) > most ? largestHoldNanoUsd(call) : most), 0n);
	if (sharePercent === undefined) return 1_000_000_000_000n;
	const limit = (demand * BigInt(sharePercent)) / 100n;
	return limit > largest ? limit : largest; // a team that can pay for no call at all proves nothing
}
