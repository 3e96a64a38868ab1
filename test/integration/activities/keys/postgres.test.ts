import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createVirtualKey, listVirtualKeys, revokeVirtualKey, rotateVirtualKey } from "#activities/keys/postgres.ts";
import { resolveVirtualKey } from "#activities/keys/resolve.ts";
import { deriveKey } from "#clients/derive-key.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let connections: TestPool;
let pool: pg.Pool;
let statements = 0;

beforeAll(async () => {
	database = await createTestDatabase();
	connections = openTestPool(database.url);
	pool = connections.pool;
	await pool.query("INSERT INTO tollgate.team (id) VALUES ('search'), ('gone')");
	await pool.query("UPDATE tollgate.team SET deleted_at = clock_timestamp() WHERE id = 'gone'");
});
afterAll(async () => {
	await connections.close();
	await database.close();
});
beforeEach(() => {
	statements = 0;
});

const counted = {
	query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => {
		statements += 1;
		return pool.query<Row>(text, values);
	},
};
const create = (request: object = {}) => createVirtualKey(pool, { teamId: "search", ...request }, "ada");
const outcome = async (text: string) => {
	const resolution = await resolveVirtualKey(pool, text);
	return resolution.kind === "known" ? "known" : resolution.code;
};

describe("creating", () => {
	test("the secret is nowhere in the database", async () => {
		const { id, key } = await create();
		const stored = await pool.query<{ row: string }>("SELECT to_jsonb(k)::text AS row FROM tollgate.virtual_key k WHERE id = $1", [id]);
		const changes = await pool.query<{ row: string }>("SELECT to_jsonb(c)::text AS row FROM tollgate.change c WHERE subject = $1", [id]);
		const text = [...stored.rows, ...changes.rows].map((row) => row.row).join();
		expect(text).not.toContain(key.slice(3));
		expect(text).not.toContain(Buffer.from(key).toString("hex"));
	});

	test("records who did it", async () => {
		const { id, revision } = await create();
		const { rows } = await pool.query("SELECT kind, subject, admin_name FROM tollgate.change WHERE revision = $1", [revision]);
		expect(rows).toEqual([{ kind: "key", subject: id, admin_name: "ada" }]);
	});

	test.each(["nobody", "gone"])("team %s gets no key", async (teamId) => {
		await expect(createVirtualKey(pool, { teamId }, "ada")).rejects.toMatchObject({ code: "admin.not_found" });
	});
});

describe("resolving", () => {
	test("a secret gives its attribution and its team in one round trip", async () => {
		const { id, key } = await create({ feature: "ranking", userId: "u1", environment: "prod", models: ["gpt-4o"], mayAssert: ["user"] });
		const resolution = await resolveVirtualKey(counted, key);
		expect(resolution).toMatchObject({
			kind: "known",
			expiresInMs: null,
			maxAsserted: 10_000,
			team: { teamId: "search" },
			key: { keyId: id, teamId: "search", feature: "ranking", userId: "u1", environment: "prod", models: ["gpt-4o"], endpoints: null, mayAssert: ["user"] },
		});
		expect(statements).toBe(1);
	});

	test("text that cannot be a key costs no round trip", async () => {
		expect(await resolveVirtualKey(counted, "sk-something")).toMatchObject({ kind: "refused", code: "key.invalid" });
		expect(statements).toBe(0);
	});

	test("an unknown key of the right form is invalid", async () => {
		expect(await outcome(`tg-${"A".repeat(43)}`)).toBe("key.invalid");
	});

	test("expiry is judged on PostgreSQL's clock", async () => {
		const { id, key } = await create({ expiresInMs: 60_000 });
		const resolution = await resolveVirtualKey(pool, key);
		expect(resolution.expiresInMs).toBeGreaterThan(0);
		expect(resolution.expiresInMs).toBeLessThanOrEqual(60_000);
		await pool.query("UPDATE tollgate.virtual_key SET expires_at = clock_timestamp() WHERE id = $1", [id]);
		expect(await outcome(key)).toBe("key.expired");
	});

	test("a key of a deleted team is invalid", async () => {
		await pool.query("INSERT INTO tollgate.team (id) VALUES ('leaving')");
		const { key } = await createVirtualKey(pool, { teamId: "leaving" }, "ada");
		await pool.query("UPDATE tollgate.team SET deleted_at = clock_timestamp() WHERE id = 'leaving'");
		expect(await outcome(key)).toBe("key.invalid");
	});
});

