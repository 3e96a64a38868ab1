import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBlobKeyring } from "#activities/blobs/blob-keys.ts";
import { createBlobStore, type SweepableBlobStore } from "#activities/blobs/blob-store.ts";
import { createS3Place } from "#activities/blobs/s3-place.ts";
import { collect, makeBucketStand, NO_KEYS, streamOf } from "#test/support/blob-stands.ts";

/** What only a bucket does, through the real AWS SDK against a server that checks what S3 checks. */
const KEY = "search/batches/b1/part-1.jsonl";
const MB = 1_048_576;
const isUnreachable = (problem: string) => expect.objectContaining({ code: "blob.unreachable", isRetryable: true, details: { problem } });

let stand: Awaited<ReturnType<typeof makeBucketStand>>;
let store: SweepableBlobStore;

beforeEach(async () => {
	stand = await makeBucketStand({ keysPerPage: 2 });
	store = stand.storeWith(NO_KEYS);
});
afterEach(() => stand.close());

const asked = (operation: string): number => stand.server.operations.filter((one) => one === operation).length;
const storeOf = (changes: Partial<Parameters<typeof createS3Place>[0]>): SweepableBlobStore => {
	const { bucket, endpoint, account } = stand.server;
	const place = createS3Place({ bucket, prefix: "", endpoint, region: account.region, credentials: account, ...changes });
	return createBlobStore(place, createBlobKeyring(NO_KEYS));
};

describe("a blob in a bucket", () => {
	test("that is small goes in one request, under the prefix, in the address's path", async () => {
		await store.write(KEY, streamOf(Buffer.from("a line\n")));
		expect(stand.server.operations).toEqual(["PutObject"]);
		expect([...stand.server.objects.keys()]).toEqual([`tollgate/blobs/${KEY}`]);
	});

	test("that is large goes in parts, and is read in one piece and from the middle", async () => {
		const bytes = randomBytes(20 * MB);
		await store.write(KEY, streamOf(bytes, 100_000));
		expect([asked("CreateMultipartUpload"), asked("UploadPart"), asked("CompleteMultipartUpload"), asked("PutObject")]).toEqual([1, 3, 1, 0]);
		expect(stand.server.uploads.size).toBe(0);
		expect((await collect(store.read(KEY))).equals(bytes)).toBe(true);
		expect((await collect(store.read(KEY, 15 * MB + 1))).equals(bytes.subarray(15 * MB + 1))).toBe(true);
		expect((await store.describe(KEY))?.bytes).toBe(bytes.length);
	});

	test("is not there while it is written", async () => {
		const seen: unknown[] = [];
		async function* watched(): AsyncGenerator<Buffer> {
			for (let mb = 0; mb < 20; mb += 1) {
				yield randomBytes(MB);
				if (mb % 5 === 4) seen.push(await store.describe(KEY));
			}
		}
		await store.write(KEY, watched());
		expect(seen).toEqual([undefined, undefined, undefined, undefined]);
		expect((await store.describe(KEY))?.bytes).toBe(20 * MB);
	});

	test("whose upload cannot go on is not there, nor its parts", async () => {
		stand.server.fault = (operation) => (operation === "UploadPart" && asked("UploadPart") > 2 ? { status: 403, code: "AccessDenied" } : undefined);
		await expect(store.write(KEY, streamOf(Buffer.alloc(40 * MB), MB))).rejects.toEqual(isUnreachable("AccessDenied"));
		expect([stand.server.objects.size, stand.server.uploads.size]).toEqual([0, 0]);
	});

	test("that is replaced between two requests of its reader is not read as a mixture", async () => {
		await stand.place.write(KEY, streamOf(Buffer.alloc(1_000, "a")));
		const opened = (await stand.place.open(KEY, 256))!;
		await stand.place.write(KEY, streamOf(Buffer.alloc(1_000, "b")));
		await expect(collect(opened.read(500))).rejects.toEqual(isUnreachable("PreconditionFailed"));
		await stand.place.delete(KEY);
		await expect(collect(opened.read(500))).rejects.toMatchObject({ code: "blob.missing" });
	});

	test("whose answer breaks off is not reached, and not taken for damaged", async () => {
		await store.write(KEY, streamOf(Buffer.alloc(3 * MB)));
		// Not the first look at it: of its body.
		stand.server.fault = (operation) => (operation === "GetObject" && asked("GetObject") > 1 ? "cut" : undefined);
		await expect(collect(store.read(KEY))).rejects.toMatchObject({ code: "blob.unreachable", isRetryable: true });
	});
});

describe("a server", () => {
	test("that stumbles is asked again", async () => {
		const faults = [
			{ status: 503, code: "SlowDown" },
			{ status: 500, code: "InternalError" },
		];
		stand.server.fault = () => faults.pop();
		await store.write(KEY, streamOf(Buffer.from("a line\n")));
		expect(asked("PutObject")).toBe(3);
	});

	test("that takes a call and never answers is given up", async () => {
		stand.server.fault = () => "silent";
		await expect(storeOf({ idleMs: 300 }).describe(KEY)).rejects.toEqual(isUnreachable("TimeoutError"));
	});

	test("that is not there, or has no such bucket, is not reached", async () => {
		await expect(storeOf({ bucket: "another" }).describe(KEY)).rejects.toEqual(isUnreachable("NoSuchBucket"));
		const firstOf = async (list: AsyncIterable<unknown>): Promise<unknown> => list[Symbol.asyncIterator]().next();
		await expect(firstOf(storeOf({ bucket: "another" }).list(""))).rejects.toEqual(isUnreachable("NoSuchBucket"));
		const { endpoint } = await makeBucketStand().then(async (other) => {
			await other.close();
			return other.server;
		});
		await expect(storeOf({ endpoint }).delete(KEY)).rejects.toEqual(isUnreachable("ECONNREFUSED"));
	});

	test("refuses whoever signs with another secret, key or region, and nothing is shown of the secret", async () => {
		const { account } = stand.server;
		const refused = [
			[{ credentials: { ...account, secretAccessKey: "another-secret" } }, "SignatureDoesNotMatch"],
			[{ credentials: { ...account, accessKeyId: "AKIDANOTHER" } }, "InvalidAccessKeyId"],
			[{ region: "us-east-1" }, "AuthorizationHeaderMalformed"],
		] as const;
		for (const [changes, problem] of refused) {
			const failure = await storeOf(changes)
				.write(KEY, streamOf(Buffer.from("x")))
				.catch((error: unknown) => error as Error & { publicMessage: string });
			expect(failure).toEqual(isUnreachable(problem));
			expect(JSON.stringify(failure)).not.toMatch(/another-secret|127\.0\.0\.1/);
		}
	});
});

describe("uploads that never ended", () => {
	test("are removed when nobody can be at them any more, over pages, and only ours", async () => {
		const { uploads } = stand.server;
		const begunAtMs = Date.now() - 60_000;
		for (const name of ["search/files/a", "search/files/b", "search/files/c"]) uploads.set(name, { key: stand.prefix + name, parts: new Map(), begunAtMs });
		uploads.set("young", { key: `${stand.prefix}search/files/d`, parts: new Map(), begunAtMs: Date.now() + 5_000 });
		uploads.set("another's", { key: "backups/2026", parts: new Map(), begunAtMs });
		expect(await store.removeLeftovers(30_000)).toBe(3);
		expect([...uploads.keys()].sort()).toEqual(["another's", "young"]);
		expect(await store.removeLeftovers(30_000)).toBe(0);
	});
});
