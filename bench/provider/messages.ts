import path from "node:path";
import type { ProviderMode } from "./lane-server.ts";

/** What the bench provider says when it listens: the port of each lane. */
export type ProviderReport = { readonly ports: Readonly<Record<string, number>> };
/** A mode for all lanes; answered with what was billed so far. */
export type ProviderOrder = { readonly mode: ProviderMode };
export type ProviderAnswer = { readonly billed: Readonly<Record<string, number>> };

export function callLogOf(folder: string, lane: string): string {
	return path.join(folder, `${lane}.jsonl`);
}
