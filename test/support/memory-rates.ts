import type { RateAuthority } from "#activities/limits/port.ts";
import type { RateItem, RateReply, RateRequest } from "#domain/limits/rate-exchange.ts";

type Row = { share: number; idle: number; short: number; shortUntilMs: number; freesAtMs: number | null };

/** The shares of all gateways as tollgate.take_rate keeps them, in memory: for tests of what stands above, and the model its SQL is held to. */
export type MemoryRates = {
	/** One gateway's way to it. Every gateway asked for is live. */
	of(gatewayId: string): RateAuthority & { takeNow(request: RateRequest): RateReply };
	/** Shares of one counter together. */
	shares(counter: string): number;
	/** Thrown by the next exchanges while it is set. */
	problem: Error | undefined;
};

const SHORT_FOR_MS = 2_000;
const IDLE_PART = 10;

export function createMemoryRates(nowMs: () => number = () => performance.now()): MemoryRates {
	const counters = new Map<string, Map<string, Row>>();
	const gateways = new Set<string>();
	const memory: MemoryRates = {
		problem: undefined,
		shares: (counter) => [...(counters.get(counter)?.values() ?? [])].reduce((sum, { share }) => sum + share, 0),
		of(gatewayId) {
			gateways.add(gatewayId);
			const takeNow = (request: RateRequest) => take({ counters, gatewayId, live: gateways.size, nowMs: nowMs() }, request);
			return {
				takeNow,
				takeRates: (request) => (memory.problem === undefined ? Promise.resolve(takeNow(request)) : Promise.reject(memory.problem)),
			};
		},
	};
	return memory;
}

type World = { readonly counters: Map<string, Map<string, Row>>; readonly gatewayId: string; readonly live: number; readonly nowMs: number };

function take(world: World, { asks, needs }: RateRequest): RateReply {
	const { counters, gatewayId, live, nowMs } = world;
	const others = (counter: string) => [...(counters.get(counter) ?? [])].filter(([id]) => id !== gatewayId).map(([, row]) => row);
	const free = asks.map(({ counter, limit, share }) => Math.max(0, limit - share - others(counter).reduce((sum, row) => sum + row.share, 0)));
	const used = asks.map(() => 0);
	const short = asks.map(() => 0);
	const served = needs.map((row) => {
		const left = (index: number) => (asks[index]?.idle ?? 0) + (free[index] ?? 0) - (used[index] ?? 0);
		const fits = row.every((need, index) => need === 0 || need <= left(index));
		for (const [index, need] of row.entries()) {
			if (fits) used[index] = (used[index] ?? 0) + need;
			else if (short[index] === 0 && need > left(index)) short[index] = need - Math.max(0, left(index));
		}
		return fits;
	});
	for (const [index, ask] of asks.entries()) {
		const spent = used[index] ?? 0;
		const isWanted = others(ask.counter).some((row) => row.short > 0 && row.shortUntilMs > nowMs);
		let raise = Math.max(0, spent - ask.idle);
		const spare = Math.floor(ask.limit / (IDLE_PART * live)) - Math.max(0, ask.idle - spent);
		if (!isWanted && short[index] === 0) raise += Math.max(0, Math.min(ask.lookahead, spare, (free[index] ?? 0) - raise));
		const rows = counters.get(ask.counter) ?? new Map<string, Row>();
		counters.set(ask.counter, rows);
		const lacks = short[index] ?? 0;
		rows.set(gatewayId, {
			share: ask.share + raise,
			idle: Math.max(0, ask.idle + raise - spent),
			short: lacks,
			shortUntilMs: lacks > 0 ? nowMs + SHORT_FOR_MS : Number.NEGATIVE_INFINITY,
			freesAtMs: ask.freesInMs === null ? null : nowMs + ask.freesInMs,
		});
	}
	const wanted = [...counters.keys()]
		.filter((counter) => (counters.get(counter)?.get(gatewayId)?.share ?? 0) > 0 && others(counter).some((row) => row.short > 0 && row.shortUntilMs > nowMs))
		.map((counter) => ({ counter, holders: holdersOf(world, counter) }));
	return { served, items: asks.map(({ counter }) => itemOf(world, counter, others(counter))), live, wanted };
}

function itemOf(world: World, counter: string, others: readonly Row[]): RateItem {
	const sum = (read: (row: Row) => number) => others.reduce((total, row) => total + read(row), 0);
	const frees = others.flatMap(({ freesAtMs }) => (freesAtMs === null ? [] : [freesAtMs - world.nowMs]));
	return {
		share: world.counters.get(counter)?.get(world.gatewayId)?.share ?? 0,
		others: sum(({ share }) => share),
		othersIdle: sum(({ idle }) => idle),
		othersShort: sum(({ short, shortUntilMs }) => (shortUntilMs > world.nowMs ? short : 0)),
		holders: holdersOf(world, counter),
		freesInMs: frees.length === 0 ? null : Math.floor(Math.min(...frees)),
	};
}

function holdersOf({ counters, nowMs }: World, counter: string): number {
	return [...(counters.get(counter)?.values() ?? [])].filter(({ share, shortUntilMs }) => share > 0 || shortUntilMs > nowMs).length;
}
