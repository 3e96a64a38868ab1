import { Readable } from "node:stream";
import {
	AbortMultipartUploadCommand,
	DeleteObjectCommand,
	GetObjectCommand,
	type GetObjectCommandOutput,
	ListMultipartUploadsCommand,
	type ListMultipartUploadsCommandOutput,
	ListObjectsV2Command,
	type ListObjectsV2CommandOutput,
	S3Client,
	S3ServiceException,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { isBlobKey } from "#domain/blobs/blob-key.ts";
import { blobMissing, blobUnreachable, reachBlobs } from "./blob-errors.ts";
import type { ListedBlob, ObjectPlace, PlacedObject } from "./object-place.ts";

/**
 * Objects in a bucket of Amazon S3 or of a server that is compatible with it. Only what all of these have is asked for: no checksum headers
 * (the signature covers the SHA-256 of every body), no DeleteObjects (which some take with Content-MD5 alone), no conditional writes, and
 * addresses of the path style where an endpoint is given. An object appears whole when its one PUT or its multipart upload is complete.
 */
export type S3PlaceOptions = {
	readonly bucket: string;
	/** Before every key: "" or ending with "/". */
	readonly prefix: string;
	/** Null: Amazon S3 of the region. */
	readonly endpoint: string | null;
	readonly region: string;
	/** Default: found as every AWS SDK finds them (environment, shared files, the machine's role). */
	readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
	/** A connection on which nothing moves for so long is given up; default 120 s. Whoever reads a blob may pause for less than that. */
	readonly idleMs?: number;
};

/**
 * What is shorter goes in one PUT. Two parts of 8 MiB under way and one being gathered, with its copy, are what a process holds of a blob;
 * S3 takes parts from 5 MiB and 10,000 of them: 80 GB a blob.
 */
const PART_BYTES = 8_388_608;
const PARTS_AT_ONCE = 2;
const CONNECT_MS = 5_000;
const IDLE_MS = 120_000;

type Location = { readonly client: S3Client; readonly bucket: string; readonly prefix: string };

export function createS3Place({ bucket, prefix, endpoint, region, credentials, idleMs = IDLE_MS }: S3PlaceOptions): ObjectPlace {
	const client = new S3Client({
		region,
		...(endpoint !== null && { endpoint, forcePathStyle: true }),
		...(credentials !== undefined && { credentials }),
		requestChecksumCalculation: "WHEN_REQUIRED",
		responseChecksumValidation: "WHEN_REQUIRED",
		requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: idleMs },
	});
	const location: Location = { client, bucket, prefix };
	return {
		write: (key, source) => upload(location, key, source),
		open: (key, startBytes) => openObject(location, key, startBytes),
		async delete(key) {
			await reachBlobs(() => unlessAbsent(client.send(new DeleteObjectCommand({ Bucket: bucket, Key: prefix + key }))));
		},
		list: (keyPrefix) => listObjects(location, keyPrefix),
		removeLeftovers: (untouchedForMs) => abortUploads(location, Date.now() - untouchedForMs),
	};
}

async function upload({ client, bucket, prefix }: Location, key: string, source: AsyncIterable<Uint8Array>): Promise<void> {
	const watched = new WatchedSource(source);
	const params = { Bucket: bucket, Key: prefix + key, Body: Readable.from(watched) };
	try {
		// Parts that are there when it fails are removed by it.
		await new Upload({ client, params, partSize: PART_BYTES, queueSize: PARTS_AT_ONCE, leavePartsOnError: false }).done();
	} catch (error) {
		if (watched.failure !== undefined) throw watched.failure.error;
		throw blobUnreachable(error);
	}
}

/** Remembers what the source itself rejected with; what its reader gives it up for is none of that. */
class WatchedSource implements AsyncIterable<Uint8Array> {
	readonly #source: AsyncIterable<Uint8Array>;
	failure: { readonly error: unknown } | undefined;

	constructor(source: AsyncIterable<Uint8Array>) {
		this.#source = source;
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
		const iterator = this.#source[Symbol.asyncIterator]();
		return {
			next: async () => {
				try {
					return await iterator.next();
				} catch (error) {
					this.failure = { error };
					throw error;
				}
			},
			return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
		};
	}
}

