import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createBlobKeyring } from "#activities/blobs/blob-keys.ts";
import { createBlobStore, type SweepableBlobStore } from "#activities/blobs/blob-store.ts";
import { createFolderPlace } from "#activities/blobs/folder-place.ts";
import type { ObjectPlace } from "#activities/blobs/object-place.ts";
import { createS3Place } from "#activities/blobs/s3-place.ts";
import type { TeamBlobKeys } from "#config/blobs.ts";
import { Secret } from "#config/secret.ts";
import { startS3Server } from "./s3-server.ts";

/** A place of blobs, with what lies in it as it lies. */
export type BlobStand = {
	readonly place: ObjectPlace;
	storeWith(keys: ReadonlyMap<string, TeamBlobKeys>): SweepableBlobStore;
	/** undefined where there is nothing. */
	stored(key: string): Promise<Buffer | undefined>;
	/** Puts bytes there that no store wrote. */
	put(key: string, bytes: Buffer): Promise<void>;
	close(): Promise<void>;
};

export const NO_KEYS: ReadonlyMap<string, TeamBlobKeys> = new Map();

/** Keys of team "search" with these ids; the last is written with. */
export function keysOfSearch(...ids: readonly string[]): ReadonlyMap<string, TeamBlobKeys> {
	return new Map([["search", { writeWith: ids.at(-1), keys: new Map(ids.map((id) => [id, keyCalled(id)])) }]]);
}

/** The same for the same id. */
function keyCalled(id: string): Secret {
	return new Secret(Buffer.alloc(32, id).toString("base64"));
}

export async function makeFolderStand(): Promise<BlobStand & { readonly folder: string }> {
	const folder = path.join(mkdtempSync(path.join(tmpdir(), "tollgate-blobs-")), "blobs");
	const place = createFolderPlace(folder);
	const fileOf = (key: string) => path.join(folder, key);
	return {
		place,
		folder,
		storeWith: (keys) => createBlobStore(place, createBlobKeyring(keys)),
		stored: (key) => readFile(fileOf(key)).catch(() => undefined), // what cannot be read is not there, as far as a test goes
		async put(key, bytes) {
			await mkdir(path.dirname(fileOf(key)), { recursive: true });
			await writeFile(fileOf(key), bytes);
		},
		close: () => rm(path.dirname(folder), { recursive: true, force: true }),
	};
}

export async function makeBucketStand(options: { readonly keysPerPage?: number } = {}) {
	const server = await startS3Server(options);
	const prefix = "tollgate/blobs/";
	const { bucket, endpoint, account, objects } = server;
	const { region, ...credentials } = account;
	const place = createS3Place({ bucket, prefix, endpoint, region, credentials });
	const stand: BlobStand = {
		place,
		storeWith: (keys) => createBlobStore(place, createBlobKeyring(keys)),
		async stored(key) {
			const parts = objects.get(prefix + key)?.parts;
			return parts && Buffer.concat(parts);
		},
		async put(key, bytes) {
			objects.set(prefix + key, { parts: [bytes], etag: `"${randomBytes(16).toString("hex")}"`, writtenAtMs: Date.now() });
		},
		close: () => server.close(),
	};
	return { ...stand, server, prefix };
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of source) chunks.push(chunk);
	return Buffer.concat(chunks);
}

/** In chunks of so many bytes. */
export async function* streamOf(bytes: Buffer, chunkBytes = 10_000): AsyncGenerator<Buffer> {
	for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
}

/** What `streamOf` gives, and then this error. */
export async function* failingAfter(bytes: Buffer, error: Error): AsyncGenerator<Buffer> {
	yield* streamOf(bytes);
	throw error;
}
