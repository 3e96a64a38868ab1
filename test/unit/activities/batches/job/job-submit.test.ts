import { expect, test } from "vitest";
import { createPart, findPart, uploadPart, writeParts } from "#activities/batches/job/job-submit.ts";
import { type JobStandOptions, openJobStand } from "#test/support/batch-job-stand.ts";
import type { CallFault } from "#test/support/scripted-batch-provider.ts";

/** A stand whose parts are written, and the request file of the first handed in. */
async function written(options: JobStandOptions = {}) {
	const stand = openJobStand(options);
	await writeParts(stand.dependencies, stand.batchId);
	await uploadPart(stand.dependencies, { batchId: stand.batchId, part: 1 });
	const input = { batchId: stand.batchId, part: 1 };
	const state = async () => (await stand.store.parts(stand.batchId))[0]?.state;
	return { ...stand, input, state };
}
const first = (fault: CallFault) => {
	const faults: CallFault[] = [fault];
	return { faultOf: (call: string) => (call === "create" ? (faults.shift() ?? "none") : "none") };
};

test("parts are cut by the provider's limits, with our ids and the callers' bodies", async () => {
	const { store, blobs, batchId } = await written({ items: 5, script: { itemsMax: 2 } });
	expect((await store.parts(batchId)).map(({ part, items, token }) => [part, items, token])).toEqual([
		[1, 2, `tollgate-${batchId}-1`],
		[2, 2, `tollgate-${batchId}-2`],
		[3, 1, `tollgate-${batchId}-3`],
	]);
	expect(blobs.lines(`search/batches/${batchId}/part-2.jsonl`).map((line) => JSON.parse(line))).toEqual([
		{ custom_id: "batch1-1-3", method: "POST", url: "/v1/chat/completions", body: { model: "m-1", name: "i-3" } },
		{ custom_id: "batch1-1-4", method: "POST", url: "/v1/chat/completions", body: { model: "m-1", name: "i-4" } },
	]);
});

test("an item of embeddings counts with all of its inputs when parts are cut", async () => {
	const inputs = [3, 1, 1, 4];
	const { store, batchId } = await written({ items: 4, script: { embeddingInputsMax: 4 }, embeddingInputsOf: (n) => inputs[n - 1] ?? 1 });
	expect((await store.parts(batchId)).map(({ items }) => items)).toEqual([2, 1, 1]);
});

test("writing what was written already adds nothing", async () => {
	const { dependencies, store, batchId } = await written({ items: 3 });
	await writeParts(dependencies, batchId);
	expect(await store.parts(batchId)).toHaveLength(1);
});

test("a part is created once: an attempt that stands recorded is not made again", async () => {
	const { dependencies, provider, input, state, store } = await written();
	await store.movePart(input, "submitting", {});
	expect(await createPart(dependencies, { ...input, isClear: false })).toMatchObject({ kind: "unknown" });
	expect(provider.batches.size).toBe(0);
	expect(await createPart(dependencies, { ...input, isClear: true })).toMatchObject({ kind: "said" });
	expect(await state()).toBe("running");
	expect(await createPart(dependencies, { ...input, isClear: true })).toEqual({ kind: "done" });
	expect(provider.batches.size).toBe(1);
});

test("an answer that did not come is an outcome nobody knows, whether or not it was done", async () => {
	for (const fault of ["cutBefore", "cutAfter"] as const) {
		const { dependencies, input, state, provider } = await written({ script: first(fault) });
		expect(await createPart(dependencies, { ...input, isClear: false })).toMatchObject({ kind: "unknown" });
		expect(await state()).toBe("submitting");
		const found = await findPart(dependencies, { ...input, notOurs: [] });
		expect(found).toMatchObject(fault === "cutAfter" ? { kind: "found", isCertain: true, doubles: [] } : { kind: "absent" });
		expect(await state()).toBe(fault === "cutAfter" ? "running" : "submitting");
		expect(provider.calls.filter((call) => call === "create")).toHaveLength(1);
	}
});

test("a word against it is no doubt", async () => {
	const { dependencies, input } = await written({ script: first("overloaded") });
	expect(await createPart(dependencies, { ...input, isClear: false })).toMatchObject({ kind: "refused", isFinal: false });
});

test.each(["upload", "create"] as const)(
	"an account without money is told of where a part is not taken (%s), and that it is over when one is",
	async (call) => {
		const faults: CallFault[] = ["quota", "quota"];
		const faultOf = (asked: string) => (asked === call ? (faults.shift() ?? "none") : "none");
		const { dependencies, batchId, quota, provider, input } = await written({ script: { faultOf } });
		const create = () => createPart(dependencies, { ...input, isClear: true });
		const again = () => (call === "upload" ? uploadPart(dependencies, { batchId, part: 1 }) : create());
		expect(await again()).toMatchObject({ kind: "refused", isFinal: false });
		if (call === "create") expect(await create()).toMatchObject({ kind: "refused", isFinal: false });
		expect(quota).toEqual([1, 2].map(() => expect.objectContaining({ account: "openai", part: 1 })));
		expect(provider.batches.size).toBe(0);
		await again();
		if (call === "upload") await create();
		expect(quota.slice(2)).toEqual([null]);
		expect(provider.batches.size).toBe(1);
	},
);

test("an account without room is not asked, and a batch that is to end sends nothing", async () => {
	const full = await written();
	const limits = { ...full.provider.limits, batchesPerHour: 1 };
	const dependencies = {
		...full.dependencies,
		providerOf: () => Object.assign(Object.create(full.provider) as typeof full.provider, { limits }),
		readLoad: async () => ({ nowMs: 1_000, submittedAtMs: [500], waitingTokens: 0, partTokens: 0 }),
	};
	expect(await createPart(dependencies, { ...full.input, isClear: false })).toMatchObject({ kind: "noRoom", waitMs: 3_599_500 });
	await full.store.askCancel(full.batchId);
	expect(await createPart(full.dependencies, { ...full.input, isClear: false })).toEqual({ kind: "done" });
	expect(full.provider.batches.size).toBe(0);
	expect(await full.state()).toBe("written");
});

test("a process that was stopped between recording and sending does not send", async () => {
	const { dependencies, input, provider } = await written();
	const times = [0, 30_000];
	expect(await createPart({ ...dependencies, now: () => times.shift() ?? 0 }, { ...input, isClear: false })).toMatchObject({ kind: "unknown" });
	expect(provider.batches.size).toBe(0);
});
