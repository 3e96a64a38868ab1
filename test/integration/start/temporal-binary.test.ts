import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readProcessStart } from "#activities/process/identity.ts";
import { until } from "#test/support/until.ts";
import { acquireTemporalBinary, type TemporalBinaryOptions } from "../../../scripts/start/temporal-binary.ts";

// Stand-ins are shell scripts: what is tested is the order of the ways and what each failure says.
const TEMPORAL = '#!/bin/sh\necho "temporal version 9.9.9"\n';

let folder: string;
let cached: string;

beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-binary-"));
	cached = path.join(folder, "cache/temporal/temporal");
	mkdirSync(path.join(folder, "bin"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, text: string): void {
	const file = path.join(folder, name);
	mkdirSync(path.dirname(file), { recursive: true });
	writeFileSync(file, text);
	chmodSync(file, 0o755);
}

function acquire(options: Partial<TemporalBinaryOptions> = {}): Promise<string> {
	const environment = { PATH: path.join(folder, "bin"), NODE_OPTIONS: process.env["NODE_OPTIONS"] };
	return acquireTemporalBinary({ named: null, cache: path.join(folder, "cache"), onProgress: () => {}, environment, ...options });
}

test("a named binary is used as it is, and never replaced by another when it does not work", async () => {
	program("named", TEMPORAL);
	program("bin/temporal", TEMPORAL);
	expect(await acquire({ named: path.join(folder, "named") })).toBe(path.join(folder, "named"));
	const absent = path.join(folder, "absent");
	await expect(acquire({ named: absent })).rejects.toThrow(`TOLLGATE_TEMPORAL_BINARY names ${absent}, which cannot be used: not there. Name the Temporal`);
	program("broken", "#!/bin/sh\necho one >&2\necho two >&2\nexit 1\n");
	await expect(acquire({ named: path.join(folder, "broken") })).rejects.toThrow(/^TOLLGATE_TEMPORAL_BINARY names [^\n]+ unset the variable [^\n]+$/);
});

test("PATH comes before the cache, the cache before anything that needs a network", async () => {
	program("cache/temporal/temporal", TEMPORAL);
	expect(await acquire()).toBe(cached);
	program("bin/temporal", TEMPORAL);
	expect(await acquire()).toBe(path.join(folder, "bin/temporal"));
});

test("a program on PATH that is not Temporal is passed over", async () => {
	program("bin/temporal", '#!/bin/sh\necho "a word of time"\n');
	program("cache/temporal/temporal", TEMPORAL);
	expect(await acquire()).toBe(cached);
});

test("what Go builds is moved into the cache whole, with nothing left beside it", async () => {
	program("bin/go", `#!/bin/sh\n[ "$1" = version ] && exit 0\n/bin/cat > "$GOBIN/temporal" <<'END'\n${TEMPORAL}END\n/bin/chmod 755 "$GOBIN/temporal"\n`);
	expect(await acquire({ downloadSilenceMs: 1 })).toBe(cached);
	expect(readdirSync(path.dirname(cached))).toEqual(["temporal"]);
	expect(readFileSync(cached, "utf8")).toBe(TEMPORAL);
});

test("when nothing works the message names every way that was tried and what to do", async () => {
	await expect(acquire({ downloadSilenceMs: 1 })).rejects.toThrow(
		/on PATH: not there[\s\S]*cached[\s\S]*download of the Temporal SDK[\s\S]*go install[\s\S]*no Go toolchain[\s\S]*TOLLGATE_TEMPORAL_BINARY[\s\S]*TEMPORAL_ADDRESS/,
	);
	expect(readdirSync(path.dirname(cached))).toEqual([]);
});

test("a build that takes too long or is stopped is ended with everything it started", async () => {
	program("bin/go", `#!/bin/sh\n[ "$1" = version ] && exit 0\n/bin/sleep 600 &\necho $! > ${folder}/compiler.pid\nwait\n`);
	await expect(acquire({ downloadSilenceMs: 1, buildMs: 200 })).rejects.toThrow("gave up after 0 minutes");
	await expectCompilerGone();
	const stop = new AbortController();
	const build = acquire({ downloadSilenceMs: 1, signal: stop.signal });
	await until("a second compiler", () => readdirSync(folder).includes("compiler.pid"));
	stop.abort();
	await expect(build).rejects.toThrow();
	await expectCompilerGone();
});

async function expectCompilerGone(): Promise<void> {
	const pid = Number(readFileSync(path.join(folder, "compiler.pid"), "utf8"));
	await until(`the end of process ${pid}`, async () => (await readProcessStart(pid)) === null);
	rmSync(path.join(folder, "compiler.pid"));
}
