import { hkdfSync } from "node:crypto";
import type { TeamBlobKeys } from "#config/blobs.ts";
import { teamOfBlob } from "#domain/blobs/blob-key.ts";

/** Keys of teams. Every blob has a key of its own, derived from its team's, its name and a salt of its own, so that nothing of one opens in another. */
export type BlobKeyring = {
	/** Id of the key that the blob is to be sealed with; undefined: its team has none. */
	idToWriteWith(blob: string): string | undefined;
	/** undefined: the blob's team has no key of that id here. */
	keyOf(blob: string, keyId: string, salt: Buffer): Buffer | undefined;
};

const KEY_BYTES = 32;
/** Keeps this use of a team's key apart from others; never changed. */
const PURPOSE = "tollgate blob 1\0";

export function createBlobKeyring(teams: ReadonlyMap<string, TeamBlobKeys>): BlobKeyring {
	return {
		idToWriteWith: (blob) => teams.get(teamOfBlob(blob))?.writeWith,
		keyOf(blob, keyId, salt) {
			const key = teams.get(teamOfBlob(blob))?.keys.get(keyId);
			return key && Buffer.from(hkdfSync("sha256", Buffer.from(key.reveal(), "base64"), salt, PURPOSE + blob, KEY_BYTES));
		},
	};
}
