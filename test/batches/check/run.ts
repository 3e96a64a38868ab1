import type { BatchPlan } from "#simulator/batches/plan.ts";
import type { Random } from "#test/faults/random.ts";
import { Broken } from "#test/govern/broken.ts";
import { type Caller, type Delivered, type Item, openCaller, Refused, type SeenBatch } from "./caller.ts";
import type { BatchOrder } from "./scenario.ts";
import type { BatchSystem } from "./system.ts";

/** A batch that its caller has back; `prefix` begins the ids of what was handed in. */
export type Returned = { readonly batch: SeenBatch; readonly lines: readonly Delivered[] };

/** One order as it went; each has a team of its own. */
export type Run = {
	readonly order: BatchOrder;
	readonly teamId: string;
	/** Numbers of items that were handed in, by the beginning of their ids: what a budget refuses is handed in again, halved. */
	readonly handedIn: ReadonlyMap<string, number>;
	readonly refusals: number;
	readonly returned: readonly Returned[];
};

const ENDS_WITHIN_MS = 300_000;
const LOOK_AGAIN_MS = 300;

/** An order, the team that is made for it, and its dice. */
export type Ordered = { readonly order: BatchOrder; readonly team: { readonly teamId: string; readonly key: string }; readonly random: Random };

/** A team that makes its batch, perhaps cancels it, waits until everything of it has ended, and reads all that came back. */
export async function performRun(system: BatchSystem, { order, team: { teamId, key }, random }: Ordered): Promise<Run> {
	const caller = openCaller(order.protocol, { key, urls: system.gatewayUrls, random: random.fork() });
	const handedIn = new Map<string, number>();
	const made = await handIn(caller, { order, teamId, handedIn, random });
	if (made.batchId !== undefined && order.cancelAfterMs !== undefined) {
		await after(order.cancelAfterMs);
		await caller.cancel(made.batchId);
	}
	const returned: Returned[] = [];
	for (const batch of await ended(caller, teamId)) returned.push({ batch, lines: await caller.download(batch) });
	if (made.batchId !== undefined && !returned.some(({ batch }) => batch.batchId === made.batchId))
		throw new Broken(`${teamId} was given the batch ${made.batchId}, and its list has none of that name`);
	return { order, teamId, handedIn, refusals: made.refusals, returned };
}

type HandingIn = { readonly order: BatchOrder; readonly teamId: string; readonly handedIn: Map<string, number>; readonly random: Random };

/** Half as much where the budget says no, until there is nothing to halve. */
async function handIn(caller: Caller, { order, teamId, handedIn, random }: HandingIn): Promise<{ readonly batchId?: string; readonly refusals: number }> {
	let refusals = 0;
	for (let count = order.items; count >= 1; count = Math.floor(count / 2)) {
		const prefix = `${teamId}_${refusals}-`;
		handedIn.set(prefix, count);
		try {
			return { batchId: await caller.create(itemsOf(order, { prefix, count, random })), refusals };
		} catch (error) {
			if (!(error instanceof Refused)) throw error;
			refusals += 1;
		}
	}
	return { refusals };
}

function itemsOf(
	{ plan, failedShare, doubledShare, relane }: BatchOrder,
	given: { readonly prefix: string; readonly count: number; readonly random: Random },
): Item[] {
	const { prefix, count, random } = given;
	// In real time one that is always told to come later is called for a day.
	const statuses = relane ? [400, 500] : [400, 429, 500];
	return Array.from({ length: count }, (_, index) => {
		const drawn = random.share();
		const outputTokens = random.integer(1, 20);
		const fault = drawn < failedShare ? { status: random.pick(statuses) } : drawn < failedShare + doubledShare ? { fault: "duplicate_chunk" } : {};
		const ofBatch = index === 0 ? `[[simulate-batch:${JSON.stringify(plan satisfies BatchPlan)}]]` : "";
		return { customId: `${prefix}${index + 1}`, text: `question ${index + 1} [[simulate:${JSON.stringify({ outputTokens, ...fault })}]]${ofBatch}` };
	});
}

/** The team's batches once all have ended. */
async function ended(caller: Caller, teamId: string): Promise<SeenBatch[]> {
	const deadlineMs = performance.now() + ENDS_WITHIN_MS;
	for (;;) {
		const batches = await caller.list();
		const open = batches.filter(({ hasEnded }) => !hasEnded);
		if (open.length === 0) return batches;
		if (performance.now() > deadlineMs) throw new Broken(`${teamId}: not ended after ${ENDS_WITHIN_MS} ms: ${open.map(({ batchId }) => batchId).join()}`);
		await after(LOOK_AGAIN_MS);
	}
}

function after(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
