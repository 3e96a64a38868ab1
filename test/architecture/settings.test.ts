import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { GATEWAY_ALLOCATOR, GATEWAY_NODE_FLAGS } from "#config/gateway-process.ts";
import { describeSettings } from "#config/schema.ts";
import { CALLS_GRACE_MS, WORKER_ALLOCATOR, WORKER_NODE_FLAGS } from "#config/worker-process.ts";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

const known = new Set(describeSettings().map((row) => row.name));
// Named in tests on purpose as what does not exist, or by clients of the gateway for a key of their own.
const NOT_SETTINGS = /^TOLLGATE_(TEST_\w*|KEY|COLOUR|CRASH_AT|GATEWAY_PROT)?$/;

function read(file: string): string {
	return readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
}

test("every TOLLGATE_ variable that is named anywhere is a setting", () => {
	const files = [...listProjectFiles([".ts", ".mjs", ".md", ".yml"]), "Dockerfile"];
	const unknown = files.flatMap((file) =>
		[...new Set(read(file).match(/\bTOLLGATE_[A-Z0-9_]*[A-Z0-9]\b/g))]
			.filter((name) => !known.has(name) && !NOT_SETTINGS.test(name))
			.map((name) => `${file}: ${name}`),
	);
	expect(unknown).toEqual([]);
});

test("docs/settings.md lists every setting with what is expected", () => {
	const table = [
		"| variable | expected |",
		"| --- | --- |",
		...describeSettings().map((row) => `| \`${row.name}\` | ${row.expected.replaceAll("|", "\\|")} |`),
	].join("\n");
	expect(read("docs/settings.md")).toContain(table);
});

test("containers start a gateway as npm start does", () => {
	const command = JSON.stringify(["node", ...GATEWAY_NODE_FLAGS, "gateway/main.ts"]).replaceAll(",", ", ");
	expect(read("Dockerfile")).toContain(`CMD ${command}`);
	expect(read("docker-compose.yml")).toContain(`command: ${command}`);
	expect(read("Dockerfile")).toContain(
		`ENV ${Object.entries(GATEWAY_ALLOCATOR)
			.map((one) => one.join("="))
			.join(" ")}\n`,
	);
});

test("a container starts a worker as npm start does", () => {
	const worker = (read("docker-compose.yml").split(/^ {2}worker:$/m)[1] ?? "").split(/^ {2}(?=\S)/m)[0] ?? "";
	expect(worker).toContain(`command: ${JSON.stringify(["node", ...WORKER_NODE_FLAGS, "workers/main.ts"]).replaceAll(",", ", ")}`);
	for (const [name, value] of Object.entries(WORKER_ALLOCATOR)) expect(worker).toContain(`      ${name}: "${value}"\n`);
});

test("a container's worker has the time that its calls of batches have, and 15 s, as with npm start", () => {
	const worker = (read("docker-compose.yml").split(/^ {2}worker:$/m)[1] ?? "").split(/^ {2}(?=\S)/m)[0] ?? "";
	expect(worker).toContain(`    stop_grace_period: ${(CALLS_GRACE_MS + 15_000) / 1_000}s\n`);
});

test("in docker-compose.yml only gateway and worker have a way out to providers, and only the worker and Alertmanager one to receivers of alerts", () => {
	const services = read("docker-compose.yml").split(/^networks:$/m)[0] ?? "";
	const inNetwork = (network: string) =>
		services
			.split(/^ {2}(?=[a-z-]+:$)/m)
			.filter((service) => new RegExp(`^ {4}networks: .*\\b${network}\\b`, "m").test(service))
			.map((service) => service.split(":")[0]);
	expect([inNetwork("providers"), inNetwork("receivers")]).toEqual([
		["worker", "gateway"],
		["worker", "alertmanager"],
	]);
	expect(services.match(/^ {4}networks: /gm)).toHaveLength(10);
});
