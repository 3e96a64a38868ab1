/** A count that only grows, read between two moments. Milliseconds of one clock. */
export type CountRead = { readonly askedAtMs: number; readonly answeredAtMs: number; readonly count: number };

const SPAN_MS_MIN = 10_000;

/**
 * The most that certainly happened in some second: of every span of ten seconds or more, by how much the count grew, spread over as many seconds as can begin
 * in it. Of what happens at most N times in any second, in bursts or evenly, a span of L seconds holds N for each whole second and N more. The longer the
 * span, the less that is above N.
 */
export function mostPerSecond(reads: readonly CountRead[]): number {
	let most = 0;
	for (const [index, first] of reads.entries()) {
		for (const last of reads.slice(index + 1)) {
			const spanMs = last.answeredAtMs - first.askedAtMs;
			if (spanMs >= SPAN_MS_MIN) most = Math.max(most, (last.count - first.count) / (Math.floor(spanMs / 1_000) + 1));
		}
	}
	return Math.round(most * 10) / 10;
}
