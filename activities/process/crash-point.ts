/**
 * Fault injection for tests (reliability.md §4): `TOLLGATE_CRASH_AT=name:n` ends this process with SIGKILL, as a crash
 * would, when the named point is passed for the n-th time (n ≥ 1, default 1). Empty: nothing ever happens.
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

export function createCrashPoint(setting: string | undefined): (name: string) => void {
	if (setting === undefined || setting === "") return () => undefined;
	const [wanted, count = "1"] = setting.split(":");
	let left = Number(count);
	return (name) => {
		if (name !== wanted) return;
		left -= 1;
		if (left === 0) process.kill(process.pid, "SIGKILL");
	};
}
