import { isDeepStrictEqual } from "node:util";
import type { Random } from "#test/faults/random.ts";
import { Broken } from "#test/govern/broken.ts";
import { DeferredCaller, FINAL, type SeenDeferred } from "./deferred-caller.ts";
import { type DeferredItem, type DeferredOrder, drawItems } from "./deferred-order.ts";
import type { BatchSystem } from "./system.ts";

/** An item that was accepted, under the id of each time it was handed in, and as it was read when it had ended. */
export type AcceptedItem = { readonly item: DeferredItem; readonly ids: readonly string[]; readonly seen: SeenDeferred };

/** One order as it went; each has a team of its own. */
export type DeferredRun = {
	readonly order: DeferredOrder;
	readonly teamId: string;
	readonly accepted: readonly AcceptedItem[];
	readonly refused: readonly DeferredItem[];
	/** Of which no caller has the id: their answer was lost, and they had no Idempotency-Key. */
	readonly unheard: readonly SeenDeferred[];
	/** Answers to those without an Idempotency-Key that were lost. */
	readonly lostAnswers: number;
	/** Reads the record of an item again, from any gateway. */
	read(id: string): Promise<SeenDeferred>;
};

export type OrderedDeferred = {
	readonly order: DeferredOrder;
	/** `keys`: as many as the order says. */
	readonly team: { readonly teamId: string; readonly keys: readonly string[] };
	readonly random: Random;
};

const ENDS_WITHIN_MS = 300_000;
const LOOK_AGAIN_MS = 500;
const WAIT_SECONDS = 1;
/** Share of looks that are spent on the wait for one item. */
const WAITING_SHARE = 0.3;

type Told = { readonly item: DeferredItem; readonly ids: readonly string[]; readonly lostAnswers: number };

/** A team that hands in its items at their times, cancels some, waits until all of them have ended, and reads every one. */
export async function performDeferredRun(system: BatchSystem, { order, team: { teamId, keys }, random }: OrderedDeferred): Promise<DeferredRun> {
	const caller = new DeferredCaller(order.protocol, { keys, urls: system.gatewayUrls, random: random.fork() });
	const items = drawItems(order, teamId, random.fork());
	const startedAtMs = performance.now();
	const told = await Promise.all(
		items.map(async (item) => {
			await after(startedAtMs + item.atMs - performance.now());
			return handIn(caller, item);
		}),
	);
	const listed = await allEnded(caller, { teamId, random });
	const read = (id: string): Promise<SeenDeferred> => caller.read(id);
	const accepted: AcceptedItem[] = [];
	for (const { item, ids } of told) {
		const [id] = ids;
		if (id === undefined) continue;
		if (!listed.has(id)) throw new Broken(`${teamId} was given ${id} for ${item.name}, and its list has none of that name`);
		accepted.push({ item, ids, seen: await read(id) });
	}
	const known = new Set(accepted.flatMap(({ ids }) => ids));
	const unheard: SeenDeferred[] = [];
	for (const id of listed.keys()) if (!known.has(id)) unheard.push(await read(id));
	const refused = told.filter(({ ids }) => ids.length === 0).map(({ item }) => item);
	const lostAnswers = told.reduce((sum, each) => sum + (each.item.hasIdempotencyKey ? 0 : each.lostAnswers), 0);
	return { order, teamId, accepted, refused, unheard, lostAnswers, read };
}

/**
 * The same once everything is over: what it cost may have grown by tries that came later. What has ended stays as it was, whichever gateway
 * is asked. Rejects with Broken where it does not.
 */
export async function readAgain(run: DeferredRun): Promise<DeferredRun> {
	const same = async (seen: SeenDeferred): Promise<SeenDeferred> => {
		const again = await run.read(seen.id);
		if (!isSame(again, seen)) throw new Broken(`${seen.id} was ${JSON.stringify(seen)}, and afterwards it is ${JSON.stringify(again)}`);
		return again;
	};
	const accepted: AcceptedItem[] = [];
	for (const each of run.accepted) accepted.push({ ...each, seen: await same(each.seen) });
	const unheard: SeenDeferred[] = [];
	for (const seen of run.unheard) unheard.push(await same(seen));
	return { ...run, accepted, unheard };
}

/** `lane` is that of the try that answered. */
function isSame(one: SeenDeferred, other: SeenDeferred): boolean {
	const said = ({ status, lane, answeredAtMs, isLate, digest }: SeenDeferred): unknown[] => [status, lane, answeredAtMs, isLate, digest];
	return isDeepStrictEqual(said(one), said(other));
}

async function handIn(caller: DeferredCaller, item: DeferredItem): Promise<Told> {
	const first = await caller.handIn(item);
	if (first.id === undefined) return { item, ids: [], lostAnswers: first.lostAnswers };
	// Only with a key is it the same item.
	const again = item.isRepeated && item.hasIdempotencyKey ? await caller.handIn(item) : undefined;
	if (item.cancelAfterMs !== null) {
		await after(item.cancelAfterMs);
		await caller.cancel(first.id);
	}
	// Whatever the second one was told: an item that was taken is not refused.
	const second = again && (again.id ?? "none, since its budget refused it");
	return { item, ids: [first.id, ...(second === undefined ? [] : [second])], lostAnswers: first.lostAnswers };
}

/** The team's items by id once all have ended. */
async function allEnded(caller: DeferredCaller, { teamId, random }: { readonly teamId: string; readonly random: Random }): Promise<Map<string, string>> {
	const deadlineMs = performance.now() + ENDS_WITHIN_MS;
	for (;;) {
		const listed = await caller.list();
		const open = [...listed].filter(([, status]) => !FINAL.includes(status));
		const [first] = open;
		if (first === undefined) return listed;
		if (performance.now() > deadlineMs) {
			const named = open.slice(0, 5).map(([id, status]) => `${id} is ${status}`);
			throw new Broken(`${teamId}: ${open.length} items not ended after ${ENDS_WITHIN_MS} ms: ${named.join(", ")}`);
		}
		if (random.share() < WAITING_SHARE) await caller.wait(first[0], WAIT_SECONDS);
		else await after(LOOK_AGAIN_MS);
	}
}

function after(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, Math.max(ms, 0)));
}
