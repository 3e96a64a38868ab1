const SPANS: readonly (readonly [ms: number, unit: string])[] = [
	[86_400_000, "d"],
	[3_600_000, "h"],
	[60_000, "min"],
	[1_000, "s"],
];

/** "24 h", "1 d 6 h", "3 min 20 s": the two largest units that count. */
export function formatSpan(spanMs: number): string {
	if (spanMs < 1_000) return `${Math.round(spanMs)} ms`;
	const first = SPANS.findIndex(([ms]) => spanMs >= ms);
	const parts = SPANS.slice(first, first + 2).reduce<{ readonly rest: number; readonly words: readonly string[] }>(
		({ rest, words }, [ms, unit]) => {
			const count = Math.floor(rest / ms);
			return { rest: rest - count * ms, words: count === 0 ? words : [...words, `${count} ${unit}`] };
		},
		{ rest: spanMs, words: [] },
	);
	return parts.words.join(" ");
}
