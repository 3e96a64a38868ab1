import OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type DeferredGateway, startDeferredGateway } from "#test/support/gateway-deferred.ts";
import { rawCall } from "#test/support/raw-call.ts";
import { until } from "#test/support/until.ts";

/** How an item is read: itself, with its answer, waited for, listed, cancelled; by its team alone. */

let on: DeferredGateway;
let openai: OpenAI;
let others: OpenAI;
const CHAT = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
type Told = { readonly id: string; readonly status: string; readonly answer?: unknown };
type Listed = { readonly data: readonly Told[]; readonly has_more: boolean; readonly first_id: string | null; readonly last_id: string | null };

beforeEach(async () => {
	on = await startDeferredGateway();
	on.authority.keys.set("tg_other_team", keyIdentity({ teamId: "other", keyId: "key9" }));
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	others = new OpenAI({ apiKey: "tg_other_team", baseURL: `${on.url}/v1`, maxRetries: 0 });
	return () => on.close();
});

const handIn = async (): Promise<string> => (await openai.post<Told>("/deferred/chat/completions", { body: CHAT })).id;
const get = (path: string) => rawCall(on.url, { method: "GET", path, headers: ["authorization", `Bearer ${TEST_KEY}`] });

describe("an answer", () => {
	test("is the provider's to the byte, with its status", async () => {
		const id = await handIn();
		expect(await openai.get<Told>(`/deferred/${id}`)).toMatchObject({ id, status: "collecting", answer: null });
		const body = '{ "n": 1.50, "big": 12345678901234567890,\n "text": "é \\u00e9" }';
		await on.items.answer(id, body);
		const { body: bytes, headers } = await get(`/v1/deferred/${id}`);
		expect(headers["content-type"]).toBe("application/json");
		expect(bytes.toString()).toMatch(new RegExp(`^\\{"id":"${id}",.*"answer":\\{"status_code":200,"body":`));
		expect(bytes.toString().endsWith(`"body":${body}}}`)).toBe(true);
		expect(JSON.parse(bytes.toString())).toMatchObject({
			id,
			status: "succeeded",
			lane: "batch",
			cost_nano_usd: "7",
			answered_at: expect.stringMatching(/Z$/),
		});
	});

	test("of an error has its status; one that is past its retention is missing, before anything is sent", async () => {
		const id = await handIn();
		await on.items.answer(id, '{"error":{}}', 400);
		expect(await openai.get<Told>(`/deferred/${id}`)).toMatchObject({ status: "failed", answer: { status_code: 400, body: { error: {} } } });
		await on.stand.blobs.delete(on.items.accepted.get(id)?.record.answerBlobKey ?? "");
		await expect(openai.get(`/deferred/${id}`)).rejects.toMatchObject({ status: 404, code: "blob.missing" });
	});

	test("is waited for, and told as soon as it is there", async () => {
		const id = await handIn();
		const startedAtMs = performance.now();
		const waiting = openai.get<Told>(`/deferred/${id}/wait?seconds=20`);
		await isWaiting();
		await on.items.answer(id, '{"id":"a"}');
		expect(await waiting).toMatchObject({ status: "succeeded", answer: { body: { id: "a" } } });
		expect(performance.now() - startedAtMs).toBeLessThan(15_000);
		expect(await openai.get<Told>(`/deferred/${id}/wait`)).toMatchObject({ status: "succeeded" });
	});

	test("that does not come is told as it stands when the time is up", async () => {
		const id = await handIn();
		expect(await openai.get<Told>(`/deferred/${id}/wait?seconds=1`)).toMatchObject({ status: "collecting", answer: null });
	});

	test("nobody is waited for by a gateway that ends", async () => {
		const id = await handIn();
		const waiting = openai.get<Told>(`/deferred/${id}/wait?seconds=60`);
		await isWaiting();
		await on.gateway.gateway.drain(2_000);
		expect(await waiting).toMatchObject({ status: "collecting" });
	});

	test("more than may wait at once are refused", async () => {
		await on.close();
		on = await startDeferredGateway({}, { waitersMax: 1 });
		openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
		const id = await handIn();
		const waiting = openai.get<Told>(`/deferred/${id}/wait`);
		await isWaiting();
		await expect(openai.get(`/deferred/${id}/wait`)).rejects.toMatchObject({ status: 503, code: "gateway.overloaded" });
		await openai.delete(`/deferred/${id}`);
		expect(await waiting).toMatchObject({ status: "cancelled" });
	});

	/** A request that is worked on is an open call. */
	async function isWaiting(): Promise<void> {
		await until("somebody to wait", async () => /tollgate_open_calls 1\b/.test((await get("/metrics")).body.toString()));
	}
});

