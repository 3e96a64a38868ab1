/**
 * Where bytes lie under keys, a folder or a bucket, knowing nothing of what they mean: blob-store.ts gives them their form. Keys and
 * prefixes are checked before they come here. What a place cannot do rejects as "blob.unreachable".
 */
export type ObjectPlace = {
	/** Whole or not at all; what the source rejects with is rejected with, unchanged. */
	write(key: string, source: AsyncIterable<Uint8Array>): Promise<void>;
	/** The object as it stands now, with its first `startBytes` bytes, or all where it has fewer; undefined where there is none. */
	open(key: string, startBytes: number): Promise<PlacedObject | undefined>;
	/** Does nothing where there is none. */
	delete(key: string): Promise<void>;
	/** What is no blob is left out. */
	list(prefix: string): AsyncIterable<ListedBlob>;
	/** Removes what writes that never ended left behind, where nobody has touched it for so long. Returns how many. */
	removeLeftovers(untouchedForMs: number): Promise<number>;
};

export type PlacedObject = {
	readonly bytes: number;
	readonly start: Buffer;
	/** From there to its end. Rejects where the object was replaced or removed since it was opened, or is read as it was. */
	read(fromByte: number): AsyncIterable<Uint8Array>;
	close(): Promise<void>;
};

export type ListedBlob = { readonly key: string; readonly writtenAtMs: number };
