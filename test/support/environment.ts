import path from "node:path";
import { pathToFileURL } from "node:url";

type Environment = Record<string, string | undefined>;

const STRIPPED =
	/^(TOLLGATE_(?!TEST_|TEMPORAL_BINARY$|CACHE$)|TEMPORAL_|OPA_|OTEL_|DATABASE_URL$|PG[A-Z]+$|(OPENAI|ANTHROPIC|AZURE|GOOGLE|GEMINI|MISTRAL|GROQ|COHERE|OPENROUTER)_)/;
const PORTS = ["GATEWAY", "ADMIN", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "PROVIDER"];
const GUARD = `--import=${pathToFileURL(path.join(import.meta.dirname, "loopback-only.mjs")).href}`;

/**
 * What a test run sees of the environment it is started in: no provider key, no address of a live system, a home and
 * temporary files of its own under `runFolder`, free ports, loopback only.
 */
export function isolateEnvironment(environment: Environment, runFolder: string): Environment {
	const kept = Object.fromEntries(Object.entries(environment).filter(([name]) => !STRIPPED.test(name)));
	const nodeOptions = kept["NODE_OPTIONS"] ?? "";
	return {
		...kept,
		...Object.fromEntries(PORTS.map((name) => [`TOLLGATE_${name}_PORT`, "0"])),
		TOLLGATE_TEST_RUN_FOLDER: runFolder,
		TOLLGATE_HOME: path.join(runFolder, "home"),
		TMPDIR: path.join(runFolder, "tmp"),
		NODE_COMPILE_CACHE: path.join(runFolder, "compiled"),
		NODE_OPTIONS: nodeOptions.includes(GUARD) ? nodeOptions : `${nodeOptions} ${GUARD}`.trim(),
	};
}
