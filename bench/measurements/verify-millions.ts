import { copyDatabase, fillStore } from "../lanes/store.ts";
import { forkMeasured } from "../machine/fork-measured.ts";
import { writeLedger } from "./ledger-ceiling.ts";
import type { Measurement } from "./measurement.ts";
import type { VerifyOutcome } from "./verify-child.ts";

const ENTRIES = 5_000_000;
const LIMIT_MEGABYTES = 300;

/** `verify` over five million entries: how long it takes, and the most memory it holds. */
export const verifyMillions: Measurement = {
	name: "verify over 5 million entries",
	isLong: true,
	run: async ({ context }) => {
		const url = await copyDatabase(context.postgresUrl, context.templateDatabase, "verify-millions");
		await fillStore(url, { budgets: 0 });
		return verifyEntries(url, ENTRIES);
	},
};

/** Fills the ledger and verifies it in a process of its own, whose peak memory is the kernel's own count. */
export async function verifyEntries(url: string, entries: number): ReturnType<Measurement["run"]> {
	await writeLedger(url, entries);
	const outcome = await forkMeasured<VerifyOutcome>(new URL("./verify-child.ts", import.meta.url), [url]);
	const data = { ...outcome, requested: entries, isWithinLimit: outcome.peakMegabytes < LIMIT_MEGABYTES };
	const state = outcome.isOk && outcome.entries === entries ? "in order" : "NOT in order";
	const line = `verify over ${outcome.entries} entries: ${state}, ${(outcome.elapsedMs / 1000).toFixed(1)} s, ${outcome.peakMegabytes.toFixed(0)} MB at most (limit ${LIMIT_MEGABYTES})`;
	return { data, lines: [line] };
}
