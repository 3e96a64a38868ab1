import { expect, test } from "vitest";
import { isPrivateHost } from "#domain/policy/private-address.ts";

const hostOf = (url: string): string => new URL(url).hostname;

test.each([
	"http://0.0.0.0",
	"http://10.0.0.1",
	"http://100.64.0.1",
	"http://100.127.255.255",
	"http://127.9.9.9",
	"http://127.1",
	"http://0177.0.0.1",
	"http://169.254.169.254",
	"http://172.16.0.1",
	"http://172.31.255.255",
	"http://192.168.1.1",
	"http://198.19.0.1",
	"http://224.0.0.1",
	"http://255.255.255.255",
	"http://localhost",
	"http://LOCALHOST.",
	"http://api.localhost",
	"http://[::]",
	"http://[::1]",
	"http://[::ffff:127.0.0.1]",
	"http://[::10.0.0.1]",
	"http://[64:ff9b::10.0.0.1]",
	"http://[2002:0a00:0001::]",
	"http://[fc00::1]",
	"http://[fdff::1]",
	"http://[fe80::1]",
	"http://[ff02::1]",
])("%s is not of the open internet", (url) => {
	expect(isPrivateHost(hostOf(url))).toBe(true);
});

test.each([
	"http://1.1.1.1",
	"http://100.63.255.255",
	"http://100.128.0.1",
	"http://172.15.0.1",
	"http://172.32.0.1",
	"http://192.169.0.1",
	"http://198.20.0.1",
	"http://223.255.255.255",
	"http://example.com",
	"http://10.example.com",
	"http://localhost.example.com",
	"http://[2606:4700::1111]",
	"http://[::ffff:1.1.1.1]",
	"http://[64:ff9b::1.1.1.1]",
])("%s is", (url) => {
	expect(isPrivateHost(hostOf(url))).toBe(false);
});

test("an address that cannot be read is not let through", () => {
	for (const host of ["[:::]", "[1:2:3]", "[1::2::3]", "[g::]"]) expect(isPrivateHost(host)).toBe(true);
});
