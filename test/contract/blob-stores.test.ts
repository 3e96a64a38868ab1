import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SweepableBlobStore } from "#activities/blobs/blob-store.ts";
import { InvariantViolation } from "#domain/assert.ts";
import { type BlobStand, collect, failingAfter, keysOfSearch, makeBucketStand, makeFolderStand, NO_KEYS, streamOf } from "#test/support/blob-stands.ts";

/** What every store of blobs does, whatever it stands on. */
const STORES = [
	{ name: "a folder", make: makeFolderStand, keys: NO_KEYS },
	{ name: "a folder, encrypted", make: makeFolderStand, keys: keysOfSearch("k1") },
	{ name: "a bucket", make: () => makeBucketStand({ keysPerPage: 3 }), keys: NO_KEYS },
	{ name: "a bucket, encrypted", make: () => makeBucketStand({ keysPerPage: 3 }), keys: keysOfSearch("k1") },
] as const;

const KEY = "search/batches/b1/part-1.jsonl";
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const withCode = (code: string) => expect.objectContaining({ code });

describe.each(STORES)("blobs in $name", ({ make, keys }) => {
	let stand: BlobStand;
	let store: SweepableBlobStore;

	beforeEach(async () => {
		stand = await make();
		store = stand.storeWith(keys);
	});
	afterEach(() => stand.close());

	const keysBelow = async (prefix: string): Promise<string[]> => {
		const found: string[] = [];
		for await (const { key } of store.list(prefix)) found.push(key);
		return found.sort();
	};
	const alter = async (key: string, change: (bytes: Buffer) => Buffer): Promise<void> => stand.put(key, change(Buffer.from((await stand.stored(key))!)));

	test.each([0, 1, 127, 128, 65_407, 65_408, 65_409, 65_536, 300_000])("a blob of %i bytes is what was written, whole and from any byte on", async (length) => {
		const bytes = randomBytes(length);
		const written = await store.write(KEY, streamOf(bytes));
		expect(written).toEqual({ bytes: length, sha256: sha256(bytes) });
		expect(await store.describe(KEY)).toEqual(written);
		for (const start of [undefined, 0, 1, 65_535, 65_536, 131_073, length - 1, length, length + 7]) {
			if (start !== undefined && start < 0) continue;
			expect((await collect(store.read(KEY, start))).equals(bytes.subarray(start ?? 0))).toBe(true);
		}
	});

	test("empty chunks and chunks of one byte change nothing", async () => {
		async function* slowly(): AsyncGenerator<Uint8Array> {
			for (const byte of Buffer.from("a line\n")) yield* [new Uint8Array(0), Uint8Array.of(byte)];
		}
		await store.write(KEY, slowly());
		expect((await collect(store.read(KEY))).toString()).toBe("a line\n");
	});

	test("what was never written is missing", async () => {
		await expect(collect(store.read(KEY))).rejects.toEqual(withCode("blob.missing"));
		expect(await store.describe(KEY)).toBeUndefined();
		await store.delete(KEY);
		expect(await keysBelow("")).toEqual([]);
	});

	test("what was deleted is missing, and its neighbours are there", async () => {
		await store.write(KEY, streamOf(Buffer.from("one")));
		await store.write("search/batches/b1/part-2.jsonl", streamOf(Buffer.from("two")));
		await store.delete(KEY);
		await store.delete(KEY);
		await expect(collect(store.read(KEY))).rejects.toEqual(withCode("blob.missing"));
		expect((await collect(store.read("search/batches/b1/part-2.jsonl"))).toString()).toBe("two");
	});

	test("a second write replaces the first; who reads the first one reads it to its end", async () => {
		const first = randomBytes(400_000);
		await store.write(KEY, streamOf(first));
		const reader = store.read(KEY)[Symbol.asyncIterator]();
		const start = (await reader.next()).value as Uint8Array;
		await store.write(KEY, streamOf(Buffer.from("the second")));
		const rest = await collect({ [Symbol.asyncIterator]: () => reader });
		expect(Buffer.concat([start, rest]).equals(first)).toBe(true);
		expect((await collect(store.read(KEY))).toString()).toBe("the second");
	});

	test("two writes of one key at once leave one of them, whole", async () => {
		const [left, right] = [Buffer.alloc(200_000, "l"), Buffer.alloc(300_000, "r")];
		await Promise.all([store.write(KEY, streamOf(left)), store.write(KEY, streamOf(right))]);
		const found = await collect(store.read(KEY));
		expect(found.equals(left) || found.equals(right)).toBe(true);
	});

	test.each([0, 50_000, 9_000_000])("a source that fails after %i bytes leaves what was there, and its own error comes back", async (length) => {
		await store.write(KEY, streamOf(Buffer.from("before")));
		const error = new Error("line 7 is not JSON");
		await expect(store.write(KEY, failingAfter(Buffer.alloc(length), error))).rejects.toBe(error);
		await expect(store.write("search/files/new", failingAfter(Buffer.alloc(length), error))).rejects.toBe(error);
		expect((await collect(store.read(KEY))).toString()).toBe("before");
		expect(await keysBelow("")).toEqual([KEY]);
		expect(await store.removeLeftovers(-60_000)).toBe(0);
	});

	test("keys are listed below a prefix, all of them, with when they were written", async () => {
		const startedAtMs = Date.now();
		const names = ["other/files/f1", ...Array.from({ length: 8 }, (_, index) => `search/batches/b${index % 2}/part-${index}`), "search/files/f1"].sort();
		for (const name of names) await store.write(name, streamOf(Buffer.from(name)));
		await stand.put("search/not a key", Buffer.from("of somebody else"));
		expect(await keysBelow("")).toEqual(names);
		expect(await keysBelow("search/batches/b1/")).toEqual(names.filter((name) => name.startsWith("search/batches/b1/")));
		expect(await keysBelow("searc/")).toEqual([]);
		for await (const { writtenAtMs } of store.list("")) expect(Math.abs(writtenAtMs - startedAtMs)).toBeLessThan(60_000);
	});

	test("a reader who stops early leaves nothing open", async () => {
		await store.write(KEY, streamOf(Buffer.alloc(1_000_000)));
		for await (const chunk of store.read(KEY)) {
			expect(chunk.length).toBeGreaterThan(0);
			break;
		}
		await store.delete(KEY);
		expect(await store.describe(KEY)).toBeUndefined();
	});

	test("a key that could lead elsewhere is a mistake of whoever made it", async () => {
		for (const key of ["../search/files/x", "search/../x", "/search/x", "search", "search/", "search//x", ".drafts/x"]) {
			await expect(store.write(key, streamOf(Buffer.from("x")))).rejects.toBeInstanceOf(InvariantViolation);
			await expect(collect(store.read(key))).rejects.toBeInstanceOf(InvariantViolation);
			await expect(store.describe(key)).rejects.toBeInstanceOf(InvariantViolation);
			await expect(store.delete(key)).rejects.toBeInstanceOf(InvariantViolation);
		}
		expect(() => store.list("search")).toThrow(InvariantViolation);
		expect(() => store.list("search/../")).toThrow(InvariantViolation);
	});

	test("a byte that changed anywhere is found", async () => {
		const bytes = randomBytes(70_000);
		await store.write(KEY, streamOf(bytes));
		const whole = (await stand.stored(KEY))!;
		for (const at of [0, 30, 100, 255, 256, 300, 40_000, 65_900, whole.length - 128, whole.length - 64, whole.length - 1]) {
			await alter(KEY, () => Buffer.from(whole.map((byte, index) => (index === at ? byte ^ 1 : byte))));
			// In the header it may name another key.
			await expect(collect(store.read(KEY)), `byte ${at}`).rejects.toMatchObject({ code: expect.stringMatching(/^blob\.(damaged|key_missing)$/) });
		}
	});

	test("a blob that was cut off is found, by whoever reads or describes it", async () => {
		await store.write(KEY, streamOf(randomBytes(140_000)));
		const whole = (await stand.stored(KEY))!;
		for (const bytes of [0, 1, 255, 256, 300, 384, 65_820, 65_900, 131_384, whole.length - 129, whole.length - 128, whole.length - 1]) {
			await stand.put(KEY, whole.subarray(0, bytes));
			await expect(collect(store.read(KEY)), `${bytes} bytes`).rejects.toEqual(withCode("blob.damaged"));
			await expect(collect(store.read(KEY, 139_000)), `${bytes} bytes`).rejects.toEqual(withCode("blob.damaged"));
			await expect(store.describe(KEY), `${bytes} bytes`).rejects.toEqual(withCode("blob.damaged"));
		}
		await stand.put(KEY, Buffer.concat([whole, Buffer.from("more")]));
		await expect(collect(store.read(KEY))).rejects.toEqual(withCode("blob.damaged"));
	});
});

