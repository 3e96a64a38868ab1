import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * AES-256-GCM over stored answers. Every record has a key of its own, derived from the file's secret and what the record is
 * about, so that an answer moved to another row cannot be read and no nonce is ever used twice under one key.
 */
export type AnswerCipher = {
	seal(plain: Buffer, recordName: string): Buffer;
	/** Undefined when these bytes were not sealed with this secret for this record. */
	unseal(sealed: Buffer, recordName: string): Buffer | undefined;
};

const ALGORITHM = "aes-256-gcm";
const SECRET_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = "tollgate stored answer 1\0";

export function createAnswerCipher(secret: Buffer): AnswerCipher {
	const keyOf = (recordName: string): Buffer => Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), PURPOSE + recordName, SECRET_BYTES));
	return {
		seal(plain, recordName) {
			const nonce = randomBytes(NONCE_BYTES);
			const cipher = createCipheriv(ALGORITHM, keyOf(recordName), nonce, { authTagLength: TAG_BYTES });
			const text = Buffer.concat([cipher.update(plain), cipher.final()]);
			return Buffer.concat([nonce, cipher.getAuthTag(), text]);
		},
		unseal(sealed, recordName) {
			if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
			const decipher = createDecipheriv(ALGORITHM, keyOf(recordName), sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
			decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
			const text = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
			try {
				return Buffer.concat([text, decipher.final()]);
			} catch {
				return undefined; // node:crypto has no code for it: the tag does not match, which is the answer
			}
		},
	};
}

/**
 * The secret of a home, made by whoever asks first: 32 random bytes as base64, alone in a file of mode 0600. Gateways that
 * start at the same moment end with the same one.
 * @throws Error when the file holds something else.
 */
export function readOrCreateSecret(file: string): Buffer {
	const kept = readIfPresent(file) ?? create(file);
	const secret = Buffer.from(kept.trim(), "base64");
	if (secret.length !== SECRET_BYTES)
		throw new Error(
			`${file} must hold ${SECRET_BYTES} bytes as base64. Put the right file back; or remove it, and the answers stored with it can no longer be repeated.`,
		);
	return secret;
}

/** Written aside and linked: nobody ever reads half a secret, and the first link wins. */
function create(file: string): string {
	mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
	const draft = `${file}.${process.pid}.new`;
	writeFileSync(draft, `${randomBytes(SECRET_BYTES).toString("base64")}\n`, { mode: 0o600 });
	try {
		linkSync(draft, file);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
	} finally {
		rmSync(draft, { force: true });
	}
	return readFileSync(file, "utf8");
}

function readIfPresent(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
