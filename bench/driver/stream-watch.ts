const EVENT_END = 0x0a;
/** The first event names the role; the second carries the first token. */
const FIRST_TOKEN_EVENT = 2;

/** Tells when the events of one stream arrived: an event ends with an empty line, wherever the network cuts it. */
export class StreamWatch {
	/** When the first token was complete, on the clock handed in. */
	firstTokenAtMs: number | undefined;
	/** Between the arrivals of tokens; 0 between two in one piece. */
	readonly gapsMs: number[] = [];
	private events = 0;
	private lastAtMs = 0;
	private hasLineEnd = false;

	see(piece: Buffer, nowMs: number): void {
		for (const byte of piece) {
			if (byte !== EVENT_END) this.hasLineEnd = false;
			else if (this.hasLineEnd) this.endEvent(nowMs);
			else this.hasLineEnd = true;
		}
	}

	private endEvent(nowMs: number): void {
		this.hasLineEnd = false;
		this.events += 1;
		if (this.events === FIRST_TOKEN_EVENT) this.firstTokenAtMs = nowMs;
		if (this.events > FIRST_TOKEN_EVENT) this.gapsMs.push(nowMs - this.lastAtMs);
		this.lastAtMs = nowMs;
	}
}
