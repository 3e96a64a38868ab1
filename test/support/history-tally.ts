/** How often each thing really happened: histories in which nothing happens prove nothing. */
export type HistoryTally = Record<
	"granted" | "refused" | "fenced" | "lookahead" | "claimed" | "booked" | "repeated" | "returned" | "adopted" | "lumped" | "late" | "limited" | "overrun",
	number
>;

export function emptyTally(): HistoryTally {
	return {
		granted: 0,
		refused: 0,
		fenced: 0,
		lookahead: 0,
		claimed: 0,
		booked: 0,
		repeated: 0,
		returned: 0,
		adopted: 0,
		lumped: 0,
		late: 0,
		limited: 0,
		overrun: 0,
	};
}