describe("items", () => {
	test("are listed newest first, page by page and by status, without their answers", async () => {
		const ids = [await handIn(), await handIn(), await handIn()];
		await on.items.answer(ids[1] ?? "", "{}");
		const all = await openai.get<Listed>("/deferred");
		expect(all.data.map(({ id }) => id)).toEqual(ids.toReversed());
		expect(all).toMatchObject({ object: "list", has_more: false, first_id: ids[2], last_id: ids[0] });
		expect(all.data.some((item) => "answer" in item)).toBe(false);
		const page = await openai.get<Listed>(`/deferred?limit=1&after=${ids[2]}`);
		expect([page.data.map(({ id }) => id), page.has_more]).toEqual([[ids[1]], true]);
		expect((await openai.get<Listed>("/deferred?status=succeeded")).data.map(({ id }) => id)).toEqual([ids[1]]);
	});

	test("end when they are cancelled, and stay as they ended", async () => {
		const id = await handIn();
		expect(await openai.delete<Told>(`/deferred/${id}`)).toMatchObject({ id, status: "cancelled", held_nano_usd: "0", answer: null });
		expect(await openai.get<Told>(`/deferred/${id}`)).toMatchObject({ status: "cancelled" });
		const answered = await handIn();
		await on.items.answer(answered, '{"id":"a"}');
		expect(await openai.delete<Told>(`/deferred/${answered}`)).toMatchObject({ status: "succeeded", answer: { body: { id: "a" } } });
	});

	test("of another team are not there, by whatever road", async () => {
		const id = await handIn();
		const missing = { status: 404, code: "deferred.missing", param: "deferred_id" };
		await expect(others.get(`/deferred/${id}`)).rejects.toMatchObject(missing);
		await expect(others.get(`/deferred/${id}/wait?seconds=1`)).rejects.toMatchObject(missing);
		await expect(others.delete(`/deferred/${id}`)).rejects.toMatchObject(missing);
		await expect(others.get(`/deferred?after=${id}`)).rejects.toMatchObject({ ...missing, param: "after" });
		expect((await others.get<Listed>("/deferred")).data).toEqual([]);
		expect(await openai.get<Told>(`/deferred/${id}`)).toMatchObject({ status: "collecting" });
	});

	const wrong: readonly (readonly [string, number, string])[] = [
		["/v1/deferred/deferred_short", 404, "deferred_id"],
		["/v1/deferred?limit=0", 400, "limit"],
		["/v1/deferred?limit=101", 400, "limit"],
		["/v1/deferred?status=done", 400, "status"],
		["/v1/deferred?before=x", 422, "before"],
		[`/v1/deferred/deferred_${"a".repeat(24)}/wait?seconds=61`, 400, "seconds"],
		[`/v1/deferred/deferred_${"a".repeat(24)}/wait?seconds=0`, 400, "seconds"],
		[`/v1/deferred/deferred_${"a".repeat(24)}?x=1`, 422, "x"],
	];
	test.each(wrong)("%s", async (path, status, param) => {
		const answer = await get(path);
		expect([answer.status, JSON.parse(answer.body.toString()).error.param]).toEqual([status, param]);
	});

	test("cannot be read where PostgreSQL is away", async () => {
		const id = await handIn();
		on.items.failing = "readDeferred";
		await expect(openai.get(`/deferred/${id}`)).rejects.toMatchObject({ status: 503, code: "authority.unreachable" });
	});
});
