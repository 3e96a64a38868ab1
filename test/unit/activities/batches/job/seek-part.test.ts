import { expect, it } from "vitest";
import type { BatchJobDependencies } from "#activities/batches/job/job-port.ts";
import { seekPart } from "#activities/batches/job/seek-part.ts";
import type { BatchProvider, FoundBatch } from "#activities/batches/providers/provider-port.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const HOUR_MS = 3_600_000;
const BEGAN_AT_MS = 1_000_000;
const INPUT = { batchId: "batch_1", part: 1 };

type Shown = { readonly id: string; readonly state?: ProviderBatchStatus["state"]; readonly isCertain?: boolean; readonly names?: readonly string[] | "gone" };

/** Batches that the provider shows for part 1 of batch number 4, which has three items. */
function standOf(shown: readonly Shown[], { afterMs = HOUR_MS, certainly = [] as readonly string[] } = {}) {
	const statusOf = ({ id, state = "ended" }: Shown) => ({ providerBatchId: id, state }) as ProviderBatchStatus;
	const byId = (id: string) => shown.find((each) => each.id === id) as Shown;
	const provider: Partial<BatchProvider> = {
		async find(_, { isOthers }): Promise<FoundBatch[]> {
			return shown.filter(({ id }) => !isOthers(id)).map((each) => ({ status: statusOf(each), isCertain: each.isCertain ?? false }));
		},
		poll: async (id) => statusOf(byId(id)),
		async *results({ providerBatchId }) {
			const { names = [] } = byId(providerBatchId);
			if (names === "gone") throw new CostControlError("provider.results_gone", "the results are gone");
			for (const customId of names) yield { kind: "item", customId, result: { kind: "expired" } };
		},
	};
	return {
		store: {
			read: async () => ({ batchId: "batch_1", number: "4", items: 3, provider: "anthropic", createdAtMs: 0 }),
			parts: async () => [{ part: 1, state: "failed", items: 3, submitBeganAtMs: BEGAN_AT_MS }],
			knownProviderBatches: async () => new Map([...certainly.map((id) => [id, { isCertain: true }] as const), ["taken", { isCertain: false }]]),
		},
		providerOf: () => provider,
		realTime: { wallClockMs: () => BEGAN_AT_MS + afterMs },
	} as unknown as BatchJobDependencies;
}

it("takes what names items of the batch, also where another part took it by its size, and a second one as a double", async () => {
	const ours = ["batch4-1-2", "batch4-1-1"];
	const shown = [
		{ id: "others", names: ["batch5-1-1"] },
		{ id: "taken", names: ours },
		{ id: "gone", names: "gone" },
		{ id: "again", names: ours },
		{ id: "empty" },
	] as const;
	expect(await seekPart(standOf(shown), INPUT)).toMatchObject({ kind: "found", status: { providerBatchId: "taken" }, isCertain: true, doubles: ["again"] });
});

it("asks nothing of what is certainly another part, or failed as a whole", async () => {
	const shown = [
		{ id: "others", names: ["batch4-1-1"] },
		{ id: "failed", state: "failed", names: ["batch4-1-1"] },
	] as const;
	expect(await seekPart(standOf(shown, { certainly: ["others"] }), INPUT)).toEqual({ kind: "absent" });
});

it("waits for what may be it and runs, for a day and an hour after the attempt", async () => {
	const shown = [
		{ id: "running", state: "running" },
		{ id: "late", names: ["batch4-1-1"] },
	] as const;
	await expect(seekPart(standOf(shown), INPUT)).rejects.toMatchObject({
		code: "provider.unreachable",
		message: expect.stringContaining("running may be part 1"),
	});
	expect(await seekPart(standOf(shown, { afterMs: 25 * HOUR_MS }), INPUT)).toMatchObject({ kind: "found", status: { providerBatchId: "late" }, doubles: [] });
	expect(await seekPart(standOf([{ id: "running", state: "running" }], { afterMs: 25 * HOUR_MS }), INPUT)).toEqual({ kind: "absent" });
});

it("believes the metadata of a provider that has them", async () => {
	expect(await seekPart(standOf([{ id: "running", state: "running", isCertain: true }]), INPUT)).toMatchObject({ kind: "found", isCertain: true });
});
