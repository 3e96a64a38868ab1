import { assert } from "../assert.ts";
import { TEAM_ID_PATTERN } from "../budget/scope.ts";

/**
 * Names of blobs: names of A-Z a-z 0-9 . _ - joined by "/", the first of them the team, the second what the blob is for. "." and ".."
 * are no names, so that a key, taken as a path, leads nowhere but below its store.
 */
const KEY_CHARACTERS_MAX = 512;
/** 255 characters is what file systems take for one name. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}$/;

/**
 * What blobs are for, as far as it changes how long they are kept: files of callers, with the answers to requests that were handed in alone, and what
 * goes to providers and comes from them.
 */
export const BLOB_PURPOSES = ["files", "batches"] as const;
export type BlobPurpose = (typeof BLOB_PURPOSES)[number];

/** As activities/batches/lines/deferred-blobs.ts calls them. */
const DEFERRED = "deferred";

export function isBlobKey(key: string): boolean {
	const names = key.split("/");
	return key.length <= KEY_CHARACTERS_MAX && names.length > 1 && startsWithTeam(names) && names.every((name) => NAME.test(name));
}

/** "" for all blobs, else names that each end with "/". */
export function isBlobPrefix(prefix: string): boolean {
	if (prefix === "") return true;
	const names = prefix.slice(0, -1).split("/");
	return prefix.length <= KEY_CHARACTERS_MAX && prefix.endsWith("/") && startsWithTeam(names) && names.every((name) => NAME.test(name));
}

/** A key that is none is a mistake of whoever made it. */
export function assertBlobKey(key: string): void {
	assert(isBlobKey(key), `not a key of a blob: ${JSON.stringify(key)}`);
}

export function assertBlobPrefix(prefix: string): void {
	assert(isBlobPrefix(prefix), `not a prefix of keys of blobs: ${JSON.stringify(prefix)}`);
}

export function teamOfBlob(key: string): string {
	return key.slice(0, key.indexOf("/"));
}

/** undefined: one that has no time of its own. */
export function purposeOfBlob(key: string): BlobPurpose | undefined {
	const [, name, ...rest] = key.split("/");
	if (name === DEFERRED && rest.at(-1) === "answer") return "files";
	return BLOB_PURPOSES.find((purpose) => purpose === name);
}

/** Which request that was handed in alone it is the body of: its id; undefined for any other blob. */
export function deferredOfBody(key: string): string | undefined {
	const [, name, deferredId, part] = key.split("/");
	return name === DEFERRED && /^body(-|$)/.test(part ?? "") ? deferredId : undefined;
}

function startsWithTeam(names: readonly string[]): boolean {
	return TEAM_ID_PATTERN.test(names[0] ?? "");
}
