import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { buildConnector } from "undici";
import { type AlertChannel, checkAlertChannel } from "#domain/alerts/channel.ts";
import type { Checked } from "#domain/budget/scope.ts";
import { AddressRefused } from "./port.ts";

/**
 * Where alerts may be delivered to. Who may configure a channel must not reach what only this machine reaches: metadata services,
 * databases, other people's consoles. The address is judged that is connected to, after the name was resolved and once per
 * connection, so that a name whose answers change (DNS rebinding) gains nothing.
 */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

/** All addresses of a name, in the order of the resolver. */
export const resolveByDns: ResolveName = async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address);

/** Whether everybody's network leads there: no private, loopback, link-local, multicast, metadata or reserved address. */
export function isPublicAddress(address: string): boolean {
	if (!ipaddr.isValid(address)) return false;
	// An IPv4 address inside an IPv6 one is judged as what it is.
	const parsed = ipaddr.process(address);
	return parsed.range() === "unicast" && (parsed.kind() === "ipv4" || parsed.match(ipaddr.parse(GLOBAL_UNICAST), 3));
}

/** All that is given out of IPv6 so far (RFC 4291 §2.4, IANA): what lies outside leads nowhere, or back here (::7f00:1). */
const GLOBAL_UNICAST = "2000::";

type ConnectOptions = buildConnector.Options;
type Connected = buildConnector.Callback;
type ConnectResult = Parameters<Connected>;

/**
 * A connector of undici that connects to addresses it has judged itself. Several addresses of a name are tried in turn; one that is
 * refused refuses the name. `servername` stays the name, so that a certificate is held to it.
 */
export function createGuardedConnector(options: { readonly timeoutMs: number; readonly allowPrivate: boolean; readonly resolve: ResolveName }) {
	const connect = buildConnector({ timeout: options.timeoutMs, allowH2: false });
	const connectTo = (target: ConnectOptions) => new Promise<ConnectResult>((resolve) => connect(target, (...result) => resolve(result)));
	const connectGuarded = async (target: ConnectOptions): Promise<ConnectResult> => {
		const hostname = target.hostname.replace(/^\[|\]$/g, "");
		const isAddress = isIP(hostname) !== 0;
		const addresses = isAddress ? [hostname] : await options.resolve(hostname);
		refuseForbidden(addresses, options.allowPrivate);
		const name = target.protocol === "https:" && !isAddress ? { servername: hostname } : {};
		let result: ConnectResult = [Object.assign(new Error("the name has no address"), { code: "ENOTFOUND" }), null];
		for (const address of addresses) {
			result = await connectTo({ protocol: target.protocol, port: target.port, hostname: address, host: address, ...name });
			if (result[0] === null) break;
		}
		return result;
	};
	return (target: ConnectOptions, callback: Connected): void => {
		connectGuarded(target).then(
			(result) => callback(...result),
			(error: Error) => callback(error, null),
		);
	};
}

function refuseForbidden(addresses: readonly string[], allowPrivate: boolean): void {
	if (allowPrivate || addresses.every(isPublicAddress)) return;
	throw new AddressRefused("leads to a private, loopback, link-local or reserved address; only a channel with allowPrivate may deliver there");
}

/**
 * `checkAlertChannel`, and an address that stands in the URL itself. What a name resolves to is judged when it is connected to.
 * `field` as there.
 */
export function checkChannelAddress(input: unknown, field: string): Checked<AlertChannel> {
	const checked = checkAlertChannel(input, field);
	if (checked.kind === "invalid" || checked.value.url === undefined || checked.value.allowPrivate) return checked;
	// The parser writes 0x7f000001, 127.1 and the like as the addresses they are.
	const hostname = new URL(checked.value.url).hostname.replace(/^\[|\]$/g, "");
	if (isIP(hostname) === 0 || isPublicAddress(hostname)) return checked;
	return {
		kind: "invalid",
		problems: [{ field: `${field}.url`, problem: "leads to a private, loopback, link-local or reserved address; allowPrivate gives leave" }],
	};
}
