import { isIPv6 } from "node:net";

/** Addresses that mean "all of them": one listens there, and nobody can call them by that name. */
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Origin at which a server that listens on `host` is reached from this machine; IPv6 addresses stand in brackets (RFC 3986). */
export function reachableOrigin(host: string, port: number): string {
	// A socket on "::" takes IPv4 as well.
	const reachable = WILDCARDS.has(host) ? "127.0.0.1" : host;
	return `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`;
}
