import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { findSignatureProblem, type S3Account, type S3Refusal } from "./s3-signature.ts";

/**
 * An S3-speaking server in memory, as strict as the strictest of the compatible ones: it checks every signature, knows one bucket by path,
 * refuses headers that not all servers have (checksums, conditional writes), and holds multipart uploads to S3's rules.
 */
export type S3Server = {
	readonly endpoint: string;
	readonly bucket: string;
	readonly account: S3Account;
	readonly objects: Map<string, S3Object>;
	readonly uploads: Map<string, S3Upload>;
	/** Names of the operations that were asked for, in their order, refused ones included. */
	readonly operations: string[];
	/** Looks at each operation; what it returns happens instead. */
	fault: (operation: string) => S3Fault | undefined;
	close(): Promise<void>;
};

export type S3Object = { readonly parts: readonly Buffer[]; readonly etag: string; writtenAtMs: number };
export type S3Upload = { readonly key: string; readonly parts: Map<number, Buffer>; begunAtMs: number };
/** `silent`: no answer ever comes. `cut`: the connection breaks off within the body of the answer. */
export type S3Fault = S3Refusal | "silent" | "cut";

type Call = {
	readonly key: string;
	readonly query: URLSearchParams;
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
	readonly body: Buffer;
};

const PART_BYTES_MIN = 5 * 1_048_576;
const PARTS_MAX = 10_000;
const NOT_EVERYWHERE = /^(x-amz-checksum-.*|x-amz-sdk-checksum-algorithm|x-amz-trailer|x-amz-acl|x-amz-server-side-.*)$/;

class Refused extends Error {
	readonly refusal: S3Refusal;

	constructor(refusal: S3Refusal) {
		super(refusal.code);
		this.refusal = refusal;
	}
}

