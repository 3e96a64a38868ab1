import { expect, test } from "vitest";
import { reachableOrigin } from "#activities/process/origin.ts";

test.each([
	["127.0.0.1", "http://127.0.0.1:4000"],
	["localhost", "http://localhost:4000"],
	["::1", "http://[::1]:4000"],
	["0.0.0.0", "http://127.0.0.1:4000"],
	["::", "http://127.0.0.1:4000"],
])("a server that listens on %s is reached at %s, which is a URL", (host, origin) => {
	expect(reachableOrigin(host, 4000)).toBe(origin);
	expect(new URL(origin).origin).toBe(origin);
});
