import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CostControl, type DeferredBatch, type DeferredResult } from "#clients/index.ts";
import { type PlayedGateway, startPlayedGateway } from "#test/support/played-deferred.ts";

/** What becomes of items that were handed in, as the client finds it out; the gateway's side is played. */

let gateway: PlayedGateway;
let costControl: CostControl;

beforeEach(async () => {
	gateway = await startPlayedGateway();
	costControl = new CostControl({ baseUrl: gateway.url, key: "tg-test" });
});
afterEach(() => gateway.close());

function submit(count: number, from = 0): Promise<DeferredBatch> {
	const items = Array.from({ length: count }, (_, n) => ({ id: `item-${n + from}`, endpoint: "embeddings" as const, body: { model: "small", input: `${n}` } }));
	return costControl.batch.submit({ items, deadline: "6h" });
}

async function collect(batch: DeferredBatch, onEach: (result: DeferredResult) => void = () => undefined): Promise<DeferredResult[]> {
	const results: DeferredResult[] = [];
	for await (const result of batch.results()) {
		results.push(result);
		onEach(result);
	}
	return results;
}

const idsOf = (results: readonly DeferredResult[]) => results.map(({ id }) => id);
const theirs = (batch: DeferredBatch, id: string): string => batch.ids.get(id) ?? `no ${id}`;
const waits = () => expect.poll(() => gateway.waiting());
const reads = () => gateway.requests.filter(({ method, path }) => method === "GET" && /^\/v1\/deferred\/[^/]+$/.test(path));

