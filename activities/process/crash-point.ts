/**
 * The named points of a call at which tests crash a gateway (reliability.md §4). Nothing happens there and nothing can be armed:
 * test/support/crash-hook.mjs puts another function in this one's place, in the gateways that tests start.
 */
export const CRASH_POINTS = [
	"after-reserve",
	"after-journal",
	"after-send",
	"after-answer",
	"after-settle",
	"before-flush",
	"before-commit",
	"after-commit",
] as const;

export function crashPoint(_name: string): void {}
