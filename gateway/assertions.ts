import type { IncomingHttpHeaders } from "node:http";
import type { KeyIdentity, RequestAuthority } from "#activities/request/port.ts";
import type { Problem } from "./problem.ts";

export type Asserted = { readonly user?: string; readonly feature?: string };
export type Assertions = { readonly kind: "accepted"; readonly values: Asserted } | { readonly kind: "rejected"; readonly problem: Problem };

const DIMENSIONS = ["user", "feature"] as const;
const NOTHING_ASSERTED: Assertions = { kind: "accepted", values: {} };
/** Printable ASCII without spaces at the ends. No comma: node:http joins a header given twice with one. */
const VALUE = /^[\x21-\x2b\x2d-\x7e](?:[\x20-\x2b\x2d-\x7e]{0,126}[\x21-\x2b\x2d-\x7e])?$/;

/** `x-tollgate-user` and `x-tollgate-feature` of a key that may assert them; refused on every other key. */
export function readAssertions(headers: IncomingHttpHeaders, key: KeyIdentity, authority: RequestAuthority): Assertions | Promise<Assertions> {
	if (headers["x-tollgate-user"] === undefined && headers["x-tollgate-feature"] === undefined) return NOTHING_ASSERTED;
	return readGiven(headers, key, authority);
}

async function readGiven(headers: IncomingHttpHeaders, key: KeyIdentity, authority: RequestAuthority): Promise<Assertions> {
	const values: { user?: string; feature?: string } = {};
	for (const dimension of DIMENSIONS) {
		const header = `x-tollgate-${dimension}`;
		const value = headers[header];
		if (value === undefined) continue;
		if (typeof value !== "string" || !VALUE.test(value))
			return rejected("request.invalid", `${header} must be 1 to 128 printable ASCII characters without a comma.`, header);
		if (!key.mayAssert.includes(dimension)) return rejected("key.assertion_refused", `This key may not assert a ${dimension}.`, header);
		if (!(await authority.mayAssertValue(key, dimension, value)))
			return rejected("key.assertion_refused", `This key has asserted as many different ${dimension}s as it may.`, header);
		values[dimension] = value;
	}
	return { kind: "accepted", values };
}

function rejected(code: Problem["code"], message: string, field: string): Assertions {
	return { kind: "rejected", problem: { code, message, field } };
}