describe.each([STORES[0], STORES[2]])("keys of teams, in $name", ({ make }) => {
	let stand: BlobStand;
	const TEXT = '{"custom_id":"a","body":{"messages":["a secret of somebody"]}}\n';

	beforeEach(async () => {
		stand = await make();
	});
	afterEach(() => stand.close());

	const read = async (keys: Parameters<BlobStand["storeWith"]>[0], key = KEY) => (await collect(stand.storeWith(keys).read(key))).toString();

	test("what a team with a key writes does not lie there in plain, what another team writes does", async () => {
		const store = stand.storeWith(keysOfSearch("k1"));
		await store.write(KEY, streamOf(Buffer.from(TEXT)));
		await store.write("other/files/f1", streamOf(Buffer.from(TEXT)));
		expect((await stand.stored(KEY))!.includes("secret of somebody")).toBe(false);
		expect((await stand.stored(KEY))!.toString("latin1").split("\n")[0]).toMatch(
			/^\{"tollgateBlob":1,"cipher":"aes-256-gcm","keyId":"k1","salt":"[0-9a-f]{64}"\} *$/,
		);
		expect((await stand.stored("other/files/f1"))!.toString().split("\n").slice(0, 2).join("\n").trim()).toMatch(
			/^\{"tollgateBlob":1,"cipher":"none"\} *\n.*secret of somebody/,
		);
	});

	test("a blob written with an earlier key is read while that key is there, and new ones are written with the new", async () => {
		await stand.storeWith(keysOfSearch("k1")).write(KEY, streamOf(Buffer.from(TEXT)));
		const rotated = keysOfSearch("k1", "k2");
		await stand.storeWith(rotated).write("search/files/f2", streamOf(Buffer.from(TEXT)));
		expect([await read(rotated), await read(rotated, "search/files/f2")]).toEqual([TEXT, TEXT]);
		await expect(read(keysOfSearch("k2"))).rejects.toMatchObject({ code: "blob.key_missing", details: { key: KEY, keyId: "k1" } });
		await expect(stand.storeWith(NO_KEYS).describe("search/files/f2")).rejects.toEqual(withCode("blob.key_missing"));
	});

	test("a blob written without a key stays readable when the team gets one, and the other way round", async () => {
		await stand.storeWith(NO_KEYS).write(KEY, streamOf(Buffer.from(TEXT)));
		expect(await read(keysOfSearch("k1"))).toBe(TEXT);
		const retired = new Map([["search", { ...keysOfSearch("k1").get("search")!, writeWith: undefined }]]);
		await stand.storeWith(keysOfSearch("k1")).write(KEY, streamOf(Buffer.from(TEXT)));
		await stand.storeWith(retired).write("search/files/plain", streamOf(Buffer.from(TEXT)));
		expect(await read(retired)).toBe(TEXT);
		expect((await stand.stored("search/files/plain"))!.includes("secret of somebody")).toBe(true);
	});

	test("a sealed blob that lies under another name does not open", async () => {
		const keys = keysOfSearch("k1");
		await stand.storeWith(keys).write(KEY, streamOf(Buffer.from(TEXT)));
		await stand.put("search/batches/b1/part-2.jsonl", (await stand.stored(KEY))!);
		await expect(read(keys, "search/batches/b1/part-2.jsonl")).rejects.toEqual(withCode("blob.damaged"));
	});

	test("segments of an earlier blob of the same name do not open in a later one", async () => {
		const keys = keysOfSearch("k1");
		await stand.storeWith(keys).write(KEY, streamOf(Buffer.alloc(150_000, "a")));
		const earlier = (await stand.stored(KEY))!;
		await stand.storeWith(keys).write(KEY, streamOf(Buffer.alloc(150_000, "b")));
		const later = (await stand.stored(KEY))!;
		await stand.put(KEY, Buffer.concat([later.subarray(0, 256), earlier.subarray(256)]));
		await expect(read(keys)).rejects.toEqual(withCode("blob.damaged"));
	});
});
