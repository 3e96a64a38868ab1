/**
 * Import layers: who may import whom, as direct edges. A type-only import is erased and therefore free. That no I/O reaches
 * the workflow bundle by a longer way is for the test of the bundle to say.
 */

const OURS = "^(domain|workflows|activities|clients|gateway|simulator|workers|config|console|scripts|test|bench|examples)/";

/** Files in `from` may import, of our own, only what `mayImport` matches. */
function only(name, from, mayImport) {
	return {
		name,
		severity: "error",
		from: { path: from },
		to: { path: OURS, pathNot: mayImport, dependencyTypesNot: ["type-only"] },
	};
}

/** Files in `from` may import, of packages and Node's modules, only what `mayImport` matches. */
function packages(name, from, mayImport) {
	return {
		name,
		severity: "error",
		from: { path: from },
		to: { pathNot: [OURS, ...mayImport], dependencyTypesNot: ["type-only", "local"] },
	};
}

module.exports = {
	forbidden: [
		{ name: "no-circles", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
		// Examples of frameworks have packages of their own, which are installed for tests alone.
		{ name: "resolvable", severity: "error", from: { pathNot: "^examples/(langchain|vercel-ai-sdk)/" }, to: { couldNotResolve: true } },
		only("domain-is-pure", "^domain/", ["^domain/"]),
		packages("domain-has-no-packages", "^domain/", []),
		only("workflows-know-domain", "^workflows/", ["^workflows/", "^domain/"]),
		packages("workflows-are-sandboxed", "^workflows/", ["node_modules/@temporalio/(workflow|common)/"]),
		only("activities-know-domain", "^activities/", ["^activities/", "^domain/"]),
		{
			name: "request-layer-is-not-temporal",
			severity: "error",
			from: { path: "^activities/request/" },
			to: { path: "node_modules/@temporalio/", dependencyTypesNot: ["type-only"] },
		},
		// All of it is some 6 MB that every gateway would keep for good (activities/providers/http-pool.ts).
		{
			name: "calls-load-the-pool-of-undici-alone",
			severity: "error",
			from: { path: "^(gateway|activities/(providers|request|runs|ledger|authority))/" },
			to: { path: "node_modules/undici/", dependencyTypesNot: ["type-only"] },
		},
		only("clients-know-messages", "^clients/", ["^clients/", "^domain/", "^workflows/[^/]+/messages\\.ts$"]),
		only("gateway-is-a-root", "^gateway/", ["^gateway/", "^activities/", "^clients/", "^config/", "^domain/"]),
		only("workers-are-roots", "^workers/", [
			"^workers/",
			"^activities/",
			"^config/",
			"^domain/",
			"^workflows/[^/]+/messages\\.ts$",
			"^clients/",
			"^gateway/administration/",
		]),
		only("config-knows-domain", "^config/", ["^config/", "^domain/"]),
		only("console-knows-domain", "^console/", ["^console/", "^domain/"]),
		packages("console-is-for-browsers", "^console/", ["node_modules/(@mantine|@tanstack|react|react-dom|openapi-fetch|dayjs|chart.js|get-nonce)/"]),
		{ name: "nothing-imports-the-console", severity: "error", from: { path: OURS, pathNot: "^(console|test)/" }, to: { path: "^console/" } },
		only("simulator-stands-alone", "^simulator/", ["^simulator/"]),
		only("bench-measures-from-outside", "^bench/", ["^bench/", "^activities/", "^config/", "^domain/", "^scripts/start/", "^clients/"]),
		only("examples-are-agents", "^examples/", ["^examples/", "^clients/", "^workflows/durable-agent/index\\.ts$", "^scripts/setup\\.mjs$"]),
		{
			name: "nothing-imports-tests-or-scripts",
			severity: "error",
			from: { path: OURS, pathNot: "^(test|scripts|bench|examples)/" },
			to: { path: "^(test|scripts|bench|examples)/" },
		},
	],
	options: {
		doNotFollow: { path: "node_modules" },
		exclude: { path: "^console/dist/" },
		tsPreCompilationDeps: true,
		tsConfig: { fileName: "tsconfig.json" },
		enhancedResolveOptions: {
			exportsFields: ["exports"],
			conditionNames: ["node", "import", "require", "types", "default"],
			extensions: [".ts", ".tsx", ".mjs", ".js", ".json"],
		},
	},
};
