export type SentMessage = { readonly teamId: string; readonly atMs: number };

/** The most messages in any span that is shorter than `spanMs`; in the order they were sent. */
export function mostWithin(sent: readonly SentMessage[], spanMs: number): number {
	let most = 0;
	let first = 0;
	for (let last = 0; last < sent.length; last += 1) {
		while ((sent[last]?.atMs ?? 0) - (sent[first]?.atMs ?? 0) >= spanMs) first += 1;
		most = Math.max(most, last - first + 1);
	}
	return most;
}
