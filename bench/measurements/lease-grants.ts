import type pg from "pg";
import type { Authority, GrantedItem, GrantRequest } from "#activities/authority/port.ts";
import { createPostgresAuthority } from "#activities/authority/postgres.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { copyDatabase, fillStore, withClient } from "../lanes/store.ts";
import { textTable } from "../output/text-table.ts";
import { LatencyHistogram } from "../statistics/latency-histogram.ts";
import type { Measurement } from "./measurement.ts";

const GATEWAYS = [1, 5, 20, 64] as const;
const NEED_NANO_USD = 1_000_000n;

/**
 * How long a grant takes when so many gateways ask for money of one team at the same time, each as soon as it was answered. Each has
 * asked once before: a first grant opens the connection and plans the statements.
 */
export const leaseGrants: Measurement = {
	name: "lease grants",
	isLong: false,
	async run({ context }, isQuick) {
		const url = await copyDatabase(context.postgresUrl, context.templateDatabase, "lease-grants");
		await fillStore(url, { budgets: 1 });
		const budgetId = await withClient(url, async (client) => (await client.query<{ id: string }>("SELECT id::text FROM tollgate.budget")).rows[0]?.id ?? "");
		const data = [];
		for (const gateways of GATEWAYS) data.push(await measure({ url, budgetId, gateways, durationMs: isQuick ? 600 : 10_000 }));
		const rows = data.map(({ gateways, grantsPerSecond, p50Ms, p99Ms, askedAgain }) => [
			String(gateways),
			...[grantsPerSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2), String(askedAgain)],
		]);
		return {
			data,
			lines: ["lease grants of one team, all gateways asking at once", ...textTable(["gateways", "grants/s", "p50 ms", "p99 ms", "asked again"], rows)],
		};
	},
};

type Plan = { readonly url: string; readonly budgetId: string; readonly gateways: number; readonly durationMs: number };

async function measure({ url, budgetId, gateways, durationMs }: Plan) {
	const askers = await withClient(url, async (client) => {
		const registered: Authority[] = [];
		for (let index = 0; index < gateways; index += 1) registered.push(await register(client, url, `asker${gateways}_${index}`));
		return registered;
	});
	const run: Run = { budgetId, endsAtMs: 0, latenciesNs: [], askedAgain: 0 };
	try {
		for (const authority of askers) await grantOnce(authority, run, itemOf(run, undefined));
		run.askedAgain = 0;
		run.endsAtMs = performance.now() + durationMs;
		await Promise.all(askers.map((authority) => ask(authority, run)));
	} finally {
		await Promise.all(askers.map((authority) => authority.close()));
	}
	const histogram = LatencyHistogram.of(run.latenciesNs);
	return {
		gateways,
		grantsPerSecond: run.latenciesNs.length / (durationMs / 1000),
		p50Ms: histogram.percentileMs(50),
		p99Ms: histogram.percentileMs(99),
		askedAgain: run.askedAgain,
		histogram: histogram.encode(),
	};
}

async function register(client: pg.Client, url: string, gatewayId: string): Promise<Authority> {
	const { rows } = await client.query<{ reply: { epoch: number } }>("SELECT tollgate.register_gateway($1, $2, 'off', '{}') AS reply", [gatewayId, gatewayId]);
	return createPostgresAuthority({ url, gatewayId, epoch: BigInt(rows[0]?.reply.epoch ?? 0) });
}

type Run = { readonly budgetId: string; endsAtMs: number; readonly latenciesNs: number[]; askedAgain: number };

async function ask(authority: Authority, run: Run): Promise<void> {
	let lease: GrantedItem | undefined;
	while (performance.now() < run.endsAtMs) {
		const startedAtMs = performance.now();
		lease = await grantOnce(authority, run, itemOf(run, lease));
		run.latenciesNs.push((performance.now() - startedAtMs) * 1e6);
	}
}

function itemOf({ budgetId }: Run, lease: GrantedItem | undefined): GrantRequest["items"][number] {
	return { budgetId, windowId: lease?.windowId, leaseGranted: lease?.leaseGranted ?? 0n, idle: 0n, lookahead: NEED_NANO_USD };
}

/** A grant whose lock was not free in time is asked for again, as a gateway does; the wait counts. */
async function grantOnce(authority: Authority, run: Run, item: GrantRequest["items"][number]): Promise<GrantedItem> {
	for (;;) {
		try {
			const reply = await authority.grant({ items: [item], needs: [[NEED_NANO_USD]], wantsClaim: false, isFinal: false });
			if ("isFenced" in reply || reply.served[0] !== true || !reply.items[0]) throw new Error("a grant was refused although the budget holds enough");
			return reply.items[0];
		} catch (error) {
			if (!(error instanceof CostControlError)) throw error;
			run.askedAgain += 1;
		}
	}
}