describe("revoking and rotating", () => {
	test("a revoked key is refused, and revoking again is no error", async () => {
		const { id, key } = await create();
		await revokeVirtualKey(pool, id, "ada");
		await revokeVirtualKey(pool, id, "ada");
		expect(await outcome(key)).toBe("key.revoked");
	});

	test("revoking an unknown key is not found", async () => {
		await expect(revokeVirtualKey(pool, "key_none", "ada")).rejects.toMatchObject({ code: "admin.not_found" });
	});

	test("both keys work during the overlap, then only the successor, with the same rights", async () => {
		const old = await create({ feature: "ranking", endpoints: ["embeddings"] });
		const successor = await rotateVirtualKey(pool, { keyId: old.id, overlapMs: 60_000 }, "ada");
		expect([await outcome(old.key), await outcome(successor.key)]).toEqual(["known", "known"]);
		expect(await resolveVirtualKey(pool, successor.key)).toMatchObject({ key: { feature: "ranking", endpoints: ["embeddings"] }, expiresInMs: null });
		expect((await resolveVirtualKey(pool, old.key)).expiresInMs).toBeLessThanOrEqual(60_000);
	});

	test("the rule for batches is none by default, comes with the key and goes on to its successor and to keys derived of it", async () => {
		expect(await resolveVirtualKey(pool, (await create()).key)).toMatchObject({ key: { resubmitsBatches: false, relanesBatches: false } });
		const old = await create({ resubmitsBatches: true, relanesBatches: true });
		const successor = await rotateVirtualKey(pool, { keyId: old.id, overlapMs: 0 }, "ada");
		const derived = deriveKey({ key: successor.key, user: "u1", ttlMs: 60_000 });
		const rules = { resubmitsBatches: true, relanesBatches: true };
		for (const key of [successor.key, derived]) expect(await resolveVirtualKey(pool, key)).toMatchObject({ kind: "known", key: rules });
		const listed = await listVirtualKeys(pool, { limit: 1_000 });
		expect(listed.find(({ id }) => id === successor.id)).toMatchObject(rules);
	});

	test("an overlap never lengthens a life", async () => {
		const old = await create({ expiresInMs: 1_000 });
		await rotateVirtualKey(pool, { keyId: old.id, overlapMs: 3_600_000 }, "ada");
		expect((await resolveVirtualKey(pool, old.key)).expiresInMs ?? 0).toBeLessThanOrEqual(1_000);
	});

	test("a dead key has no successor", async () => {
		const { id } = await create();
		await revokeVirtualKey(pool, id, "ada");
		await expect(rotateVirtualKey(pool, { keyId: id, overlapMs: 0 }, "ada")).rejects.toMatchObject({ code: "admin.not_found" });
	});
});

describe("child keys", () => {
	const derive = (parent: { key: string }, fields: object = {}) => deriveKey({ key: parent.key, user: "u7", ttlMs: 3_600_000, ...fields });

	test("resolve without a row of their own, in one round trip", async () => {
		const parent = await create({ feature: "ranking", mayAssert: ["user", "feature"] });
		const resolution = await resolveVirtualKey(counted, derive(parent));
		expect(resolution).toMatchObject({ kind: "known", key: { keyId: parent.id, userId: "u7", feature: "ranking", mayAssert: ["feature"] } });
		expect(resolution.expiresInMs).toBeLessThanOrEqual(3_600_000);
		expect(statements).toBe(1);
	});

	test("never outlive their parent", async () => {
		const parent = await create({ expiresInMs: 10_000 });
		expect((await resolveVirtualKey(pool, derive(parent))).expiresInMs).toBeLessThanOrEqual(10_000);
		await revokeVirtualKey(pool, parent.id, "ada");
		expect(await outcome(derive(parent))).toBe("key.revoked");
	});

	test("expire by themselves", async () => {
		const parent = await create();
		expect(await outcome(derive(parent, { nowMs: Date.now() - 3_601_000 }))).toBe("key.expired");
	});

	test("signed with another secret are invalid", async () => {
		const [parent, stranger] = [await create(), await create()];
		const [head] = derive(stranger).split(".");
		expect(await outcome(derive(stranger).replace(head ?? "", `tgc_${parent.id}`))).toBe("key.invalid");
	});

	test("cannot name another user than the parent's", async () => {
		const parent = await create({ userId: "u1" });
		expect(await outcome(derive(parent))).toBe("key.scope");
	});
});

test("lists page by page, without secrets", async () => {
	const all = await listVirtualKeys(pool, { teamId: "search", limit: 1_000 });
	const first = await listVirtualKeys(pool, { teamId: "search", limit: 2 });
	const rest = await listVirtualKeys(pool, { teamId: "search", limit: 1_000, afterId: first.at(-1)?.id });
	expect([...first, ...rest]).toEqual(all);
	expect(JSON.stringify(all)).not.toContain("hash");
});
