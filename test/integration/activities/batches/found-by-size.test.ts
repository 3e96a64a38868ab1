import { afterEach, beforeEach, expect, test } from "vitest";
import type { BatchJobActivities } from "#activities/batches/job/job-activities.ts";
import { RealTimeStand } from "#test/support/real-time-stand.ts";
import type { CallFault, ProviderScript } from "#test/support/scripted-batch-provider.ts";

/** Batches of two teams' jobs that look alike to a provider without metadata: whose each is shows in its results, by our own ids. */
let stand: RealTimeStand;
/** Of the next creations, in their order. */
let faults: CallFault[];
/** Within the creation that is under way, when the provider has made it. */
let onCreated: () => Promise<void>;
beforeEach(async () => {
	stand = await RealTimeStand.open();
	faults = [];
	onCreated = async () => undefined;
});
afterEach(() => stand?.close());

const RULES = { mayResubmit: false, mayRelane: false };

function openActivities(script: ProviderScript = {}): BatchJobActivities {
	const faultOf = (call: string): CallFault => (call === "create" ? (faults.shift() ?? "none") : "none");
	const onMade = (): Promise<void> => onCreated();
	return stand.activities({ script: { hasMetadata: false, isForgotten: true, ...script, faultOf, onMade } });
}

const created = { part: 1, isClear: false };
const sought = { part: 1, notOurs: [] };

async function written(activities: BatchJobActivities): Promise<string> {
	const batchId = await stand.heldOfCaller(["Hello", "Hello"], RULES);
	await activities.writeBatchParts({ batchId });
	await activities.uploadBatchPart({ batchId, part: 1 });
	return batchId;
}

async function expectPaidOnce(batchIds: readonly string[]): Promise<void> {
	for (const batchId of batchIds) {
		expect((await stand.outcomes(batchId)).map(({ outcome }) => outcome)).toEqual(["succeeded", "succeeded"]);
		expect(await stand.findings(batchId)).toEqual([]);
	}
	const entries = (await Promise.all(batchIds.map((batchId) => stand.deferred.batches.entries(batchId)))).flat();
	expect(entries.map(({ attempt_id }) => attempt_id).sort()).toEqual(stand.provider.billed.toSorted());
	expect(entries.map(({ outcome }) => outcome)).toEqual(entries.map(() => "settled"));
}

test("one whose creation is answered is its own, although another job took it for the one it looks for", async () => {
	const activities = openActivities();
	const [lost, answered] = [await written(activities), await written(activities)];
	faults = ["cutBefore"];
	expect((await activities.createBatchPart({ batchId: lost, ...created })).outcome).toMatchObject({ kind: "unknown" });
	onCreated = async () => {
		onCreated = async () => undefined;
		expect((await activities.findBatchPart({ batchId: lost, ...sought })).outcome).toMatchObject({ kind: "found", isCertain: false });
	};
	expect((await activities.createBatchPart({ batchId: answered, ...created })).outcome).toMatchObject({ kind: "said" });
	await stand.drive(answered, activities);
	await stand.drive(lost, activities);
	await expectPaidOnce([lost, answered]);
});

test("one that was taken for another, and is known as that by now, is asked after no more; not even when its owner has read and deleted it", async () => {
	const activities = openActivities();
	const [lost, answered] = [await written(activities), await written(activities)];
	faults = ["cutBefore"];
	await activities.createBatchPart({ batchId: lost, ...created });
	onCreated = async () => {
		onCreated = async () => undefined;
		await activities.findBatchPart({ batchId: lost, ...sought });
	};
	await activities.createBatchPart({ batchId: answered, ...created });
	const [part] = await stand.deferred.batches.store.parts(lost);
	const foreign = { kind: "foreign", providerBatchId: part?.providerBatchId };
	const asked = stand.provider.calls.length;
	expect((await activities.pollBatchPart({ batchId: lost, part: 1 })).outcome).toEqual(foreign);
	expect(stand.provider.calls.length).toBe(asked);
	const status = await stand.provider.poll(foreign.providerBatchId ?? "");
	await stand.drive(answered, activities);
	const reading = { part: 1, status: { ...status, state: "ended" } as const, reading: 1, isLast: false, mayGoAgain: true };
	expect((await activities.collectBatchPart({ batchId: lost, ...reading })).outcome).toEqual(foreign);
	await stand.drive(lost, activities);
	await expectPaidOnce([lost, answered]);
});

test("one that shows only after it was given up is told by its results before its batch ends, and what it billed is booked beside", async () => {
	const activities = openActivities({ hiddenLooks: 3 });
	const batchId = await written(activities);
	faults = ["cutAfter"];
	await activities.createBatchPart({ batchId, ...created });
	const kinds: string[] = [];
	await stand.drive(batchId, activities, ({ kind }) => void kinds.push(kind));
	// While it runs its batch waits for it.
	expect(kinds.filter((kind) => kind === "seek").length).toBe(2);
	await expectPaidOnce([batchId]);
	expect(stand.provider.billed.length).toBe(4);
});

test("two that were each taken for the other come to whose they are", async () => {
	const activities = openActivities();
	const [first, second] = [await written(activities), await written(activities)];
	faults = ["cutAfter", "cutAfter"];
	for (const batchId of [first, second]) await activities.createBatchPart({ batchId, ...created });
	// Of equals the one that is listed first.
	const taken: string[] = [];
	for (const batchId of [second, first]) {
		const { outcome } = await activities.findBatchPart({ batchId, ...sought });
		taken.push(outcome.kind === "found" ? outcome.status.providerBatchId : outcome.kind);
	}
	// What nobody took yet is likelier.
	expect(taken).toEqual([...stand.provider.batches.keys()].slice(-2));
	await stand.drive(first, activities);
	await stand.drive(second, activities);
	await expectPaidOnce([first, second]);
	expect(stand.provider.billed.length).toBe(4);
});
