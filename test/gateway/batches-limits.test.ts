import OpenAI, { type APIError, toFile } from "openai";
import { expect, test } from "vitest";
import { refusalOf, type Told } from "#test/support/batch-refusals.ts";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { chatLine, startBatchGateway } from "#test/support/gateway-batches.ts";

/** What holds for a batch as it does for a call: places of a gateway, a policy engine, caps of the team. */

const ok = chatLine(1);

test("further uploads are refused with 503 while as many are worked on as may be, and places come back", async () => {
	const busy = await startBatchGateway({}, { busyMax: 1 });
	try {
		const slow = new OpenAI({ apiKey: TEST_KEY, baseURL: `${busy.url}/v1`, maxRetries: 0 });
		let finish: () => void = () => undefined;
		const finished = new Promise<void>((resolve) => {
			finish = resolve;
		});
		async function* endless() {
			yield Buffer.from(`${ok}\n`);
			await finished;
		}
		const open = slow.files.create({ purpose: "batch", file: endless() as never });
		await expect.poll(async () => (await refuse(slow))?.code).toBe("gateway.overloaded");
		finish();
		expect(await open).toMatchObject({ object: "file" });
		expect(await slow.files.create({ purpose: "batch", file: await toFile(Buffer.from(ok), "a.jsonl") })).toMatchObject({ object: "file" });
	} finally {
		await busy.close();
	}
	async function refuse(client: OpenAI): Promise<Told | undefined> {
		const file = await toFile(Buffer.from("hello"), "a.jsonl");
		return refusalOf(client.files.create({ purpose: "batch", file }));
	}
});

test("a policy engine is asked once for all of a batch, and what it denies is not held", async () => {
	const asked: unknown[] = [];
	const decide = (facts: unknown) => {
		asked.push(facts);
		return { kind: "denied", reasons: ["Not on a Friday."] } as const;
	};
	const decider = { isAsked: true, decide, close: async () => undefined };
	const decided = await startBatchGateway({ decisions: { decider, counters: { allowed: 0, denied: 0, undecided: 0, remembered: 0 } } });
	try {
		const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${decided.url}/v1`, maxRetries: 0 });
		const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
		const text = [chatLine(1), chatLine(2, { body: { tools } }), chatLine(3)].join("\n");
		const { id } = await client.files.create({ file: await toFile(Buffer.from(text), "a.jsonl"), purpose: "batch" });
		const told = await refusalOf(client.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" }));
		expect(told).toMatchObject({ status: 403, code: "policy.denied", message: expect.stringContaining("Not on a Friday.") });
		expect(asked).toEqual([
			expect.objectContaining({
				team: "demo",
				endpoint: "chat.completions",
				modelAsked: "gpt-4o",
				isStream: false,
				hasTools: true,
				claimed: {},
				batchItems: 3,
			}),
		]);
		expect(decided.stand.asks).toEqual([]);
		expect(decided.stand.batches.size).toBe(0);
	} finally {
		await decided.close();
	}
});

test("a cap of the team holds for every item of a batch", async () => {
	const CAP = "output_tokens; dimension=team; limit=10; cap";
	const on = await startBatchGateway();
	try {
		const openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
		const lines = [chatLine(1, { body: { max_tokens: 10 } }), chatLine(2), chatLine(3)].join("\n");
		const { id } = await openai.files.create({ file: await toFile(Buffer.from(lines), "a.jsonl"), purpose: "batch" });
		const caps = {
			byFeature: new Map(),
			others: { inputTokens: undefined, outputTokens: { value: 10, holder: "every call of the team", name: CAP }, costNanoUsd: undefined },
		};
		on.authority.policy = { ...on.authority.policy, limits: { caps, rates: [] } as never };
		const creating = openai.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		const refused = await creating.catch((error: APIError) => error);
		expect(refused).toMatchObject({ status: 422, code: "limit.cap", error: { line: 2, problems: [{ field: "line 2: body" }, { field: "line 3: body" }] } });
		// In the books once, however many of its requests the cap refuses, and under the id that the answer names.
		expect(on.authority.limitRefusals).toMatchObject([{ code: "limit.cap", line: 2, evidence: { limit: CAP, limitAmount: 10n, need: 20n } }]);
		const [booked] = on.authority.limitRefusals;
		expect(booked?.requestId).toMatch(/^batch_/);
		const { headers } = refused as APIError;
		expect([headers?.get("x-tollgate-request-id"), headers?.get("x-tollgate-limit")]).toEqual([booked?.requestId, CAP]);
		expect(on.stand.batches.size).toBe(0);
	} finally {
		await on.close();
	}
});
