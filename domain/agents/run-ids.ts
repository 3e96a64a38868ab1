import { RUN_ID_PATTERN } from "./run.ts";

/** What an id of a run must be, to follow the name of its field. */
export const RUN_ID_RULE = "must be 1 to 128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit";

export function runIdProblem(runId: string): string | undefined {
	return RUN_ID_PATTERN.test(runId) ? undefined : RUN_ID_RULE;
}

const RUN_ID_BYTES = 16;
const PAUSE_ID_BYTES = 8;

/** The id of a run that nobody named: "run_" and 32 hexadecimal digits. `random` gives so many random bytes. */
export function newRunId(random: (bytes: number) => Uint8Array): string {
	return `run_${hexOf(random(RUN_ID_BYTES))}`;
}

/** "pau_" and 16 hexadecimal digits: what people and logs call one pause. */
export function newPauseId(random: (bytes: number) => Uint8Array): string {
	return `pau_${hexOf(random(PAUSE_ID_BYTES))}`;
}

function hexOf(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
