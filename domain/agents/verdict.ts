/** What a guard says of a run. A stop means that policy's action for stops is due: pause (the default) or end. */
export type GuardVerdict = {
	readonly guard: GuardName;
	readonly severity: "warn" | "stop";
	/** What a person is told: what was seen, in one sentence without a full stop. */
	readonly evidence: string;
	/** What was counted, in the unit that the guard's name gives. */
	readonly measured: number;
	/** The line that it reached. */
	readonly threshold: number;
	/** Exchange of the run, from 1, with which it was reached. */
	readonly atEvent: number;
};

/** What one detector found; "warn" while it lasts, which is told once. */
export type Finding = Omit<GuardVerdict, "atEvent">;

/** In the order in which they are told when several speak at once. */
export const LOOP_GUARDS = [
	"loop.error_retry",
	"loop.repetition",
	"loop.cycle",
	"loop.ping_pong",
	"loop.no_progress",
	"loop.context_growth",
	"loop.cost_velocity",
] as const;
export type GuardName = (typeof LOOP_GUARDS)[number];

const ARGS_SHOWN = 120;
const TOOL_SHOWN = 64;

/** `search({"q":"x"})`, shortened, and fit to be stored and shown. */
export function describeCall(tool: string, argsText: string): string {
	return `\`${shown(tool, TOOL_SHOWN)}(${shown(argsText, ARGS_SHOWN)})\``;
}

/** At most `length` characters of somebody's text, without what a terminal or a database would stumble over. */
export function shown(text: string, length: number): string {
	const head = text.length > length ? `${text.slice(0, length - 1)}…` : text;
	return head.toWellFormed().replaceAll(/[\p{Cc}`]+/gu, " ");
}
