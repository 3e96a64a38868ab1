import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { createAnswerCipher } from "#activities/idempotency/answer-cipher.ts";
import type { Beginning, IdempotencyStore, IdempotentRequest, StoredAnswer } from "#activities/idempotency/port.ts";
import { createPostgresIdempotencyStore, sweepIdempotencyRecords } from "#activities/idempotency/postgres.ts";
import { registerGateway, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

/** Who gets a key, and what a repeat of it finds, on PostgreSQL itself. */

const LONG_MS = 900_000;
const SECRET = randomBytes(32);
const ANSWER: StoredAnswer = {
	requestId: "req_first",
	status: 200,
	headers: { "content-type": "application/json" },
	model: "gpt-4o",
	clampedOutputTokens: undefined,
	isStream: false,
	body: Buffer.from('{"secret":"what the model said"}'),
};

let database: TestDatabase;
let connections: Connection[] = [];
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
});

afterAll(async () => {
	await Promise.all(connections.map((connection) => connection.close()));
	connections = [];
	await database.close();
});

function connect(): Connection {
	const connection = new Connection({ url: database.url, applicationName: "test" });
	connections.push(connection);
	return connection;
}

async function openStore(gatewayId: string, secret: Buffer = SECRET): Promise<IdempotencyStore> {
	const epoch = await withClient(database.url, (client) => registerGateway(client, gatewayId));
	const sql = connect();
	return createPostgresIdempotencyStore({ asking: sql, storing: sql }, { gatewayId, epoch }, createAnswerCipher(secret));
}

function sha(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}

function request(changes: { key?: string; body?: string; keyId?: string } = {}): IdempotentRequest {
	number += 1;
	return {
		keyId: changes.keyId ?? "key_1",
		keyHash: sha(changes.key ?? `key ${number}`),
		requestHash: sha(changes.body ?? "body"),
		endpoint: "chat.completions",
		requestId: `req_${number}`,
	};
}

function again(first: IdempotentRequest): IdempotentRequest {
	return { ...first, requestId: `${first.requestId}_again` };
}

function known(beginning: Beginning): Extract<Beginning, { kind: "known" }> {
	if (beginning.kind === "new") throw new Error("the key was free");
	return beginning;
}

const execute = (text: string, values: unknown[] = []) =>
	withClient(database.url, async (client) => (await client.query<Record<string, unknown>>(text, values)).rows);

describe("taking a key", () => {
	it("one of many at once gets it, over several gateways", async () => {
		const stores = await Promise.all(["a", "b", "c", "d"].map((name) => openStore(`taking_${name}`)));
		const first = request();
		const verdicts = await Promise.all(
			Array.from({ length: 40 }, (_, index) =>
				(stores[index % 4] ?? expect.fail("a store")).begin({ ...first, requestId: `${first.requestId}_${index}` }, LONG_MS),
			),
		);
		expect(verdicts.filter((verdict) => verdict.kind === "new")).toHaveLength(1);
		expect(verdicts.filter((verdict) => verdict.kind === "known" && verdict.record.state === "open" && verdict.record.isHolderLive)).toHaveLength(39);
	});

	it("another virtual key has keys of its own; another request is seen", async () => {
		const store = await openStore("own");
		const first = request();
		await store.begin(first, LONG_MS);
		expect(await store.begin({ ...again(first), keyId: "key_2" }, LONG_MS)).toEqual({ kind: "new" });
		expect(known(await store.begin({ ...again(first), requestHash: sha("other") }, LONG_MS)).record.isSameRequest).toBe(false);
	});

	it("names the holder, and whether it is this epoch", async () => {
		const store = await openStore("holder");
		const first = request();
		await store.begin(first, LONG_MS);
		expect(known(await store.begin(again(first), LONG_MS))).toMatchObject({ isOurs: true, holderRequestId: first.requestId });
		expect(known(await (await openStore("holder_other")).begin(again(first), LONG_MS)).isOurs).toBe(false);
	});

	it("only the holder ends a record, and only once", async () => {
		const store = await openStore("ends");
		const first = request();
		await store.begin(first, LONG_MS);
		await store.finish(again(first), { kind: "removed" });
		expect(known(await store.begin(again(first), LONG_MS)).record.state).toBe("open");
		await store.finish(first, { kind: "unknown", reason: "charged", attemptId: "ends-1-1" });
		await store.finish(first, { kind: "answered", answer: ANSWER, attemptId: "ends-1-1" });
		await store.finish(first, { kind: "removed" });
		expect(known(await store.begin(again(first), LONG_MS)).record).toMatchObject({ state: "unknown", reason: "charged" });
	});

	it("a removed record leaves the key free", async () => {
		const store = await openStore("removed");
		const first = request();
		await store.begin(first, LONG_MS);
		await store.finish(first, { kind: "removed" });
		expect(await store.begin(again(first), LONG_MS)).toEqual({ kind: "new" });
	});
});