/** `keysPerPage` of every list, so that short ones are continued too. */
export async function startS3Server({ keysPerPage = 1_000 }: { readonly keysPerPage?: number } = {}): Promise<S3Server> {
	const stand = {
		bucket: "payloads",
		account: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: randomUUID(), region: "eu-west-7" },
		objects: new Map<string, S3Object>(),
		uploads: new Map<string, S3Upload>(),
		operations: [] as string[],
		fault: (_operation: string): S3Fault | undefined => undefined,
	};
	const server = createServer((request, response) => {
		answer(stand, keysPerPage, request, response).catch((error: unknown) => response.destroy(error as Error));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return Object.assign(stand, {
		endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	});
}

type Stand = Omit<S3Server, "endpoint" | "close">;

async function answer(stand: Stand, keysPerPage: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	const url = new URL(request.url ?? "", "http://s3.example");
	const [, bucket = "", ...names] = decodeURIComponent(url.pathname).split("/");
	const call: Call = { key: names.join("/"), query: url.searchParams, request, response, body: Buffer.concat(chunks) };
	const operation = operationOf(call);
	stand.operations.push(operation);
	try {
		const fault = stand.fault(operation);
		if (fault === "silent") return;
		if (fault !== undefined && fault !== "cut") throw new Refused(fault);
		refuseWhatIsWrong(stand, bucket, call);
		await OPERATIONS[operation]?.(stand, call, { keysPerPage, isCut: fault === "cut" });
	} catch (error) {
		if (!(error instanceof Refused)) throw error;
		const { status, code } = error.refusal;
		sendXml(response, status, `<Error><Code>${code}</Code><Message>${code}</Message><RequestId>${randomUUID()}</RequestId></Error>`);
	}
}

function operationOf({ request: { method = "" }, key, query }: Call): string {
	if (key === "")
		return method !== "GET" ? "unknown" : query.get("list-type") === "2" ? "ListObjectsV2" : query.has("uploads") ? "ListMultipartUploads" : "unknown";
	const isOfUpload = query.has("uploadId");
	if (method === "PUT") return isOfUpload ? "UploadPart" : "PutObject";
	if (method === "POST") return isOfUpload ? "CompleteMultipartUpload" : query.has("uploads") ? "CreateMultipartUpload" : "unknown";
	if (method === "DELETE") return isOfUpload ? "AbortMultipartUpload" : "DeleteObject";
	return method === "GET" ? "GetObject" : "unknown";
}

function refuseWhatIsWrong(stand: Stand, bucket: string, { request, body }: Call): void {
	const problem = findSignatureProblem(request, body, stand.account);
	if (problem !== undefined) throw new Refused(problem);
	if (bucket !== stand.bucket) throw new Refused({ status: 404, code: "NoSuchBucket" });
	const isConditionalWrite = request.method !== "GET" && (request.headers["if-match"] !== undefined || request.headers["if-none-match"] !== undefined);
	if (isConditionalWrite || Object.keys(request.headers).some((name) => NOT_EVERYWHERE.test(name))) throw new Refused({ status: 501, code: "NotImplemented" });
	if (request.method === "PUT" && request.headers["content-length"] === undefined) throw new Refused({ status: 411, code: "MissingContentLength" });
}

type How = { readonly keysPerPage: number; readonly isCut: boolean };

const OPERATIONS: Readonly<Record<string, (stand: Stand, call: Call, how: How) => void | Promise<void>>> = {
	unknown() {
		throw new Refused({ status: 405, code: "MethodNotAllowed" });
	},
	PutObject({ objects }, { key, body, response }) {
		const etag = etagOf(body);
		objects.set(key, { parts: [body], etag, writtenAtMs: Date.now() });
		response.writeHead(200, { etag }).end();
	},
	CreateMultipartUpload({ uploads, bucket }, { key, response }) {
		const uploadId = randomUUID();
		uploads.set(uploadId, { key, parts: new Map(), begunAtMs: Date.now() });
		sendXml(
			response,
			200,
			`<InitiateMultipartUploadResult><Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`,
		);
	},
	UploadPart(stand, call) {
		const { parts } = uploadOf(stand, call);
		const number = Number(call.query.get("partNumber"));
		if (!Number.isInteger(number) || number < 1 || number > PARTS_MAX) throw new Refused({ status: 400, code: "InvalidArgument" });
		parts.set(number, call.body);
		call.response.writeHead(200, { etag: etagOf(call.body) }).end();
	},
	CompleteMultipartUpload(stand, call) {
		const upload = uploadOf(stand, call);
		const parts = namedParts(call.body.toString("utf8")).map(({ number, etag }, index, all) => {
			const part = upload.parts.get(number);
			if (part === undefined || etagOf(part) !== etag) throw new Refused({ status: 400, code: "InvalidPart" });
			if (number <= (all[index - 1]?.number ?? 0)) throw new Refused({ status: 400, code: "InvalidPartOrder" });
			if (part.length < PART_BYTES_MIN && index < all.length - 1) throw new Refused({ status: 400, code: "EntityTooSmall" });
			return part;
		});
		if (parts.length === 0) throw new Refused({ status: 400, code: "MalformedXML" });
		const etag = `"${createHash("md5").update(parts.map(etagOf).join("")).digest("hex")}-${parts.length}"`;
		stand.objects.set(call.key, { parts, etag, writtenAtMs: Date.now() });
		stand.uploads.delete(call.query.get("uploadId") ?? "");
		sendXml(
			call.response,
			200,
			`<CompleteMultipartUploadResult><Key>${escapeXml(call.key)}</Key><ETag>${escapeXml(etag)}</ETag></CompleteMultipartUploadResult>`,
		);
	},
	AbortMultipartUpload(stand, call) {
		uploadOf(stand, call);
		stand.uploads.delete(call.query.get("uploadId") ?? "");
		call.response.writeHead(204).end();
	},
	async GetObject({ objects }, { key, request, response }, { isCut }) {
		const object = objects.get(key);
		if (object === undefined) throw new Refused({ status: 404, code: "NoSuchKey" });
		const { "if-match": match, range } = request.headers;
		if (match !== undefined && match !== object.etag) throw new Refused({ status: 412, code: "PreconditionFailed" });
		const bytes = bytesOf(object);
		const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
		const [from, to] = [Number(first), Math.min(last === "" ? Number.POSITIVE_INFINITY : Number(last), bytes - 1)];
		if (range !== undefined && from > to) throw new Refused({ status: 416, code: "InvalidRange" });
		response.writeHead(range === undefined ? 200 : 206, {
			etag: object.etag,
			"content-length": to + 1 - from,
			"last-modified": new Date(object.writtenAtMs).toUTCString(),
			...(range !== undefined && { "content-range": `bytes ${from}-${to}/${bytes}` }),
		});
		if (!isCut) return pipeline(Readable.from(slices(object, from, to + 1)), response);
		response.write(Buffer.concat([...slices(object, from, from + Math.ceil((to - from) / 2))]), () => response.destroy());
	},
	DeleteObject({ objects }, { key, response }) {
		objects.delete(key);
		response.writeHead(204).end();
	},
	ListObjectsV2({ objects, bucket }, { query, response }, { keysPerPage }) {
		const token = query.get("continuation-token");
		const after = token === null ? "" : Buffer.from(token, "base64url").toString();
		const found = [...objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after).sort();
		const page = found.slice(0, Math.min(keysPerPage, Number(query.get("max-keys") ?? 1_000)));
		const rows = page.map((key) => {
			const { writtenAtMs, etag } = objects.get(key) as S3Object;
			const written = new Date(writtenAtMs).toISOString();
			return `<Contents><Key>${escapeXml(key)}</Key><LastModified>${written}</LastModified><ETag>${escapeXml(etag)}</ETag></Contents>`;
		});
		const isTruncated = page.length < found.length;
		const next = isTruncated ? `<NextContinuationToken>${Buffer.from(page.at(-1) ?? "").toString("base64url")}</NextContinuationToken>` : "";
		const head = `<Name>${bucket}</Name><KeyCount>${page.length}</KeyCount><IsTruncated>${isTruncated}</IsTruncated>`;
		sendXml(response, 200, `<ListBucketResult>${head}${next}${rows.join("")}</ListBucketResult>`);
	},
	ListMultipartUploads({ uploads, bucket }, { query, response }, { keysPerPage }) {
		const after = [query.get("key-marker") ?? "", query.get("upload-id-marker") ?? ""].join("\0");
		const placeOf = ([id, { key }]: [string, S3Upload]): string => [key, id].join("\0");
		const found = [...uploads]
			.filter((entry) => entry[1].key.startsWith(query.get("prefix") ?? "") && placeOf(entry) > after)
			.sort((left, right) => (placeOf(left) < placeOf(right) ? -1 : 1));
		const page = found.slice(0, keysPerPage);
		const rows = page.map(([id, { key, begunAtMs }]) => {
			const begun = new Date(begunAtMs).toISOString();
			return `<Upload><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId><Initiated>${begun}</Initiated></Upload>`;
		});
		const [lastId = "", last] = page.at(-1) ?? [];
		const next = `<NextKeyMarker>${escapeXml(last?.key ?? "")}</NextKeyMarker><NextUploadIdMarker>${lastId}</NextUploadIdMarker>`;
		const head = `<Bucket>${bucket}</Bucket><IsTruncated>${page.length < found.length}</IsTruncated>${next}`;
		sendXml(response, 200, `<ListMultipartUploadsResult>${head}${rows.join("")}</ListMultipartUploadsResult>`);
	},
};

function uploadOf({ uploads }: Stand, { key, query }: Call): S3Upload {
	const upload = uploads.get(query.get("uploadId") ?? "");
	if (upload === undefined || upload.key !== key) throw new Refused({ status: 404, code: "NoSuchUpload" });
	return upload;
}

function namedParts(xml: string): { readonly number: number; readonly etag: string }[] {
	return [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = ""]) => ({
		number: Number(/<PartNumber>(\d+)<\/PartNumber>/.exec(part)?.[1]),
		etag: (/<ETag>(.*?)<\/ETag>/.exec(part)?.[1] ?? "").replaceAll("&quot;", '"'),
	}));
}

function bytesOf({ parts }: S3Object): number {
	return parts.reduce((sum, part) => sum + part.length, 0);
}

function* slices({ parts }: S3Object, from: number, to: number): Generator<Buffer> {
	let position = 0;
	for (const part of parts) {
		const slice = part.subarray(Math.max(from - position, 0), Math.max(to - position, 0));
		position += part.length;
		if (slice.length > 0) yield slice;
	}
}

function etagOf(bytes: Buffer): string {
	return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

function escapeXml(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function sendXml(response: ServerResponse, status: number, xml: string): void {
	response.writeHead(status, { "content-type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`);
}
