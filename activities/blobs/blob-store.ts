import { createHash, randomBytes } from "node:crypto";
import { assert } from "#domain/assert.ts";
import { assertBlobKey, assertBlobPrefix } from "#domain/blobs/blob-key.ts";
import { blobDamaged, blobKeyMissing, blobMissing } from "./blob-errors.ts";
import type { BlobKeyring } from "./blob-keys.ts";
import { HEADER_BYTES, readHeader, readSummary, renderHeader, renderSummary, SALT_BYTES, SUMMARY_BYTES } from "./blob-lines.ts";
import type { ObjectPlace, PlacedObject } from "./object-place.ts";
import type { BlobStore, WrittenBlob } from "./port.ts";
import { contentBytesOf, sealSegments, unsealSegments } from "./sealed-segments.ts";

/**
 * Blobs over any place of bytes. An object is a header line and its content, which is the blob's bytes and a summary line; the content is
 * sealed where the team has a key (sealed-segments.ts). Both lines are there without a key as well: a blob that was cut off is found, and
 * one that is read from its first byte is held to its hash.
 */
export type SweepableBlobStore = BlobStore & Pick<ObjectPlace, "removeLeftovers">;

/** What an object holds behind its header, unsealed. */
type Content = { readonly bytes: number; read(fromByte: number): AsyncIterable<Uint8Array> };

export function createBlobStore(place: ObjectPlace, keyring: BlobKeyring): SweepableBlobStore {
	return {
		async write(key, source) {
			assertBlobKey(key);
			const content = new WrittenContent(source);
			await place.write(key, renderObject(key, keyring, content));
			return content.written();
		},
		async *read(key, startByte = 0) {
			assertBlobKey(key);
			assert(Number.isSafeInteger(startByte) && startByte >= 0, `a blob has no byte ${startByte}`);
			const object = await place.open(key, HEADER_BYTES);
			if (object === undefined) throw blobMissing(key);
			try {
				yield* readContent(key, openContent(key, object, keyring), startByte);
			} finally {
				await object.close();
			}
		},
		async describe(key) {
			assertBlobKey(key);
			const object = await place.open(key, HEADER_BYTES);
			if (object === undefined) return undefined;
			try {
				const content = openContent(key, object, keyring);
				const end = await readContent(key, content, content.bytes).next();
				assert(end.done, "a blob has bytes behind its end");
				return end.value;
			} finally {
				await object.close();
			}
		},
		async delete(key) {
			assertBlobKey(key);
			await place.delete(key);
		},
		list(prefix) {
			assertBlobPrefix(prefix);
			return place.list(prefix);
		},
		removeLeftovers: (untouchedForMs) => place.removeLeftovers(untouchedForMs),
	};
}

/** A source with the summary of what passed behind it. */
class WrittenContent implements AsyncIterable<Uint8Array> {
	readonly #source: AsyncIterable<Uint8Array>;
	#written: WrittenBlob | undefined;

	constructor(source: AsyncIterable<Uint8Array>) {
		this.#source = source;
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
		const hash = createHash("sha256");
		let bytes = 0;
		for await (const chunk of this.#source) {
			hash.update(chunk);
			bytes += chunk.length;
			yield chunk;
		}
		this.#written = { bytes, sha256: hash.digest("hex") };
		yield renderSummary(this.#written);
	}

	written(): WrittenBlob {
		assert(this.#written !== undefined, "a blob was written that was not read to its end");
		return this.#written;
	}
}

async function* renderObject(key: string, keyring: BlobKeyring, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	const keyId = keyring.idToWriteWith(key);
	if (keyId === undefined) {
		yield renderHeader({ cipher: "none" });
		yield* content;
		return;
	}
	const salt = randomBytes(SALT_BYTES);
	const contentKey = keyring.keyOf(key, keyId, salt);
	if (contentKey === undefined) throw blobKeyMissing(key, keyId);
	yield renderHeader({ cipher: "aes-256-gcm", keyId, salt });
	yield* sealSegments(content, contentKey);
}

function openContent(key: string, object: PlacedObject, keyring: BlobKeyring): Content {
	const header = readHeader(object.start);
	if (header === undefined) throw blobDamaged(key, "does not begin as a payload does");
	const bytes = object.bytes - HEADER_BYTES;
	const read = (fromByte: number): AsyncIterable<Uint8Array> => object.read(HEADER_BYTES + fromByte);
	if (header.cipher === "none") return { bytes, read };
	const contentKey = keyring.keyOf(key, header.keyId, header.salt);
	if (contentKey === undefined) throw blobKeyMissing(key, header.keyId);
	const contentBytes = contentBytesOf(bytes);
	if (contentBytes === undefined) throw blobDamaged(key, "is shorter than written");
	return { bytes: contentBytes, read: (fromByte) => unsealSegments({ key: contentKey, blob: key, bytes }, fromByte, read) };
}

/** The blob's bytes from `startByte` on, none from its end on; returns what its summary says, to which they are held. */
async function* readContent(key: string, content: Content, startByte: number): AsyncGenerator<Uint8Array, WrittenBlob> {
	const bytes = content.bytes - SUMMARY_BYTES;
	if (bytes < 0) throw blobDamaged(key, "is shorter than written");
	const first = Math.min(startByte, bytes);
	const hash = first === 0 ? createHash("sha256") : undefined;
	const end: Uint8Array[] = [];
	let left = bytes - first;
	for await (const chunk of content.read(first)) {
		const own = chunk.subarray(0, left);
		left -= own.length;
		hash?.update(own);
		if (own.length > 0) yield own;
		if (own.length < chunk.length) end.push(chunk.subarray(own.length));
	}
	const written = readSummary(Buffer.concat(end));
	if (written?.bytes !== bytes) throw blobDamaged(key, "is not as long as written");
	if (hash !== undefined && hash.digest("hex") !== written.sha256) throw blobDamaged(key, "is not what was written");
	return written;
}