async function openObject(location: Location, key: string, startBytes: number): Promise<PlacedObject | undefined> {
	let answer: GetObjectCommandOutput | undefined;
	try {
		answer = await unlessAbsent(get(location, key, { Range: `bytes=0-${startBytes - 1}` }));
	} catch (error) {
		// An object of no bytes has no first one.
		if (isCalled(error, "InvalidRange")) return { bytes: 0, start: Buffer.alloc(0), read: nothing, close: async () => undefined };
		throw blobUnreachable(error);
	}
	if (answer === undefined) return undefined;
	const bytes = bytesOfWhole(answer, 0);
	const start: Uint8Array[] = [];
	for await (const chunk of readBody(answer)) start.push(chunk);
	const match = answer.ETag === undefined ? {} : { IfMatch: answer.ETag };
	return { bytes, start: Buffer.concat(start), read: (fromByte) => readFrom(location, key, fromByte, match), close: async () => undefined };
}

async function* readFrom(location: Location, key: string, fromByte: number, match: { readonly IfMatch?: string }): AsyncGenerator<Uint8Array> {
	const answer = await reachBlobs(() => unlessAbsent(get(location, key, { Range: `bytes=${fromByte}-`, ...match })));
	if (answer === undefined) throw blobMissing(key);
	bytesOfWhole(answer, fromByte);
	yield* readBody(answer);
}

function get({ client, bucket, prefix }: Location, key: string, what: { readonly Range: string; readonly IfMatch?: string }): Promise<GetObjectCommandOutput> {
	return client.send(new GetObjectCommand({ Bucket: bucket, Key: prefix + key, ...what }));
}

/** @throws CostControlError "blob.unreachable" where the server answered with another range than it was asked for, or with all. */
function bytesOfWhole({ ContentRange: range, Body: body }: GetObjectCommandOutput, fromByte: number): number {
	const [, first, whole] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? "") ?? [];
	if (whole === undefined || Number(first) !== fromByte) {
		if (body instanceof Readable) body.destroy();
		throw blobUnreachable({ code: "RangeNotHonoured" });
	}
	return Number(whole);
}

async function* readBody({ Body: body }: GetObjectCommandOutput): AsyncGenerator<Uint8Array> {
	if (!(body instanceof Readable)) throw blobUnreachable({ code: "NoBody" });
	try {
		yield* body;
	} catch (error) {
		throw blobUnreachable(error);
	}
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* listObjects({ client, bucket, prefix }: Location, keyPrefix: string): AsyncGenerator<ListedBlob> {
	let next: { readonly ContinuationToken?: string } | undefined = {};
	while (next !== undefined) {
		const query = { Bucket: bucket, Prefix: prefix + keyPrefix, ...next };
		const page: ListObjectsV2CommandOutput = await reachBlobs(() => client.send(new ListObjectsV2Command(query)));
		for (const { Key: name, LastModified: writtenAt } of page.Contents ?? []) {
			const key = name?.slice(prefix.length) ?? "";
			// Whatever else lies in the bucket is not ours.
			if (writtenAt !== undefined && isBlobKey(key)) yield { key, writtenAtMs: writtenAt.getTime() };
		}
		next = page.IsTruncated === true && page.NextContinuationToken !== undefined ? { ContinuationToken: page.NextContinuationToken } : undefined;
	}
}

/** Multipart uploads begun before that: a process that was killed left them, and their parts are stored and paid for. */
async function abortUploads({ client, bucket, prefix }: Location, beforeMs: number): Promise<number> {
	let aborted = 0;
	let next: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined = {};
	while (next !== undefined) {
		const query = { Bucket: bucket, Prefix: prefix, ...next };
		const page: ListMultipartUploadsCommandOutput = await reachBlobs(() => client.send(new ListMultipartUploadsCommand(query)));
		for (const { Key: name, UploadId: uploadId, Initiated: begunAt } of page.Uploads ?? []) {
			if (name === undefined || uploadId === undefined || begunAt === undefined || begunAt.getTime() >= beforeMs) continue;
			if (!isBlobKey(name.slice(prefix.length))) continue;
			await reachBlobs(() => unlessAbsent(client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: name, UploadId: uploadId }))));
			aborted += 1;
		}
		const { IsTruncated: isTruncated, NextKeyMarker: key, NextUploadIdMarker: id } = page;
		next = isTruncated === true && key !== undefined ? { KeyMarker: key, ...(id !== undefined && { UploadIdMarker: id }) } : undefined;
	}
	return aborted;
}

/** undefined where there is no such object or upload. A bucket that is not there is a failure. */
async function unlessAbsent<Result>(work: Promise<Result>): Promise<Result | undefined> {
	try {
		return await work;
	} catch (error) {
		if (["NoSuchKey", "NotFound", "NoSuchUpload"].some((name) => isCalled(error, name))) return undefined;
		throw error;
	}
}

function isCalled(error: unknown, name: string): boolean {
	return error instanceof S3ServiceException && error.name === name;
}
