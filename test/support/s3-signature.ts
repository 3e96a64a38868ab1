import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** What S3 checks of how a request is signed: AWS Signature Version 4 in the Authorization header, over every byte of the body. */
export type S3Account = { readonly accessKeyId: string; readonly secretAccessKey: string; readonly region: string };
export type S3Refusal = { readonly status: number; readonly code: string };

const AUTHORIZATION = /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;
const SKEW_MS = 15 * 60_000;

/** undefined: nothing is wrong with it. */
export function findSignatureProblem(request: IncomingMessage, body: Buffer, account: S3Account): S3Refusal | undefined {
	const [, accessKeyId, day = "", region = "", signedNames = "", signature = ""] = AUTHORIZATION.exec(request.headers.authorization ?? "") ?? [];
	if (accessKeyId === undefined) return { status: 403, code: "AccessDenied" };
	if (accessKeyId !== account.accessKeyId) return { status: 403, code: "InvalidAccessKeyId" };
	if (region !== account.region) return { status: 400, code: "AuthorizationHeaderMalformed" };
	const problem = findUnsigned(request, signedNames.split(";")) ?? findDateProblem(request, day) ?? findBodyProblem(request, body);
	if (problem !== undefined) return problem;
	const expected = signatureOf(request, { day, region, signedNames, secretAccessKey: account.secretAccessKey });
	return timingSafeEqual(expected, Buffer.from(signature, "hex")) ? undefined : { status: 403, code: "SignatureDoesNotMatch" };
}

function findUnsigned(request: IncomingMessage, signed: readonly string[]): S3Refusal | undefined {
	const mustBe = Object.keys(request.headers).filter((name) => name === "host" || name === "content-md5" || name.startsWith("x-amz-"));
	return mustBe.every((name) => signed.includes(name)) ? undefined : { status: 403, code: "AccessDenied" };
}

function findDateProblem(request: IncomingMessage, day: string): S3Refusal | undefined {
	const sent = headerOf(request, "x-amz-date");
	const [, year, month, date, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(sent) ?? [];
	if (year === undefined || !sent.startsWith(day)) return { status: 403, code: "AccessDenied" };
	const sentAtMs = Date.parse(`${year}-${month}-${date}T${hour}:${minute}:${second}Z`);
	return Math.abs(Date.now() - sentAtMs) <= SKEW_MS ? undefined : { status: 403, code: "RequestTimeTooSkewed" };
}

function findBodyProblem(request: IncomingMessage, body: Buffer): S3Refusal | undefined {
	const hash = headerOf(request, "x-amz-content-sha256");
	if (hash === "") return { status: 400, code: "InvalidRequest" };
	// Bodies in chunks of their own encoding, and unsigned ones without TLS, are not taken by all servers.
	if (!/^[0-9a-f]{64}$/.test(hash)) return { status: 501, code: "NotImplemented" };
	return hash === sha256(body) ? undefined : { status: 400, code: "XAmzContentSHA256Mismatch" };
}

type Signing = { readonly day: string; readonly region: string; readonly signedNames: string; readonly secretAccessKey: string };

function signatureOf(request: IncomingMessage, { day, region, signedNames, secretAccessKey }: Signing): Buffer {
	const [path = "", query = ""] = (request.url ?? "").split("?");
	const headers = signedNames.split(";").map((name) => `${name}:${headerOf(request, name).trim().replace(/ +/g, " ")}\n`);
	const canonical = [request.method, path, canonicalQuery(query), headers.join(""), signedNames, headerOf(request, "x-amz-content-sha256")].join("\n");
	const scope = `${day}/${region}/s3/aws4_request`;
	const toSign = ["AWS4-HMAC-SHA256", headerOf(request, "x-amz-date"), scope, sha256(canonical)].join("\n");
	const key = [day, region, "s3", "aws4_request"].reduce<Buffer>((last, part) => hmac(last, part), Buffer.from(`AWS4${secretAccessKey}`));
	return hmac(key, toSign);
}

function canonicalQuery(query: string): string {
	if (query === "") return "";
	const pairs = query.split("&").map((pair) => {
		const [name = "", value = ""] = pair.split("=").map((text) => encode(decodeURIComponent(text)));
		return `${name}=${value}`;
	});
	return pairs.sort().join("&");
}

function encode(text: string): string {
	return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function headerOf(request: IncomingMessage, name: string): string {
	const value = request.headers[name] ?? "";
	return typeof value === "string" ? value : value.join(",");
}

function sha256(bytes: Buffer | string): string {
	return createHash("sha256").update(bytes).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
	return createHmac("sha256", key).update(text).digest();
}
