/**
 * Bytes of request bodies that a gateway holds, from the head of a request to the end of its call. Without a bound, callers who
 * send at once what each may send would take more memory than the process has.
 */
export type HeldBodies = {
	readonly bytes: number;
	/** No further call is taken: one that is asks for money, and memory that runs out in the middle of it ends every call there is. */
	readonly isFull: boolean;
	/**
	 * Takes the place of a body of `bytes`; undefined when all is taken. What is free is not compared with `bytes`: any body that is
	 * allowed at all can be sent to an idle gateway, and "not full" always means that a call is taken.
	 */
	enter(bytes: number): HeldBody | undefined;
};

/** The place of one body; given back once, by `abandon` or by `leave`. */
export type HeldBody = {
	/** All of it has arrived, and its call has begun. */
	arrive(bytes: number): void;
	/** Nobody will read it: gives the place back unless its call has begun. */
	abandon(): void;
	/** The call is over. */
	leave(): void;
};

export function createHeldBodies(bytesMax: number): HeldBodies {
	let held = 0;
	return {
		get bytes() {
			return held;
		},
		get isFull() {
			return held >= bytesMax;
		},
		enter(bytes) {
			if (held >= bytesMax) return undefined;
			let own = bytes;
			let hasBegun = false;
			held += own;
			const resize = (size: number): void => {
				held += size - own;
				own = size;
			};
			return {
				arrive(size) {
					hasBegun = true;
					resize(size);
				},
				abandon() {
					if (!hasBegun) resize(0);
				},
				leave: () => resize(0),
			};
		},
	};
}
