import { AttemptPlaces } from "./attempt-places.ts";
import type { JournalRecord } from "./record.ts";

/** A place in the journal: segment × 2³² + offset. */
export type JournalPosition = number;

const SEGMENT_STRIDE = 2 ** 32;

export function positionIn(segment: number, offset: number): JournalPosition {
	return segment * SEGMENT_STRIDE + offset;
}

export function segmentOf(position: JournalPosition): number {
	return Math.floor(position / SEGMENT_STRIDE);
}

export function offsetOf(position: JournalPosition): number {
	return position % SEGMENT_STRIDE;
}

/** What of a journal is still needed, and where it stands: reservations that are open, and whatever is not in the ledger yet. */
export class JournalPlaces {
	/** Of every attempt that is not released or flushed. */
	private readonly attempts = new AttemptPlaces();
	/** Position of every refusal that is not flushed. */
	private readonly refusals = new Map<string, JournalPosition>();
	private readonly unflushedPerSegment = new Map<number, number>();
	private resolvedAttempts = 0;

	/** Reservations without an outcome. */
	get openAttempts(): number {
		return this.attempts.size - this.resolvedAttempts;
	}

	isOpen(n: number): boolean {
		return this.attempts.reservationOf(n) !== undefined && this.attempts.outcomeOf(n) === undefined;
	}

	/** Where the outcome of an attempt, or a refusal, stands. */
	ofOutcome(id: number | string): JournalPosition | undefined {
		return typeof id === "number" ? this.attempts.outcomeOf(id) : this.refusals.get(id);
	}

	ofReservation(n: number): JournalPosition | undefined {
		return this.attempts.reservationOf(n);
	}

	isNeeded(segment: number): boolean {
		return (this.unflushedPerSegment.get(segment) ?? 0) > 0;
	}

	forgetSegment(segment: number): void {
		this.unflushedPerSegment.delete(segment);
	}

	remember(record: JournalRecord, position: JournalPosition): void {
		if (record.type === "reservation") {
			this.attempts.setReservation(record.n, position);
			this.count(position, 1);
		} else if (record.type === "refusal") {
			this.refusals.set(record.refusalId, position);
			this.count(position, 1);
		} else if (record.outcome !== "released") {
			this.attempts.setOutcome(record.n, position);
			this.resolvedAttempts += 1;
		}
	}

	/** The record was not written after all. */
	unremember(record: JournalRecord): void {
		if (record.type === "reservation") this.flushedAttempt(record.n);
		else if (record.type === "refusal") this.flushedRefusal(record.refusalId);
		else if (this.attempts.deleteOutcome(record.n)) this.resolvedAttempts -= 1;
	}

	flushedAttempt(n: number): void {
		const position = this.attempts.reservationOf(n);
		if (position === undefined) return;
		if (this.attempts.outcomeOf(n) !== undefined) this.resolvedAttempts -= 1;
		this.attempts.delete(n);
		this.count(position, -1);
	}

	flushedRefusal(refusalId: string): void {
		const position = this.refusals.get(refusalId);
		if (position === undefined) return;
		this.refusals.delete(refusalId);
		this.count(position, -1);
	}

	private count(position: JournalPosition, difference: 1 | -1): void {
		const segment = segmentOf(position);
		this.unflushedPerSegment.set(segment, (this.unflushedPerSegment.get(segment) ?? 0) + difference);
	}
}
