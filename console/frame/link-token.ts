const ENTER_PATH = "/console/enter";

/**
 * The token of a one-time link, `/console/enter#TOKEN`, once: it is taken out of the address at once, so that neither the history nor
 * whoever looks over a shoulder keeps it. null where the address is no such link.
 */
export function takeLinkToken(): string | null {
	if (location.pathname !== ENTER_PATH) return null;
	const token = location.hash.slice(1);
	if (token === "") return null;
	history.replaceState(null, "", ENTER_PATH);
	return token;
}

export function isEntering(): boolean {
	return location.pathname === ENTER_PATH && location.hash.length > 1;
}
