import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { isolateEnvironment } from "#test/support/environment.ts";

// 192.0.2.0/24 is reserved for documentation (RFC 5737): nobody answers there.
const OUTSIDE = "192.0.2.1";

test("a run sees no provider key, no live system and no home but its own, and every port is free", () => {
	const live = {
		OPENAI_API_KEY: "sk",
		ANTHROPIC_API_KEY_FILE: "f",
		DATABASE_URL: "postgres://live",
		TEMPORAL_ADDRESS: "live:7233",
		OPA_URL: "http://live:8181/v1/data/call",
		TOLLGATE_HOME: "/live",
		TOLLGATE_GATEWAY_PORT: "4000",
		PATH: "/bin",
	};
	const isolated = isolateEnvironment(live, "/run");
	expect(JSON.stringify(isolated)).not.toMatch(/live|sk|4000/);
	expect(isolated).toMatchObject({ PATH: "/bin", TOLLGATE_HOME: "/run/home", TOLLGATE_GATEWAY_PORT: "0", TMPDIR: "/run/tmp" });
});

test("this very run is isolated", () => {
	const names = Object.keys(process.env);
	expect(names.filter((name) => /^(OPENAI|ANTHROPIC)_|^DATABASE_URL$|^TEMPORAL_/.test(name))).toEqual([]);
	const runFolder = process.env["TOLLGATE_TEST_RUN_FOLDER"] ?? "";
	expect(path.dirname(process.env["TOLLGATE_HOME"] ?? "")).toBe(runFolder);
	expect(path.dirname(tmpdir())).toBe(runFolder);
});

test("neither a test nor a process it starts can connect to anything but loopback", () => {
	expect(() => connect(9, OUTSIDE)).toThrow("loopback only");
	expect(() => connect({ host: OUTSIDE, port: 9 })).toThrow("loopback only");
	const script = `try { require("node:net").connect(9, "${OUTSIDE}") } catch (error) { console.log(error.message) }`;
	expect(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })).toContain("loopback only");
});
