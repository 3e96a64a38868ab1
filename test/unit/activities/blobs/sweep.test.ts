import { ApplicationFailure } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { type BlobSweepDependencies, createBlobActivities } from "#activities/blobs/activities.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 26);

/** Blobs by name and age in days, and how a sweep goes over them. */
type Stand = { readonly onDelete?: (key: string) => Promise<void>; readonly neededBodies?: BlobSweepDependencies["neededBodies"] };

function stand(ages: Readonly<Record<string, number>>, { onDelete = async () => undefined, neededBodies = async () => new Set() }: Stand = {}) {
	const left = new Map(Object.entries(ages));
	const atOnce = { now: 0, most: 0 };
	const store: BlobSweepDependencies["store"] = {
		async *list(prefix) {
			for (const [key, days] of [...left]) if (key.startsWith(prefix)) yield { key, writtenAtMs: NOW_MS - days * DAY_MS };
		},
		async delete(key) {
			atOnce.most = Math.max(atOnce.most, ++atOnce.now);
			await onDelete(key).finally(() => {
				atOnce.now -= 1;
			});
			left.delete(key);
		},
		removeLeftovers: async (untouchedForMs) => (untouchedForMs === DAY_MS ? 2 : 0),
	};
	const retention = { keptDays: 30, keptDaysByPurpose: { batches: 7 } };
	const { sweepBlobs } = createBlobActivities({ store, retention, wallClockMs: () => NOW_MS, neededBodies });
	return { left, atOnce, sweep: (most: number) => sweepBlobs({ most }) };
}

describe("a sweep of blobs", () => {
	test("deletes what is past its time, and nothing else", async () => {
		const { sweep, left } = stand({ "a/files/old": 31, "a/files/young": 29, "b/batches/b1/old": 8, "b/batches/b1/young": 6, "b/other/x": 30 });
		expect(await sweep(100)).toEqual({ deleted: 2, leftoversRemoved: 2, isDone: true });
		expect([...left.keys()]).toEqual(["a/files/young", "b/batches/b1/young", "b/other/x"]);
	});

	test("deletes no more than it was told, a few at a time, and the next one goes on", async () => {
		const ages = Object.fromEntries(Array.from({ length: 45 }, (_, index) => [`a/files/f${index}`, 31 + index]));
		const { sweep, left, atOnce } = stand(ages, { onDelete: () => new Promise((resolve) => setImmediate(resolve)) });
		expect(await sweep(20)).toMatchObject({ deleted: 20, isDone: false });
		expect(left.size).toBe(25);
		expect(await sweep(20)).toMatchObject({ deleted: 20, isDone: false });
		expect(await sweep(20)).toMatchObject({ deleted: 5, isDone: true });
		expect([left.size, atOnce.most]).toEqual([0, 8]);
	});

	test("that cannot reach the store is tried again, and finds what is left", async () => {
		let isAway = true;
		const { sweep, left } = stand(
			{ "a/files/f1": 31, "a/files/f2": 31 },
			{
				onDelete: async (key) => {
					if (isAway && key === "a/files/f2") throw new CostControlError("blob.unreachable", "away");
				},
			},
		);
		const failure = await sweep(10).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(ApplicationFailure);
		expect(failure).toMatchObject({ type: "blob.unreachable", nonRetryable: false });
		isAway = false;
		expect(await sweep(10)).toMatchObject({ deleted: 1, isDone: true });
		expect(left.size).toBe(0);
	});

	test("takes bodies of requests that were handed in alone when they are a day old and nobody waits for their answers", async () => {
		const asked: number[] = [];
		const old = Object.fromEntries(Array.from({ length: 501 }, (_, index) => [`a/deferred/d${index}/body`, 2]));
		const { sweep, left } = stand(
			{ ...old, "a/deferred/young/body": 0.9, "a/deferred/d1/body-other": 2, "a/deferred/d1/answer": 29 },
			{
				neededBodies: async (keys) => {
					asked.push(keys.length);
					return new Set(["a/deferred/d1/body", "a/deferred/d500/body"]);
				},
			},
		);
		expect(await sweep(1_000)).toMatchObject({ deleted: 500, isDone: true });
		expect([...left.keys()]).toEqual(["a/deferred/d1/body", "a/deferred/d500/body", "a/deferred/young/body", "a/deferred/d1/answer"]);
		expect(asked).toEqual([500, 2]);
	});

	test("takes no body while nobody can say who waits", async () => {
		const neededBodies = () => Promise.reject(new CostControlError("governance.unreachable", "away"));
		const { sweep, left } = stand({ "a/deferred/d1/body": 2 }, { neededBodies });
		await expect(sweep(10)).rejects.toMatchObject({ type: "governance.unreachable" });
		expect(left.size).toBe(1);
	});
});
