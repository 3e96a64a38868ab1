import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BatchProvider, PartToSubmit } from "#activities/batches/providers/provider-port.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { collect, type OpenedWire, openOnWire, partOf, wireSettings } from "#test/support/batch-wire.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** One suite for both providers of batches, against the simulated provider: what a workflow may expect of a BatchProvider. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let simulator: SimulatedProvider;
let opened: Record<"openai" | "anthropic", OpenedWire>;

beforeAll(async () => {
	simulator = await startSimulatedProvider();
	opened = { openai: openOnWire(wireSettings("openai", simulator.url)), anthropic: openOnWire(wireSettings("anthropic", simulator.url)) };
});
afterAll(async () => {
	await Promise.all([opened?.openai.providers.close(), opened?.anthropic.providers.close()]);
	await simulator?.close();
});

const chat = { model: "gpt-4o", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
const message = { model: "claude-sonnet-5", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
const LINE = {
	openai: (customId: string) => JSON.stringify({ custom_id: customId, method: "POST", url: "/v1/chat/completions", body: chat }),
	anthropic: (customId: string) => JSON.stringify({ custom_id: customId, params: message }),
};

const control = (path: string, body: object): Promise<Record<string, unknown>> => simulator.control(path as Parameters<SimulatedProvider["control"]>[0], body);
const pass = (advanceMs: number): Promise<unknown> => control("batches/clock", { advanceMs });
const plan = (wanted: object): Promise<unknown> => control("batches/plan", { plan: { turnaroundMs: HOUR_MS, ...wanted }, next: 1 });
const faults = (...next: object[]): Promise<unknown> => control("batches/faults", { next });

describe.each(["openai", "anthropic"] as const)("%s", (protocol) => {
	let provider: BatchProvider;
	let part: PartToSubmit;
	let ids: string[];
	let run = 0;

	beforeEach(() => {
		provider = opened[protocol].provider;
		run += 1;
		// Each run has a size of its own, by which a message batch is found.
		ids = Array.from({ length: 4 + run }, (_, n) => `batch${protocol === "openai" ? 1 : 2}${run}-1-${n + 1}`);
		part = partOf(ids.map(LINE[protocol]), { endpoint: protocol === "openai" ? "chat.completions" : "messages", token: `tollgate-${protocol}-${run}` });
	});

	const uploaded = async (): Promise<PartToSubmit> => ({ ...part, providerFileId: await provider.upload(part) });
	const submit = async (wanted: object = {}): Promise<ProviderBatchStatus> => {
		await plan(wanted);
		return provider.create(await uploaded());
	};
	const find = (): ReturnType<BatchProvider["find"]> => provider.find(part, { sinceMs: Date.now(), isOthers: () => false });
	const billed = (): string[] => simulator.calls().flatMap(({ attemptId }) => (attemptId !== null && ids.includes(attemptId) ? [attemptId] : []));
	const ended = async (id: string): Promise<ProviderBatchStatus> => {
		const status = await provider.poll(id);
		expect(status.state).toBe("ended");
		return status;
	};
	const kindsOf = async (status: ProviderBatchStatus): Promise<unknown[]> =>
		(await collect(provider.results(status))).map((line) => (line.kind === "item" ? line.result.kind : line.kind));

	test("a part goes up, runs, and comes back item by item; what it left is deleted", async () => {
		const made = await submit();
		expect(["validating", "running"]).toContain(made.state);
		await pass(HOUR_MS / 2);
		expect(await provider.poll(made.providerBatchId)).toMatchObject({ state: "running", total: ids.length });
		await pass(HOUR_MS);
		const status = await ended(made.providerBatchId);
		expect(status).toMatchObject({ total: ids.length, succeeded: ids.length, failed: 0 });
		const lines = await collect(provider.results(status));
		expect(lines.map((line) => line.kind === "item" && [line.customId, line.result.kind])).toEqual(ids.map((id) => [id, "succeeded"]));
		for (const line of lines) expect(JSON.parse(line.kind === "item" && line.result.kind === "succeeded" ? line.result.body : "")).toHaveProperty("usage");
		expect(billed()).toEqual(ids);
		const of = { providerFileId: null, status };
		await provider.forget(of);
		await provider.forget(of);
		await expect(collect(provider.results(status))).rejects.toMatchObject({ code: "provider.results_gone" });
	});

	test.each([
		["cut, after the batch was made", "cut", 1],
		["cut, before it was made", "lost", 0],
	])("creation that is %s has no known outcome, is sent once, and is found as often as it was made", async (_name, fault, times) => {
		const whole = await uploaded();
		await faults({ operation: "create", fault });
		await expect(provider.create(whole)).rejects.toMatchObject({ code: "provider.unreachable" });
		const found = await find();
		expect(found).toHaveLength(times);
		for (const { isCertain } of found) expect(isCertain).toBe(protocol === "openai");
		expect(await provider.find(part, { sinceMs: Date.now() + 400 * DAY_MS, isOthers: () => false })).toEqual([]);
	});

	test("a batch found by its size is not taken where it is known as another part's", async () => {
		const made = await submit();
		const found = await provider.find(part, { sinceMs: Date.now(), isOthers: (id) => id === made.providerBatchId });
		expect(found.map(({ isCertain }) => isCertain)).toEqual(protocol === "openai" ? [true] : []);
	});

	test("asked to wait, it says for how long; out of credit, it says that waiting is no use", async () => {
		const whole = await uploaded();
		await faults({ operation: "create", status: 429, retryAfterSeconds: 12 });
		await expect(provider.create(whole)).rejects.toMatchObject({ code: "provider.overloaded", details: { retryAfterMs: 12_000 } });
		const errorCode = protocol === "openai" ? "insufficient_quota" : "enforced_spend_limit_reached";
		await faults({ operation: "create", status: 429, errorCode });
		await expect(provider.create(whole)).rejects.toMatchObject({ code: "provider.quota" });
		expect(await find()).toEqual([]);
	});

	test("cancelled, it gives back what it finished and names the rest", async () => {
		const made = await submit();
		await pass(HOUR_MS / 2);
		expect((await provider.cancel(made.providerBatchId)).state).toBe("cancelling");
		await pass(HOUR_MS);
		const status = await ended(made.providerBatchId);
		expect((await provider.cancel(made.providerBatchId)).state).toBe("ended");
		const kinds = await kindsOf(status);
		expect(kinds).toHaveLength(ids.length);
		expect(new Set(kinds)).toEqual(new Set(["succeeded", "cancelled"]));
		expect(billed()).toHaveLength(kinds.filter((kind) => kind === "succeeded").length);
	});

	test("after a day what is unfinished has expired", async () => {
		const made = await submit({ turnaroundMs: 2 * DAY_MS });
		await pass(DAY_MS + HOUR_MS);
		expect(new Set(await kindsOf(await ended(made.providerBatchId)))).toEqual(new Set(["succeeded", "expired"]));
	});

	test("results that were truncated say so, a connection that breaks within them is an error, and results that are gone are gone", async () => {
		const made = await submit({ truncateTo: 0.5, truncatedReads: 1 });
		const gone = await submit({ resultsGone: true });
		await pass(2 * HOUR_MS);
		const status = await ended(made.providerBatchId);
		expect((await kindsOf(status)).at(-1)).toBe("unreadable");
		await faults({ operation: "content", fault: "cut_content" });
		await expect(collect(provider.results(status))).rejects.toMatchObject({ code: "provider.unreachable" });
		expect(await collect(provider.results(status))).toHaveLength(ids.length);
		await expect(collect(provider.results(await ended(gone.providerBatchId)))).rejects.toMatchObject({ code: "provider.results_gone" });
	});
});

test("a file that cannot be a batch fails as a whole, with the line", async () => {
	const { provider } = opened.openai;
	const part = partOf([LINE.openai("a"), "{", LINE.openai("a")], { token: "tollgate-broken-1" });
	const made = await provider.create({ ...part, providerFileId: await provider.upload(part) });
	await pass(HOUR_MS);
	const status = await provider.poll(made.providerBatchId);
	expect(status.state).toBe("failed");
	expect(status.problems.map(({ line }) => line)).toContain(2);
	expect(await collect(provider.results(status))).toEqual([]);
});
