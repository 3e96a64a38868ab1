import type pg from "pg";
import type { Authority } from "#activities/authority/port.ts";
import { createPostgresAuthority } from "#activities/authority/postgres.ts";
import { copyDatabase, fillStore, withClient } from "../lanes/store.ts";
import { textTable } from "../output/text-table.ts";
import { LatencyHistogram } from "../statistics/latency-histogram.ts";
import type { Measurement } from "./measurement.ts";

const GATEWAYS = [1, 5, 20, 64] as const;
const NEED_NANO_USD = 1_000_000n;

/** How long a grant takes when so many gateways ask for money of one team at the same time, each as soon as it was answered. */
export const leaseGrants: Measurement = {
	name: "lease grants",
	isLong: false,
	async run({ context }, isQuick) {
		const url = await copyDatabase(context.postgresUrl, context.templateDatabase, "lease-grants");
		await fillStore(url, { budgets: 1 });
		const budgetId = await withClient(url, async (client) => (await client.query<{ id: string }>("SELECT id::text FROM tollgate.budget")).rows[0]?.id ?? "");
		const data = [];
		for (const gateways of GATEWAYS) data.push(await measure({ url, budgetId, gateways, durationMs: isQuick ? 600 : 10_000 }));
		const rows = data.map(({ gateways, grantsPerSecond, p50Ms, p99Ms }) => [String(gateways), grantsPerSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2)]);
		return { data, lines: ["lease grants of one team, all gateways asking at once", ...textTable(["gateways", "grants/s", "p50 ms", "p99 ms"], rows)] };
	},
};

type Plan = { readonly url: string; readonly budgetId: string; readonly gateways: number; readonly durationMs: number };

async function measure({ url, budgetId, gateways, durationMs }: Plan) {
	const askers = await withClient(url, async (client) => {
		const registered: Authority[] = [];
		for (let index = 0; index < gateways; index += 1) registered.push(await register(client, url, `asker${gateways}_${index}`));
		return registered;
	});
	const latenciesNs: number[] = [];
	const endsAtMs = performance.now() + durationMs;
	try {
		await Promise.all(askers.map((authority) => ask(authority, { budgetId, endsAtMs, latenciesNs })));
	} finally {
		await Promise.all(askers.map((authority) => authority.close()));
	}
	const histogram = LatencyHistogram.of(latenciesNs);
	return {
		gateways,
		grantsPerSecond: latenciesNs.length / (durationMs / 1000),
		p50Ms: histogram.percentileMs(50),
		p99Ms: histogram.percentileMs(99),
		histogram: histogram.encode(),
	};
}

async function register(client: pg.Client, url: string, gatewayId: string): Promise<Authority> {
	const { rows } = await client.query<{ reply: { epoch: number } }>("SELECT tollgate.register_gateway($1, $2, 'off', '{}') AS reply", [gatewayId, gatewayId]);
	return createPostgresAuthority({ url, gatewayId, epoch: BigInt(rows[0]?.reply.epoch ?? 0) });
}

async function ask(authority: Authority, run: { budgetId: string; endsAtMs: number; latenciesNs: number[] }): Promise<void> {
	let [windowId, leaseGranted]: [string | undefined, bigint] = [undefined, 0n];
	while (performance.now() < run.endsAtMs) {
		const startedAtMs = performance.now();
		const items = [{ budgetId: run.budgetId, windowId, leaseGranted, idle: 0n, lookahead: NEED_NANO_USD }];
		const reply = await authority.grant({ items, needs: [[NEED_NANO_USD]], wantsClaim: false, isFinal: false });
		run.latenciesNs.push((performance.now() - startedAtMs) * 1e6);
		if ("isFenced" in reply || reply.served[0] !== true) throw new Error("a grant was refused although the budget holds enough");
		windowId = reply.items[0]?.windowId;
		leaseGranted = reply.items[0]?.leaseGranted ?? 0n;
	}
}
