/** No position: the attempt has none of that kind. */
const NONE = -1;
/** No attempt stands in this place of the table. */
const EMPTY = -1;
const LEAST_PLACES = 256;

/**
 * Positions of the reservation and the outcome of each attempt, by its number. A `Map` that is filled and emptied for ever moves to a new table every few
 * hundred calls; once it is old, each of those tables is garbage that only a major collection takes, and they were two thirds of what made one come.
 * Three arrays of numbers with open addressing instead.
 */
export class AttemptPlaces {
	#attempts = new Float64Array(LEAST_PLACES).fill(EMPTY);
	#reservations = new Float64Array(LEAST_PLACES);
	#outcomes = new Float64Array(LEAST_PLACES);
	#size = 0;

	/** Attempts with a position. */
	get size(): number {
		return this.#size;
	}

	/** Room of the table: at least twice its attempts, and at most sixteen times or 256. */
	get capacity(): number {
		return this.#attempts.length;
	}

	reservationOf(attempt: number): number | undefined {
		return positionAt(this.#reservations, this.#find(attempt));
	}

	outcomeOf(attempt: number): number | undefined {
		return positionAt(this.#outcomes, this.#find(attempt));
	}

	setReservation(attempt: number, position: number): void {
		const place = this.#take(attempt);
		this.#reservations[place] = position;
	}

	setOutcome(attempt: number, position: number): void {
		const place = this.#take(attempt);
		this.#outcomes[place] = position;
	}

	/** False: it had none. */
	deleteOutcome(attempt: number): boolean {
		const place = this.#find(attempt);
		if (positionAt(this.#outcomes, place) === undefined) return false;
		if (positionAt(this.#reservations, place) === undefined) this.#empty(place);
		else this.#outcomes[place] = NONE;
		return true;
	}

	/** Both positions of it. */
	delete(attempt: number): void {
		const place = this.#find(attempt);
		if (place !== -1) this.#empty(place);
	}

	/**
	 * Where it is looked for first. Numbered one after the other, attempts would stand in one row, all of which a deletion looks at; a multiple of the golden
	 * ratio keeps them apart (Knuth, The Art of Computer Programming 3, 6.4).
	 */
	#homeOf(attempt: number): number {
		return Math.imul(attempt, 0x9e3779b1) >>> (Math.clz32(this.capacity) + 1);
	}

	#find(attempt: number): number {
		const last = this.capacity - 1;
		for (let place = this.#homeOf(attempt); ; place = (place + 1) & last) {
			const there = this.#attempts[place];
			if (there === attempt) return place;
			if (there === EMPTY) return -1;
		}
	}

	#take(attempt: number): number {
		const found = this.#find(attempt);
		if (found !== -1) return found;
		if ((this.#size + 1) * 2 > this.capacity) this.#moveTo(this.capacity * 2);
		this.#size += 1;
		return this.#put(attempt, NONE, NONE);
	}

	#put(attempt: number, reservation: number, outcome: number): number {
		const last = this.capacity - 1;
		let place = this.#homeOf(attempt);
		while (this.#attempts[place] !== EMPTY) place = (place + 1) & last;
		this.#attempts[place] = attempt;
		this.#reservations[place] = reservation;
		this.#outcomes[place] = outcome;
		return place;
	}

	/** Whatever stands behind it and would not be found across the gap moves into it (algorithm R there). */
	#empty(emptied: number): void {
		const last = this.capacity - 1;
		let gap = emptied;
		for (let place = (gap + 1) & last; ; place = (place + 1) & last) {
			const there = this.#attempts[place] ?? EMPTY;
			if (there === EMPTY) break;
			const isBeforeGap = ((place - this.#homeOf(there)) & last) < ((place - gap) & last);
			if (isBeforeGap) continue;
			this.#attempts[gap] = there;
			this.#reservations[gap] = this.#reservations[place] ?? NONE;
			this.#outcomes[gap] = this.#outcomes[place] ?? NONE;
			gap = place;
		}
		this.#attempts[gap] = EMPTY;
		this.#size -= 1;
		if (this.capacity > LEAST_PLACES && this.#size * 16 < this.capacity) this.#moveTo(this.capacity / 4);
	}

	#moveTo(capacity: number): void {
		const [attempts, reservations, outcomes] = [this.#attempts, this.#reservations, this.#outcomes];
		this.#attempts = new Float64Array(capacity).fill(EMPTY);
		this.#reservations = new Float64Array(capacity);
		this.#outcomes = new Float64Array(capacity);
		for (const [place, attempt] of attempts.entries()) if (attempt !== EMPTY) this.#put(attempt, reservations[place] ?? NONE, outcomes[place] ?? NONE);
	}
}

function positionAt(positions: Float64Array, place: number): number | undefined {
	const position = place === -1 ? undefined : positions[place];
	return position === NONE ? undefined : position;
}
