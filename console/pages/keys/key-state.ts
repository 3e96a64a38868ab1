export type KeyState = {
	readonly tone: "good" | "warn" | "quiet";
	readonly words: string;
	/** Since or until when. */
	readonly at: string | null;
	readonly isEnded: boolean;
};

const SOON_MS = 7 * 86_400_000;

/** Whether calls with a key are answered. */
export function stateOf({ revokedAt, expiresAt }: { readonly revokedAt: string | null; readonly expiresAt: string | null }, nowMs: number): KeyState {
	if (revokedAt !== null) return { tone: "quiet", words: "revoked", at: revokedAt, isEnded: true };
	if (expiresAt === null) return { tone: "good", words: "in use until revoked", at: null, isEnded: false };
	const leftMs = Date.parse(expiresAt) - nowMs;
	if (leftMs <= 0) return { tone: "quiet", words: "expired", at: expiresAt, isEnded: true };
	return { tone: leftMs < SOON_MS ? "warn" : "good", words: "in use; expires", at: expiresAt, isEnded: false };
}
