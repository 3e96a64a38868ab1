import type { BlobSettings } from "#config/blobs.ts";
import { createBlobKeyring } from "./blob-keys.ts";
import { createBlobStore, type SweepableBlobStore } from "./blob-store.ts";
import { createFolderPlace } from "./folder-place.ts";

/** The store that the settings name; any number of processes may open it at once. Nothing is asked of it yet. */
export async function openBlobStore({ place, keys }: Pick<BlobSettings, "place" | "keys">): Promise<SweepableBlobStore> {
	const keyring = createBlobKeyring(keys);
	if (place.kind === "folder") return createBlobStore(createFolderPlace(place.folder), keyring);
	// The SDK takes time and memory that a process without a bucket keeps.
	const { createS3Place } = await import("./s3-place.ts");
	return createBlobStore(createS3Place(place), keyring);
}
