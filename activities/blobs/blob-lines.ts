import { assert } from "#domain/assert.ts";
import type { WrittenBlob } from "./port.ts";

/**
 * The two lines around the content of every blob, text of a fixed length, so that a person sees what an object is (`head -1`):
 * the header says how the content is sealed, the summary ends the content and says how much was written. The summary stands behind the
 * bytes, not in the metadata of an object, because a stream's length and hash are known when it has passed, and S3 takes metadata before.
 */
export type BlobHeader = { readonly cipher: "none" } | { readonly cipher: "aes-256-gcm"; readonly keyId: string; readonly salt: Buffer };

export const HEADER_BYTES = 256;
export const SUMMARY_BYTES = 128;
export const SALT_BYTES = 32;

const PLAIN_HEADER = /^\{"tollgateBlob":1,"cipher":"none"\} *\n$/;
const SEALED_HEADER = /^\{"tollgateBlob":1,"cipher":"aes-256-gcm","keyId":"([A-Za-z0-9._-]{1,32})","salt":"([0-9a-f]{64})"\} *\n$/;
const SUMMARY = /^\{"bytes":(0|[1-9]\d{0,14}),"sha256":"([0-9a-f]{64})"\} *\n$/;

export function renderHeader(header: BlobHeader): Buffer {
	const fields = header.cipher === "none" ? {} : { keyId: header.keyId, salt: header.salt.toString("hex") };
	return renderLine({ tollgateBlob: 1, cipher: header.cipher, ...fields }, HEADER_BYTES);
}

/** undefined: these bytes are no header. */
export function readHeader(bytes: Buffer): BlobHeader | undefined {
	if (bytes.length !== HEADER_BYTES) return undefined;
	const line = bytes.toString("latin1");
	if (PLAIN_HEADER.test(line)) return { cipher: "none" };
	const [, keyId, salt] = SEALED_HEADER.exec(line) ?? [];
	return keyId === undefined || salt === undefined ? undefined : { cipher: "aes-256-gcm", keyId, salt: Buffer.from(salt, "hex") };
}

export function renderSummary({ bytes, sha256 }: WrittenBlob): Buffer {
	return renderLine({ bytes, sha256 }, SUMMARY_BYTES);
}

/** undefined: these bytes are no summary. */
export function readSummary(line: Buffer): WrittenBlob | undefined {
	if (line.length !== SUMMARY_BYTES) return undefined;
	const [, bytes, sha256] = SUMMARY.exec(line.toString("latin1")) ?? [];
	return bytes === undefined || sha256 === undefined ? undefined : { bytes: Number(bytes), sha256 };
}

function renderLine(fields: object, bytes: number): Buffer {
	const line = Buffer.from(`${JSON.stringify(fields).padEnd(bytes - 1)}\n`, "latin1");
	assert(line.length === bytes, `a line around a blob has ${line.length} bytes, not ${bytes}`);
	return line;
}
