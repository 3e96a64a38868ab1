/** Longer names are not worth the search. */
const MAX_LENGTH = 40;
/** A hostile file could ask for ever: the first unknown names get a suggestion, the rest none. */
const MAX_SUGGESTIONS = 100;

/** "; did you mean limitUsd?", or nothing where no known name is near. */
export type Suggest = (name: string, known: Iterable<string>) => string;

export function createSuggest(): Suggest {
	let left = MAX_SUGGESTIONS;
	return (name, known) => {
		left -= 1;
		const nearest = left < 0 ? undefined : nearestName(name, known);
		return nearest === undefined ? "" : `; did you mean ${nearest}?`;
	};
}

/** The known name that was probably meant; undefined when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
	if (name.length > MAX_LENGTH) return undefined;
	const allowed = Math.max(1, Math.floor(name.length / 3));
	let nearest: string | undefined;
	let fewest = allowed + 1;
	for (const candidate of known) {
		if (Math.abs(candidate.length - name.length) >= fewest) continue;
		const edits = editsBetween(name.toLowerCase(), candidate.toLowerCase());
		if (edits < fewest) [nearest, fewest] = [candidate, edits];
	}
	return nearest;
}

/** Letters inserted, left out, replaced, or two neighbours in each other's place. */
function editsBetween(left: string, right: string): number {
	let beforeLast: number[] = [];
	let last = Array.from({ length: right.length + 1 }, (_, index) => index);
	for (let row = 1; row <= left.length; row += 1) {
		const current = [row];
		for (let column = 1; column <= right.length; column += 1) {
			const isSame = left[row - 1] === right[column - 1];
			const isSwapped = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
			current[column] = Math.min(
				(last[column] ?? 0) + 1,
				(current[column - 1] ?? 0) + 1,
				(last[column - 1] ?? 0) + (isSame ? 0 : 1),
				isSwapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
			);
		}
		[beforeLast, last] = [last, current];
	}
	return last[right.length] ?? 0;
}
