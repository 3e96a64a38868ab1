import { expect, test } from "vitest";
import { DEFERRED_ID_PATTERN } from "#domain/batching/deferred.ts";
import { nameItem } from "#gateway/deferred/item-ids.ts";
import { keyIdentity } from "#test/support/fake-authority.ts";

/** The id of an item with an Idempotency-Key follows from the key and from who asks; what makes it this request stands beside it. */

const body = Buffer.from('{"model":"gpt-4o"}');
type Changes = {
	readonly key?: object;
	readonly body?: Buffer;
	readonly idempotencyKey?: string | null;
	readonly user?: string;
	readonly endpoint?: "responses";
};

const name = ({ key = {}, body: bytes = body, idempotencyKey = "k1", user, endpoint }: Changes = {}) =>
	nameItem({
		key: keyIdentity(key),
		endpoint: endpoint ?? "chat.completions",
		headers: { idempotencyKey, asserted: user === undefined ? {} : { user } },
		body: bytes,
	});

test("without a key each has an id of its own, and no request to be held to", () => {
	const [one, two] = [name({ idempotencyKey: null }), name({ idempotencyKey: null })];
	expect(one.deferredId).toMatch(DEFERRED_ID_PATTERN);
	expect(one.deferredId).not.toBe(two.deferredId);
	expect([one.requestHash, two.requestHash]).toEqual([null, null]);
});

test("with one the id says who asks under which key, and the hash for what", () => {
	expect(name()).toEqual(name());
	expect(name().deferredId).toMatch(DEFERRED_ID_PATTERN);
	const callers = [
		{},
		{ idempotencyKey: "k2" },
		{ key: { keyId: "key2" } },
		{ key: { userId: "u1" } },
		{ key: { teamId: "other" } },
		{ key: { feature: "f" } },
	];
	expect(new Set(callers.map((changes) => name(changes).deferredId)).size).toBe(callers.length);
	const requests: readonly Changes[] = [{}, { body: Buffer.from("{}") }, { user: "u1" }, { endpoint: "responses" }];
	expect(new Set(requests.map((changes) => name(changes).deferredId)).size).toBe(1);
	expect(new Set(requests.map((changes) => name(changes).requestHash)).size).toBe(requests.length);
});
