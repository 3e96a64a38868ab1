import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { clientOf, HOUR_MS, lineOf, named, simulatedBatches } from "#test/support/simulated-batches.ts";
import { startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { until } from "#test/support/until.ts";

/** What goes wrong with the batches of the simulated provider on demand: calls that break, limits, plans. */

const at = simulatedBatches();
const { upload, submit, pass, textOf, billed } = at;

describe("the call that creates a batch", () => {
	const listed = async (token: string) => {
		const found: OpenAI.Batch[] = [];
		for await (const batch of at.openai.batches.list({ limit: 5 })) if (batch.metadata?.["token"] === token) found.push(batch);
		return found;
	};

	it.each([
		["cut", 1],
		["lost", 0],
	] as const)("is %s: %i batch is found by its metadata", async (fault, count) => {
		const input_file_id = await upload([lineOf({ customId: `call-${fault}` })]);
		await at.provider.control("batches/faults", { next: [{ operation: "create", fault }] });
		const metadata = { token: fault };
		const creating = at.openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata });
		await expect(creating).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
		expect(await listed(fault)).toHaveLength(count);
	});

	it("is answered late: the batch is there before its answer", async () => {
		const input_file_id = await upload([lineOf({ customId: "call-late" })]);
		await at.provider.control("batches/faults", { next: [{ operation: "create", fault: "late", holdUntil: "create-late" }] });
		const creating = at.openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { token: "late" } });
		const [found] = await until("the batch in the list", async () => {
			const batches = await listed("late");
			return batches.length === 1 && batches;
		});
		await at.provider.control("release", { name: "create-late" });
		expect((await creating).id).toBe(found?.id);
	});

	it.each([
		["create", 429],
		["retrieve", 503],
	])("or another one is refused: %s with %i and when to try again", async (operation, status) => {
		const made = await submit(named(`refused-${status}`, 1));
		await at.provider.control("batches/faults", { next: [{ operation, status, retryAfterSeconds: 7 }] });
		const failure = await (operation === "create" ? submit(named("again", 1)) : at.openai.batches.retrieve(made.id)).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(OpenAI.APIError);
		expect((failure as InstanceType<typeof OpenAI.APIError>).status).toBe(status);
		expect((failure as InstanceType<typeof OpenAI.APIError>).headers?.get("retry-after")).toBe("7");
		expect((await at.openai.batches.retrieve(made.id)).id).toBe(made.id);
	});

	it("is refused for what the provider does not take", async () => {
		const input_file_id = await upload([lineOf({ customId: "rules-1" })]);
		const create = (change: object) =>
			at.openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", ...change } as never);
		await expect(create({ endpoint: "/v1/other" })).rejects.toMatchObject({ status: 400, param: "endpoint" });
		await expect(create({ completion_window: "1h" })).rejects.toMatchObject({ status: 400, param: "completion_window" });
		await expect(create({ metadata: { key: 5 } })).rejects.toMatchObject({ status: 400, param: "metadata" });
		await expect(create({ output_expires_after: { anchor: "created_at", seconds: 5 } })).rejects.toMatchObject({ status: 400 });
		await expect(create({ input_file_id: "file-none" })).rejects.toMatchObject({ status: 404 });
		await expect(create({ metadata: { simulate: "{" } })).rejects.toMatchObject({ status: 400 });
		await expect(at.openai.batches.retrieve("batch_none")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
	});

	it("breaks off in the middle of a file that is read", async () => {
		const file = await upload(Array.from({ length: 2_000 }, (_, n) => lineOf({ customId: `broken-${n}` })));
		await at.provider.control("batches/faults", { next: [{ operation: "content", fault: "cut_content" }] });
		await expect(textOf(file)).rejects.toThrow();
		expect((await textOf(file)).length).toBeGreaterThan(100_000);
	});
});

describe("limits", () => {
	it("of batches an hour and of enqueued tokens hold on the simulated clock", async () => {
		await pass(HOUR_MS);
		await at.provider.control("batches/limits", { openai: { batchesPerHour: 2, enqueuedTokensMax: { "gpt-4.1": 20 } } });
		const body = { model: "gpt-4.1", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
		const two = (prefix: string) => named(prefix, 2).map((item) => ({ ...item, body }));
		const [first, second] = [await submit(two("limit")), await submit(two("limited"))];
		const failure = await submit(named("third", 1)).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(OpenAI.RateLimitError);
		await pass(HOUR_MS / 2);
		const batches = await Promise.all([first, second].map(({ id }) => at.openai.batches.retrieve(id)));
		expect(batches.map(({ status }) => status).sort()).toEqual(["failed", "in_progress"]);
		expect(batches.find(({ status }) => status === "failed")?.errors?.data?.[0]?.code).toBe("token_limit_exceeded");
		await pass(HOUR_MS);
		expect((await submit(named("fourth", 1))).status).toBe("validating");
		await at.provider.control("batches/limits", { openai: { batchesPerHour: null, enqueuedTokensMax: {} } });
	});

	it("and plans that are mistyped are named, and change nothing", async () => {
		expect(await at.provider.control("batches/limits", { openai: { items: 1 } })).toMatchObject({
			httpStatus: 400,
			error: expect.stringContaining("openai.items"),
		});
		expect(await at.provider.control("batches/plan", { plan: { turnaround: 1 } })).toMatchObject({ httpStatus: 400 });
		expect(await at.provider.control("batches/clock", { nowMs: 5 })).toMatchObject({ httpStatus: 400, error: expect.stringContaining("does not go back") });
	});
});

describe("a plan by the control endpoint", () => {
	it("holds for the next batches, or for one that is there", async () => {
		await at.provider.control("batches/plan", { plan: { turnaroundMs: 5, validationMs: 0 }, next: 1 });
		const ids = await Promise.all([1, 2].map((n) => upload([lineOf({ customId: `planned-${n}` })])));
		const made: OpenAI.Batch[] = [];
		for (const input_file_id of ids) made.push(await at.openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" }));
		await pass(60_000);
		const statuses = async () => Promise.all(made.map(async ({ id }) => (await at.openai.batches.retrieve(id)).status));
		expect(await statuses()).toEqual(["completed", "in_progress"]);
		await at.provider.control("batches/plan", { batch: made[1]?.id, plan: { turnaroundMs: 5 } });
		expect(await statuses()).toEqual(["completed", "completed"]);
	});

	it("lets time run by itself at a pace", async () => {
		const started = await startSimulatedProvider();
		try {
			const client = clientOf(started);
			const made = await submit(named("pace", 3), {}, client);
			await started.control("batches/clock", { pace: 100_000 });
			await until("the batch", async () => (await client.batches.retrieve(made.id)).status === "completed");
			expect(billed("pace", started)).toHaveLength(3);
		} finally {
			await started.close();
		}
	});
});
