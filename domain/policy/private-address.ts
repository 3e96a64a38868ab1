/**
 * Addresses that are not of the open internet, as literals in URLs. A name that leads to one is found when it is delivered
 * to; what is written down is refused when the policy is read.
 */

type Block = { readonly base: readonly [number, number, number, number]; readonly bits: number };

const PRIVATE_IPV4: readonly Block[] = [
	{ base: [0, 0, 0, 0], bits: 8 }, // this network
	{ base: [10, 0, 0, 0], bits: 8 },
	{ base: [100, 64, 0, 0], bits: 10 }, // shared by carriers
	{ base: [127, 0, 0, 0], bits: 8 }, // loopback
	{ base: [169, 254, 0, 0], bits: 16 }, // link-local; cloud metadata answers here
	{ base: [172, 16, 0, 0], bits: 12 },
	{ base: [192, 0, 0, 0], bits: 24 },
	{ base: [192, 168, 0, 0], bits: 16 },
	{ base: [198, 18, 0, 0], bits: 15 }, // benchmarks
	{ base: [224, 0, 0, 0], bits: 4 }, // multicast
	{ base: [240, 0, 0, 0], bits: 4 }, // reserved, broadcast
];

/** `host` as `URL.hostname` gives it: IPv4 in four decimal parts, IPv6 in brackets. A name is none, but for those of loopback. */
export function isPrivateHost(host: string): boolean {
	const name = host.toLowerCase().replace(/\.$/, "");
	if (name === "localhost" || name.endsWith(".localhost")) return true;
	if (name.startsWith("[") && name.endsWith("]")) return isPrivateIpv6(name.slice(1, -1));
	const parts = ipv4Parts(name);
	return parts !== undefined && isPrivateIpv4(parts);
}

function isPrivateIpv4(parts: readonly number[]): boolean {
	const address = toNumber(parts);
	return PRIVATE_IPV4.some(({ base, bits }) => Math.floor(address / 2 ** (32 - bits)) === Math.floor(toNumber(base) / 2 ** (32 - bits)));
}

function isPrivateIpv6(text: string): boolean {
	const groups = ipv6Groups(text);
	// What cannot be read is not let through.
	if (groups === undefined) return true;
	const [first = 0, second = 0] = groups;
	const embedded = [groups[6], groups[7]].flatMap((group = 0) => [group >> 8, group & 0xff]);
	if (groups.slice(0, 5).every((group) => group === 0)) {
		// ::, ::1, and IPv4 in IPv6 (::ffff:a.b.c.d and the old ::a.b.c.d).
		if (groups[5] === 0xffff) return isPrivateIpv4(embedded);
		if (groups[5] === 0) return true;
	}
	const isNat64 = first === 0x64 && second === 0xff9b;
	if (isNat64) return groups[2] !== 0 || isPrivateIpv4(embedded);
	const is6to4 = first === 0x2002;
	if (is6to4) return isPrivateIpv4([second >> 8, second & 0xff, (groups[2] ?? 0) >> 8, (groups[2] ?? 0) & 0xff]);
	// fc00::/7 unique local, fe80::/10 link-local, fec0::/10 site-local, ff00::/8 multicast.
	return (first & 0xfe00) === 0xfc00 || (first & 0xff80) === 0xfe80 || (first & 0xff00) === 0xff00;
}

function ipv4Parts(text: string): readonly number[] | undefined {
	const parts = text.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
	return parts.length === 4 && parts.every((part) => part <= 255) ? parts : undefined;
}

function ipv6Groups(text: string): readonly number[] | undefined {
	const halves = text.split("::");
	if (halves.length > 2) return undefined;
	const [left = [], right = []] = halves.map((half) =>
		half === "" ? [] : half.split(":").map((group) => (/^[0-9a-f]{1,4}$/.test(group) ? Number.parseInt(group, 16) : -1)),
	);
	const missing = 8 - left.length - right.length;
	if ([...left, ...right].includes(-1) || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
	return [...left, ...Array.from({ length: missing }, () => 0), ...right];
}

function toNumber(parts: readonly number[]): number {
	return parts.reduce((sum, part) => sum * 256 + part, 0);
}