describe("a stored answer", () => {
	it("comes back from any gateway with the same secret, for the same request only", async () => {
		const store = await openStore("stores");
		const first = request();
		await store.begin(first, LONG_MS);
		await store.finish(first, { kind: "answered", answer: ANSWER, attemptId: "stores-1-1" });
		const other = await openStore("stores_other");
		expect(known(await other.begin(again(first), LONG_MS))).toMatchObject({ record: { state: "answered", isSameRequest: true }, answer: ANSWER });
		expect(known(await other.begin({ ...again(first), requestHash: sha("other") }, LONG_MS)).answer).toBeUndefined();
	});

	it("cannot be read in the table, with another secret, or in another row", async () => {
		const store = await openStore("sealed");
		const [first, second] = [request(), request()];
		for (const each of [first, second]) {
			await store.begin(each, LONG_MS);
			await store.finish(each, { kind: "answered", answer: { ...ANSWER, requestId: each.requestId }, attemptId: null });
		}
		const dump = JSON.stringify(await execute("SELECT *, encode(answer, 'escape') AS text FROM tollgate.idempotency WHERE key_hash = $1", [first.keyHash]));
		expect(dump).toContain('"http_status":200');
		expect(dump).not.toContain("what the model said");
		const stranger = known(await (await openStore("sealed_other", randomBytes(32))).begin(again(first), LONG_MS));
		expect(stranger).toMatchObject({ record: { state: "answered" }, answer: undefined });
		await execute("UPDATE tollgate.idempotency SET answer = (SELECT answer FROM tollgate.idempotency WHERE key_hash = $1) WHERE key_hash = $2", [
			first.keyHash,
			second.keyHash,
		]);
		expect(known(await store.begin(again(second), LONG_MS)).answer).toBeUndefined();
	});

	it("of 1 MiB fits", async () => {
		const store = await openStore("large");
		const first = request();
		const body = randomBytes(1024 * 1024);
		await store.begin(first, LONG_MS);
		await store.finish(first, { kind: "answered", answer: { ...ANSWER, body }, attemptId: null });
		expect(known(await store.begin(again(first), LONG_MS)).answer?.body.equals(body)).toBe(true);
	});
});

describe("the holder of an open record is live", () => {
	async function isLiveAfter(change: (gatewayId: string) => Promise<unknown>, inFlightMs = LONG_MS): Promise<boolean> {
		const first = request();
		const gatewayId = `live_${number}`;
		await (await openStore(gatewayId)).begin(first, inFlightMs);
		await change(gatewayId);
		return known(await (await openStore(`${gatewayId}_other`)).begin(again(first), LONG_MS)).record.isHolderLive;
	}

	it("while its epoch is in force and heard of", async () => {
		expect(await isLiveAfter(() => Promise.resolve())).toBe(true);
	});

	it("not once a later epoch fenced it, or it was closed", async () => {
		expect(
			await isLiveAfter((gatewayId) => execute("UPDATE tollgate.gateway_epoch SET fenced_at = clock_timestamp() WHERE gateway_id = $1", [gatewayId])),
		).toBe(false);
		expect(
			await isLiveAfter((gatewayId) =>
				execute("UPDATE tollgate.gateway_epoch SET closed_at = clock_timestamp(), closed_how = 'adopted' WHERE gateway_id = $1", [gatewayId]),
			),
		).toBe(false);
	});

	it("not when its call must be over", async () => {
		expect(await isLiveAfter(() => Promise.resolve(), 0)).toBe(false);
	});
});

it("a record is gone after 24 hours: for the next call at once, from the table by the sweep", async () => {
	const store = await openStore("expires");
	const [first, second, third] = [request(), request(), request()];
	for (const each of [first, second, third]) {
		await store.begin(each, LONG_MS);
		await store.finish(each, { kind: "answered", answer: ANSWER, attemptId: null });
	}
	const life = await execute("SELECT extract(epoch FROM expires_at - created_at) / 3600 AS hours FROM tollgate.idempotency WHERE key_hash = $1", [
		first.keyHash,
	]);
	expect(Number(life[0]?.["hours"])).toBe(24);
	await execute("UPDATE tollgate.idempotency SET expires_at = clock_timestamp() WHERE key_hash IN ($1, $2)", [first.keyHash, second.keyHash]);
	expect(await store.begin(again(first), LONG_MS)).toEqual({ kind: "new" });
	expect(await sweepIdempotencyRecords(connect())).toBe(1);
	expect(await store.begin(again(second), LONG_MS)).toEqual({ kind: "new" });
	expect(known(await store.begin(again(third), LONG_MS)).record.state).toBe("answered");
	expect(await sweepIdempotencyRecords(connect())).toBe(0);
});
