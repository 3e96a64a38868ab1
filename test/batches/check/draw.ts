import type { BatchPlan } from "#simulator/batches/plan.ts";
import type { Random } from "#test/faults/random.ts";
import type { DeferredOrder } from "./deferred-order.ts";
import type { BatchOrder, FaultOrder, Scenario } from "./scenario.ts";
import { COMPONENTS } from "./system.ts";

/** Random batches, and what happens meanwhile. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Beyond the day after which both providers give up what is unfinished. */
const TOO_LONG_MS = 40 * HOUR_MS;
const A_DAY_AND_MORE_MS = 25 * HOUR_MS;
/** Roughly what an item is held at. */
const ITEM_NANO_USD = 200_000;
/** The same at the price of real time. */
const REAL_TIME_NANO_USD = 2 * ITEM_NANO_USD;
/** The longer ones meet batches in every state. */
const CALMS_MS = [200, 2_000, 6_000] as const;
const LONGEST_OUTAGE_MS = 1_500;
/** What is never answered runs out with the first of these days, its second try with another. */
const DAYS_AFTER_MS = [2_000, 17_000, 32_000] as const;

/** Of three keys in five one rule or both. */
const KEY_RULES = [
	{ resubmit: false, relane: false },
	{ resubmit: false, relane: false },
	{ resubmit: true, relane: false },
	{ resubmit: false, relane: true },
	{ resubmit: true, relane: true },
] as const;

/** One team in five hands in items alone. */
const BATCHES_PER_DEFERRED = 4;

export function drawScenario(random: Random, batches: number): Scenario {
	const drawn = { batches: Array.from({ length: batches }, () => drawBatch(random.fork())), faults: drawFaults(random.fork()) };
	return { ...drawn, deferred: Array.from({ length: Math.ceil(batches / BATCHES_PER_DEFERRED) }, () => drawDeferred(random.fork())) };
}

function drawDeferred(random: Random): DeferredOrder {
	const items = random.pick([random.integer(1, 6), random.integer(5, 40), random.integer(30, 120)]);
	return {
		protocol: random.pick(["openai", "anthropic"]),
		items,
		keys: random.integer(1, 3),
		features: random.integer(0, 3),
		users: random.integer(0, 3),
		plan: drawPlan(random),
		failedShare: random.pick([0, 0.05, 0.3]),
		stuckShare: random.pick([0, 0, 0.05]),
		withheldShare: random.pick([0, 0, 0.05]),
		deadlineShare: random.pick([0, 0.5, 1]),
		deadlineMostMs: random.pick([HOUR_MS, 8 * HOUR_MS, 24 * HOUR_MS]),
		batchOnlyShare: random.pick([0, 0.2]),
		cancelledShare: random.pick([0, 0, 0.2]),
		repeatedShare: random.pick([0, 0.3]),
		unnamedShare: random.pick([0, 0, 0.3]),
		withinMs: random.integer(0, 6_000),
		limitNanoUsd: String(Math.ceil(items * REAL_TIME_NANO_USD * (random.share() < 0.3 ? random.pick([0.2, 0.5]) : 100))),
		webhook: random.pick([0, 0.3, 1]),
		refusedWebhookShare: random.pick([0, 0, 0.2]),
	};
}

function drawBatch(random: Random): BatchOrder {
	const items = random.pick([random.integer(1, 8), random.integer(5, 60), random.integer(40, 300)]);
	const drawn = {
		protocol: random.pick<BatchOrder["protocol"]>(["openai", "anthropic"]),
		items,
		plan: drawPlan(random),
		failedShare: random.pick([0, 0.05, 0.3]),
		doubledShare: random.pick([0, 0, 0.1]),
	};
	const limitedTo = random.share() < 0.3 ? random.pick([0.05, 0.2, 0.5, 0.9]) : 100;
	const cancelled = random.share() < 0.15 && { cancelAfterMs: random.integer(0, 4_000) };
	const rules = random.pick(KEY_RULES);
	// It is held at the dearer of both prices.
	const itemNanoUsd = rules.relane ? REAL_TIME_NANO_USD : ITEM_NANO_USD;
	return { ...drawn, limitNanoUsd: String(Math.ceil(items * itemNanoUsd * limitedTo)), ...rules, ...cancelled };
}

/** What the provider does with it: one batch in five does not come back within its day. */
function drawPlan(random: Random): BatchPlan {
	const isLate = random.share() < 0.2;
	const odd = random.pick<BatchPlan>([
		{},
		{},
		{ unordered: true },
		{ duplicateShare: 0.2, unordered: true },
		{ unknownLines: 3 },
		{ unreadableLines: 2 },
		{ truncateTo: 0.6, truncatedReads: 1 },
		{ truncateTo: 0.5 },
		{ missingShare: 0.1 },
		{ resultsGone: true },
		{ failShare: 0.2, failStatus: 500 },
	]);
	return { turnaroundMs: isLate ? TOO_LONG_MS : random.integer(10 * MINUTE_MS, 3 * HOUR_MS), cancelMs: MINUTE_MS, ...odd };
}

/** Faults of the provider's calls from the start, then kills one after the other, sometimes two at once; at the end days pass. */
function drawFaults(random: Random): FaultOrder[] {
	const faults: FaultOrder[] = [{ atMs: 0, kind: "provider", faults: { rates: drawRates(random) } }];
	let atMs = 0;
	for (let kills = random.integer(3, 6); kills > 0; kills -= 1) {
		atMs += random.integer(50, random.pick(CALMS_MS));
		const forMs = random.integer(0, LONGEST_OUTAGE_MS);
		const victims = [...new Set([random.pick(COMPONENTS), ...(random.share() < 0.25 ? [random.pick(COMPONENTS)] : [])])];
		for (const component of victims) faults.push({ atMs, kind: "kill", component, forMs });
		atMs += forMs;
	}
	for (const afterMs of DAYS_AFTER_MS) faults.push({ atMs: atMs + afterMs, kind: "clock", advanceMs: A_DAY_AND_MORE_MS });
	return faults;
}

function drawRates(random: Random): Record<string, Record<string, number>> {
	const share = (): number => random.pick([0, 0.05, 0.15]);
	return {
		upload: { "500": share(), "429": share(), cut: share(), lost: share() },
		create: { "503": share(), "429": share(), cut: share(), lost: share(), late: share() },
		retrieve: { "500": share(), cut: share() },
		list: { "503": share(), lost: share() },
		cancel: { "500": share(), cut: share() },
		content: { "500": share(), cut_content: share(), lost: share() },
	};
}
