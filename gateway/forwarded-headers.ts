import type { IncomingHttpHeaders } from "node:http";

export type ForwardedHeaders = {
	/** Flat name, value list for the provider. */
	readonly forwardedHeaders: readonly string[];
	/** Values of anthropic-beta; each is checked before it is forwarded. */
	readonly betas: readonly string[];
};

const NOTHING: readonly string[] = [];
const FORWARDED = ["accept", "anthropic-version", "anthropic-beta"] as const;

/**
 * The only headers that travel from a caller to a provider. Organisation, project, workspace and profile
 * headers choose who pays, so they are never among them.
 */
export function readForwardedHeaders(headers: IncomingHttpHeaders): ForwardedHeaders {
	const forwardedHeaders: string[] = [];
	for (const name of FORWARDED) {
		const value = headers[name];
		if (typeof value === "string") forwardedHeaders.push(name, value);
	}
	const beta = headers["anthropic-beta"];
	if (beta === undefined) return { forwardedHeaders, betas: NOTHING };
	return {
		forwardedHeaders,
		betas: String(beta)
			.split(",")
			.map((value) => value.trim())
			.filter((value) => value !== ""),
	};
}
