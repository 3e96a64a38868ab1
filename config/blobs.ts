import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { BlobRetention } from "#domain/blobs/retention.ts";
import { TEAM_ID_PATTERN } from "#domain/budget/scope.ts";
import { type environmentSchema, S3_ADDRESS } from "./schema.ts";
import { Secret } from "./secret.ts";

/** Where payloads of batches lie, with which keys they are encrypted, and how long they are kept (docs/blobs.md). */
export type BlobSettings = Readonly<{
	place: FolderSettings | BucketSettings;
	/** By team; one that is not in it has its payloads unencrypted. */
	keys: ReadonlyMap<string, TeamBlobKeys>;
	retention: BlobRetention;
}>;

type FolderSettings = Readonly<{
	kind: "folder";
	/** Absolute. */
	folder: string;
}>;

type BucketSettings = Readonly<{
	kind: "s3";
	bucket: string;
	/** Before every key: "" or ending with "/". */
	prefix: string;
	/** Null: Amazon S3 of the region. */
	endpoint: string | null;
	region: string;
}>;

export type TeamBlobKeys = Readonly<{
	/** Id of the key that new payloads are encrypted with; undefined: they are not, and what was is still read. */
	writeWith: string | undefined;
	/** 32 bytes each, as base64. */
	keys: ReadonlyMap<string, Secret>;
}>;

type BlobVariable = "TOLLGATE_BLOBS" | "TOLLGATE_BLOBS_ENDPOINT" | "TOLLGATE_BLOBS_REGION" | "TOLLGATE_BLOB_KEYS_FILE" | "TOLLGATE_BLOBS_KEPT_DAYS";
type Values = Pick<z.output<typeof environmentSchema>, BlobVariable>;

const DEFAULT_REGION = "us-east-1";
const KEY_BYTES = 32;
/** Shorter than a key, so that one which was put where its id belongs is not taken for an id and repeated. */
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/;
const KEYS_FILE = "TOLLGATE_BLOB_KEYS_FILE";

const key = z.string().refine((text) => /^[A-Za-z0-9+/]{43}=$/.test(text) && Buffer.from(text, "base64").length === KEY_BYTES, {
	message: `must be ${KEY_BYTES} bytes as base64`,
});
const keysFileSchema = z.record(
	z.string().regex(TEAM_ID_PATTERN),
	z
		.strictObject({ writeWith: z.string().optional(), keys: z.record(z.string().regex(KEY_ID), key) })
		.refine(({ writeWith, keys }) => writeWith === undefined || writeWith in keys, {
			path: ["writeWith"],
			message: "must name one of the keys",
		}),
);

/** `home` absolute. What is wrong goes into `mistakes`, a line each. */
export function readBlobSettings(values: Values, home: string, mistakes: string[]): BlobSettings {
	return Object.freeze({ place: readPlace(values, home, mistakes), keys: readKeys(values, mistakes), retention: values.TOLLGATE_BLOBS_KEPT_DAYS });
}

function readPlace(values: Values, home: string, mistakes: string[]): BlobSettings["place"] {
	const [, bucket, prefix = ""] = S3_ADDRESS.exec(values.TOLLGATE_BLOBS ?? "") ?? [];
	if (bucket !== undefined) {
		const { TOLLGATE_BLOBS_ENDPOINT: endpoint = null, TOLLGATE_BLOBS_REGION: region = DEFAULT_REGION } = values;
		return Object.freeze({ kind: "s3", bucket, prefix: prefix === "" ? "" : `${prefix.slice(1)}/`, endpoint, region });
	}
	// Whoever set one believes that payloads lie there.
	const names = (["TOLLGATE_BLOBS_ENDPOINT", "TOLLGATE_BLOBS_REGION"] as const).filter((name) => values[name] !== undefined);
	mistakes.push(...names.map((name) => `${name}: expected TOLLGATE_BLOBS to be s3://… beside it; got it without`));
	return Object.freeze({ kind: "folder", folder: path.resolve(values.TOLLGATE_BLOBS ?? path.join(home, "blobs")) });
}

/** Says where a mistake is and never what stands there: it may be a key. */
function readKeys({ [KEYS_FILE]: file }: Values, mistakes: string[]): ReadonlyMap<string, TeamBlobKeys> {
	if (file === undefined) return new Map();
	const parsed = keysFileSchema.safeParse(readJson(file, mistakes));
	if (!parsed.success) {
		mistakes.push(...parsed.error.issues.map((issue) => `${KEYS_FILE}: ${describePlace(issue.path)}: ${describeProblem(issue)}`));
		return new Map();
	}
	const secrets = (keys: Record<string, string>) => new Map(Object.entries(keys).map(([id, text]) => [id, new Secret(text)]));
	return new Map(Object.entries(parsed.data).map(([team, { writeWith, keys }]) => [team, { writeWith, keys: secrets(keys) }]));
}

function readJson(file: string, mistakes: string[]): unknown {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		mistakes.push(`${KEYS_FILE}: expected a readable file; got ${(error as NodeJS.ErrnoException).code ?? "an error"}`);
		return {};
	}
	try {
		return JSON.parse(text);
	} catch {
		// The parser's own message quotes the file.
		mistakes.push(`${KEYS_FILE}: expected JSON; got something else`);
		return {};
	}
}

function describePlace(names: readonly PropertyKey[]): string {
	const shown = names.map((name) => (typeof name === "string" && (TEAM_ID_PATTERN.test(name) || KEY_ID.test(name)) ? name : "…"));
	return shown.length === 0 ? "the file" : shown.join(".");
}

function describeProblem(issue: z.core.$ZodIssue): string {
	if (issue.code === "invalid_key") return issue.path.length === 1 ? "no team can be called so" : "no key can have this id: 1 to 32 of A-Z a-z 0-9 . _ -";
	if (issue.code === "unrecognized_keys") return "has a field that is not known; it takes writeWith and keys";
	return issue.message;
}
