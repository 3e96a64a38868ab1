import type { IncomingMessage } from "node:http";
import { isIdempotencyKey } from "#domain/idempotency/decide.ts";
import type { Problem } from "./problem.ts";

export const IDEMPOTENCY_HEADER = "idempotency-key";

export type ReadKey = { readonly kind: "key"; readonly key: string } | { readonly kind: "rejected"; readonly problem: Problem };

/** The key of a request that has the header. node:http joins two headers with a comma, so they are counted first. */
export function readIdempotencyKey(request: IncomingMessage): ReadKey {
	const [key, ...others] = request.headersDistinct[IDEMPOTENCY_HEADER] ?? [];
	if (others.length > 0) return rejected("The header Idempotency-Key is given twice.");
	if (key === undefined || !isIdempotencyKey(key)) return rejected("An Idempotency-Key has 1 to 255 printable ASCII characters.");
	return { kind: "key", key };
}

function rejected(message: string): ReadKey {
	return { kind: "rejected", problem: { code: "request.invalid", message, field: IDEMPOTENCY_HEADER } };
}
