import { createHash } from "node:crypto";
import type { KeyIdentity } from "#activities/request/port.ts";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import { deferredIdOf, newDeferredId } from "../batches/new-ids.ts";
import type { ItemHeaders } from "./read-headers.ts";

/** `requestHash` null: the id is a new one, and nobody asks for it again. */
export type ItemName = { readonly deferredId: string; readonly requestHash: string | null };

type Named = {
	readonly key: KeyIdentity;
	readonly endpoint: BatchEndpoint;
	readonly headers: Pick<ItemHeaders, "idempotencyKey" | "asserted">;
	readonly body: Buffer;
};

/**
 * Under an Idempotency-Key the id follows from it and from who asks, as the record of a call does (activities/idempotency): the same item is found again
 * as long as its row is there. What makes it this request is its endpoint, its body and for whom it is; a deadline, lane or webhook is that of the first.
 */
export function nameItem({ key, endpoint, headers: { idempotencyKey, asserted }, body }: Named): ItemName {
	if (idempotencyKey === null) return { deferredId: newDeferredId(), requestHash: null };
	const { teamId, keyId, userId, feature, environment } = key;
	const caller = JSON.stringify(["deferred", teamId, keyId, userId, feature, environment, idempotencyKey]);
	const facts = JSON.stringify([endpoint, asserted.user ?? null, asserted.feature ?? null]);
	return {
		deferredId: deferredIdOf(createHash("sha256").update(caller).digest()),
		requestHash: createHash("sha256").update(`${facts}\n`).update(body).digest("hex"),
	};
}

/** 32 hexadecimal digits. */
export function digestOf(bytes: Buffer): string {
	return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}
