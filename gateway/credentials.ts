import type { Problem } from "./problem.ts";

export type Credential = { readonly kind: "secret"; readonly secret: string } | { readonly kind: "rejected"; readonly problem: Problem };

const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(["authorization", "x-api-key", "api-key"]);
/** Names of the three headers have these lengths; nothing else is lower-cased on the hot path. */
const CREDENTIAL_HEADER_LENGTHS: ReadonlySet<number> = new Set([...CREDENTIAL_HEADERS].map((name) => name.length));
const BEARER = /^bearer +(\S+)$/i;

/**
 * The virtual key of a request. Read from the raw header list because node:http keeps only the first of two
 * Authorization headers, and a proxy in front may have kept the other.
 */
export function readCredential(rawHeaders: readonly string[]): Credential {
	const seen: string[] = [];
	let secret: string | undefined;
	for (let index = 0; index < rawHeaders.length; index += 2) {
		const rawName = rawHeaders[index] ?? "";
		if (!CREDENTIAL_HEADER_LENGTHS.has(rawName.length)) continue;
		const name = rawName.toLowerCase();
		if (!CREDENTIAL_HEADERS.has(name)) continue;
		if (seen.includes(name)) return rejected("request.invalid", `The header ${name} is given twice.`, name);
		seen.push(name);
		const found = secretOf(name, rawHeaders[index + 1] ?? "");
		if (found === undefined) return rejected("key.missing", "The Authorization header must be `Bearer` and a key.", name);
		if (secret !== undefined && secret !== found) return rejected("request.invalid", "Two different keys are given in two headers.", name);
		secret = found;
	}
	if (secret === undefined) return rejected("key.missing", "No key: send it as `Authorization: Bearer`, `x-api-key` or `api-key`.", "authorization");
	return { kind: "secret", secret };
}

function secretOf(name: string, value: string): string | undefined {
	if (name !== "authorization") return value === "" ? undefined : value;
	return BEARER.exec(value)?.[1];
}

function rejected(code: Problem["code"], message: string, field: string): Credential {
	return { kind: "rejected", problem: { code, message, field } };
}
