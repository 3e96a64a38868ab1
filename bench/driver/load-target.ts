/** Where calls of a window go, what they carry and what must come back. Plain data: it travels to the driver's process. */
export type LoadTarget = {
	readonly port: number;
	readonly path: string;
	/** Values of `Authorization`, all of one length; one call after the other takes the next. */
	readonly authorizations: readonly string[];
	/** More header lines, name and value. */
	readonly headers: Readonly<Record<string, string>>;
	/** Agent runs that the calls belong to, ids all of one length; one call after the other takes the next. Absent: no header. */
	readonly runs?: readonly string[] | undefined;
	/**
	 * The body of each call. `NONCE` is replaced for every call wherever it stands, so that no cache answers and no answer is another's;
	 * `NONCE_BEFORE` by the nonce of the call before it in the same run, whose answer an agent sends back.
	 */
	readonly requestBody: string;
	readonly answer: ExpectedAnswer;
};

/** The answer, byte for byte, but for the nonce of the call, which must stand at each of these places. */
export type ExpectedAnswer = { readonly bytes: Uint8Array; readonly nonceOffsets: readonly number[] };

/** Stands for the nonce in request bodies and learned answers; as long as every nonce. */
export const NONCE = "nonce-0000000000000000";

/** Stands for the nonce of the call before in the same run; as long as every nonce. */
export const NONCE_BEFORE = "prior-0000000000000000";

const DIGITS = 16;
const PREFIX = "nonce-";

/** The nonce of a call: different for every number below 2^48. */
export function nonceOf(call: number): string {
	return PREFIX + call.toString(16).padStart(DIGITS, "0");
}

/** Turns an answer to a call with `nonce` into what to expect of all others. */
export function learnAnswer(body: Buffer, nonce: string): ExpectedAnswer {
	return { bytes: new Uint8Array(body), nonceOffsets: offsetsOf(body, nonce) };
}

/** Every place at which `text` begins in `bytes`. */
export function offsetsOf(bytes: Buffer, text: string): number[] {
	const offsets: number[] = [];
	for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) offsets.push(at);
	return offsets;
}