describe("a few items", () => {
	test("are waited for, and given once each in the order in which they end", async () => {
		const batch = await submit(3);
		const collected = collect(batch, ({ id }) => id === "item-2" && gateway.end(theirs(batch, "item-0"), { is_late: true }));
		await waits().toBe(3);
		gateway.end(theirs(batch, "item-1"));
		await waits().toBe(2);
		gateway.end(theirs(batch, "item-2"), { status: "failed", answer: { status_code: 400, body: { error: { code: "unknown" } } } });
		const results = await collected;
		expect(idsOf(results)).toEqual(["item-1", "item-2", "item-0"]);
		expect(results).toEqual([
			{
				...{ id: "item-1", deferredId: theirs(batch, "item-1"), status: "succeeded", statusCode: 200, lane: "batch", costNanoUsd: "500", isLate: false },
				body: { echo: { model: "small", input: "1" } },
			},
			expect.objectContaining({ id: "item-2", status: "failed", statusCode: 400, body: { error: { code: "unknown" } }, costNanoUsd: "0" }),
			expect.objectContaining({ id: "item-0", isLate: true }),
		]);
		expect(gateway.requests.filter(({ path }) => path === "/v1/deferred")).toHaveLength(0);
	});

	test("are waited for over a gateway that is away, and one that answers before its time", async () => {
		const batch = await submit(1);
		let asked = 0;
		gateway.interfere = () => {
			asked += 1;
			if (asked === 1) return { status: 503 };
			if (asked === 2) return "lose";
			if (asked > 3) gateway.end(theirs(batch, "item-0"));
			const { id, status } = { id: theirs(batch, "item-0"), status: "running" };
			return asked === 3 ? { status: 200, body: { id, status, lane: null, is_late: false, cost_nano_usd: null, answer: null } } : undefined;
		};
		expect(idsOf(await collect(batch))).toEqual(["item-0"]);
	});

	test("whoever takes no more leaves no request behind", async () => {
		const batch = await submit(4);
		gateway.end(theirs(batch, "item-3"));
		for await (const { id } of batch.results()) {
			expect(id).toBe("item-3");
			await waits().toBe(3);
			break;
		}
		await waits().toBe(0);
	});

	test("wait() has all of them in the order of the items, and its end is the signal's or that of its time", async () => {
		const batch = await submit(3);
		gateway.end(theirs(batch, "item-2"));
		await expect(batch.wait({ timeoutMs: 100 })).rejects.toMatchObject({ name: "TimeoutError" });
		await expect(batch.wait({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
		await waits().toBe(0);
		gateway.end(theirs(batch, "item-1"));
		gateway.end(theirs(batch, "item-0"));
		expect(idsOf(await batch.wait())).toEqual(["item-0", "item-1", "item-2"]);
		// Answers are kept: they may be asked for again.
		expect(idsOf(await batch.wait())).toEqual(["item-0", "item-1", "item-2"]);
	});

	test("none are waited for where none were taken", async () => {
		expect(await (await submit(0)).wait()).toEqual([]);
		expect(gateway.requests).toHaveLength(0);
	});
});

describe("many items", () => {
	test("are found by pages of the list, among others of the team, and each answer is read once", async () => {
		await submit(150, 10_000);
		const batch = await submit(250);
		await submit(150, 20_000);
		const early = gateway.items.filter((_, n) => n % 3 === 0);
		for (const { id } of early) gateway.end(id);
		const ours = new Set(batch.ids.values());
		let given = 0;
		const results = await collect(batch, () => {
			given += 1;
			if (given === early.filter(({ id }) => ours.has(id)).length) for (const { id } of gateway.items) gateway.end(id);
		});
		expect(idsOf(results).sort()).toEqual([...batch.ids.keys()].sort());
		const earlyIds = new Set(early.map(({ id }) => id));
		const places = results.map(({ deferredId }) => earlyIds.has(deferredId));
		expect(places.lastIndexOf(true)).toBeLessThan(places.indexOf(false));
		expect(reads()).toHaveLength(250);
		const pages = gateway.requests.filter(({ path }) => path === "/v1/deferred");
		// Twice through 400 items; the second time those that came after the newest open one are left out.
		expect(pages.length).toBeLessThanOrEqual(8);
		expect(gateway.requests.filter(({ path }) => path.endsWith("/wait"))).toHaveLength(0);
	});

	test("a page has its second: what is open is not asked about all the time", async () => {
		// Four pages, and so four seconds to the next look; the back-off alone would be two.
		const batch = await submit(350);
		const looked = collect(batch);
		const pages = () => gateway.requests.filter(({ path }) => path === "/v1/deferred").map(({ atMs }) => atMs);
		await expect.poll(() => pages().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(5);
		const [first, , , , fifth] = pages();
		expect((fifth ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(3_990);
		expect(reads()).toHaveLength(0);
		for (const { id } of gateway.items) gateway.end(id);
		expect(await looked).toHaveLength(350);
	}, 20_000);

	test("are not read ahead of whoever takes them", async () => {
		const batch = await submit(100);
		for (const { id } of gateway.items) gateway.end(id);
		let given = 0;
		let most = 0;
		for await (const { status } of batch.results()) {
			expect(status).toBe("succeeded");
			given += 1;
			most = Math.max(most, reads().length - given);
		}
		expect(given).toBe(100);
		expect(most).toBeLessThanOrEqual(8);
	});
});

describe("what cannot be read", () => {
	test("keeps none of the others back, and is told in the end", async () => {
		const known = await submit(12);
		for (const { id } of gateway.items) gateway.end(id);
		const gone = [`deferred_${"a".repeat(24)}`, `deferred_${"b".repeat(24)}`] as const;
		const batch = costControl.batch.resume([...known.ids, ["gone-1", gone[0]], ["gone-2", gone[1]]]);
		const results: DeferredResult[] = [];
		const reading = (async () => {
			for await (const result of batch.results()) results.push(result);
		})();
		const error = await reading.catch((thrown: unknown) => thrown);
		expect(error).toMatchObject({ code: "deferred.missing", message: expect.stringContaining("1 other") as string });
		expect(idsOf(results).sort()).toEqual([...known.ids.keys()].sort());
	});

	test("a key that is revoked ends the reading at once", async () => {
		const batch = await submit(2);
		gateway.interfere = () => ({ status: 401, body: { error: { code: "key.revoked", message: "revoked" } } });
		await expect(batch.wait()).rejects.toMatchObject({ code: "key.revoked" });
	});
});

describe("cancel", () => {
	test("asks for the end of each, passes over those that are gone, and results tell how each ended", async () => {
		const known = await submit(40);
		gateway.end(theirs(known, "item-7"));
		const batch = costControl.batch.resume(new Map([...known.ids, ["gone", `deferred_${"c".repeat(24)}`]]));
		let failed = 0;
		gateway.interfere = () => (failed++ === 0 ? { status: 503 } : undefined);
		await batch.cancel();
		expect(gateway.items.filter(({ status }) => status === "cancelled")).toHaveLength(39);
		const results = await known.wait();
		expect(results[7]).toMatchObject({ id: "item-7", status: "succeeded" });
		expect(results[8]).toMatchObject({ status: "cancelled", statusCode: null, body: null, costNanoUsd: "0" });
	});
});

describe("resume", () => {
	test("goes on with what another process kept", async () => {
		const kept = JSON.stringify(Object.fromEntries((await submit(2)).ids));
		for (const { id } of gateway.items) gateway.end(id);
		const batch = new CostControl({ baseUrl: gateway.url, key: "tg-test" }).batch.resume(JSON.parse(kept) as Record<string, string>);
		expect(idsOf(await batch.wait())).toEqual(["item-0", "item-1"]);
		expect(batch.refused).toEqual([]);
	});

	test.each([[{ a: "batch_1" }], [{ a: "" }], [{ a: `deferred_${"a".repeat(24)}`, b: `deferred_${"a".repeat(24)}` }]])("refuses %j", (ids) => {
		expect(() => costControl.batch.resume(ids)).toThrow(RangeError);
	});
});
