import type { KeyIdentity } from "#activities/request/port.ts";

/** Who a line of the log is about, under the names that docs/operations.md lists; the team only once the key is known. */
export type CallFields = { readonly requestId: string; readonly team?: string; readonly keyId?: string };

export function callFields({ id, virtualKey }: { readonly id: string; readonly virtualKey: KeyIdentity | undefined }): CallFields {
	return { requestId: id, ...(virtualKey && { team: virtualKey.teamId, keyId: virtualKey.keyId }) };
}
